//! Domains that say in the domain name system what they point to.

use nubes_tests::{Cloud, free_port_base, nubes_json};
use std::{fs, net::SocketAddr, sync::Arc};
use tokio::{net::UdpSocket, sync::Mutex, task::JoinSet};

const TXT: [u8; 2] = [0, 16];
const NAME_ERROR: u8 = 3;

/// A server of names that gives one text for one name, and says of all others that they are not there.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    /// Ends with this value.
    _task: JoinSet<()>,
}

async fn server(name: &'static str, text: String) -> Server {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&asked);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut buffer = [0; 1_500];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let question = question(&buffer[..length]);
            heard.lock().await.push(name_of(&question));
            let text = (name_of(&question) == name).then_some(text.as_str());
            socket.send_to(&answer(&buffer[..2], &question, text), from).await.unwrap();
        }
    });
    Server { address, asked, _task: task }
}

/// The first question of a query: its labels, type and class (RFC 1035, 4.1.2).
fn question(query: &[u8]) -> Vec<u8> {
    let labels = query[12..].iter().position(|byte| *byte == 0).unwrap();
    query[12..12 + labels + 5].to_vec()
}

fn name_of(question: &[u8]) -> String {
    let (mut at, mut labels) = (0, Vec::new());
    while question[at] > 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..=at + length].to_vec()).unwrap());
        at += 1 + length;
    }
    labels.join(".").to_ascii_lowercase()
}

fn answer(id: &[u8], question: &[u8], text: Option<&str>) -> Vec<u8> {
    let text = text.filter(|_| question[question.len() - 4..][..2] == TXT);
    let code = if text.is_some() { 0 } else { NAME_ERROR };
    let mut answer =
        [id, &[0x81, 0x80 | code, 0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0], question].concat();
    if let Some(text) = text {
        let length = u8::try_from(text.len()).unwrap();
        // The name by a pointer to the question, TXT, IN, 300 seconds.
        answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 1, 44, 0, length + 1, length]);
        answer.extend(text.as_bytes());
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_served_by_what_its_records_say_slow() {
    let dir = tempfile::tempdir().unwrap();
    let (here, data, base) = (dir.path(), dir.path().join("data"), free_port_base().unwrap());
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    fs::create_dir(here.join("site")).unwrap();
    fs::write(here.join("site/index.html"), "linked").unwrap();
    let door = cloud.door();
    let added = nubes_json(here, &["add", "site", "--node", &door]).await.unwrap();
    let cid = added["cid"].as_str().unwrap();
    let client = reqwest::Client::new();
    let host = async |host: &str| client.get(&door).header("host", host).send().await.unwrap();
    assert_eq!(host("linked.example").await.status(), 421, "nobody is asked unless the file says so");
    cloud.process.stop().await.unwrap();
    let server = server("_dnslink.linked.example", format!("dnslink=/ipfs/{cid}")).await;
    let file = data.join("v0/node.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("[gateway]", &format!("[gateway]\ndns = \"{}\"", server.address));
    fs::write(&file, text).unwrap();
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    for _ in 0..3 {
        let answer = host("linked.example").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "linked");
    }
    assert_eq!(*server.asked.lock().await, ["_dnslink.linked.example"], "it is remembered");
    let path = client.get(format!("{door}/ipns/linked.example/")).send().await.unwrap();
    let max_age = path.headers()["cache-control"].to_str().unwrap().to_owned();
    assert_eq!((path.status().as_u16(), path.text().await.unwrap()), (200, "linked".to_owned()));
    assert!(max_age.contains("max-age=29") || max_age.contains("max-age=300"), "{max_age}");
    assert_eq!(host("other.example").await.status(), 421);
    let path = client.get(format!("{door}/ipns/other.example")).send().await.unwrap();
    assert!(path.text().await.unwrap().contains("no link of other.example is known here, nor in the DNS"));
    cloud.process.stop().await.unwrap();
}
