//! A node whose block store is a bucket, on a server of the S3 protocol.

use nubes_tests::{NodeProcess, free_port_base, nubes_in, nubes_json, repository};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The server; nobody who is not known to it is let in if it is told so.
pub(super) struct Server {
    process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Where `cargo xtask test` puts it; nothing if it was not asked to.
pub(super) fn moto() -> Option<PathBuf> {
    let tools = repository().join("target/tools/moto");
    tools.join("moto/server.py").is_file().then_some(tools)
}

/// Starts it with the bucket `blocks`, which is the only thing that may be asked of it by strangers if it is `strict`.
pub(super) async fn start(tools: &Path, is_strict: bool) -> Server {
    let mut command = Command::new("python3");
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]).env("PYTHONPATH", tools);
    if is_strict {
        command.env("INITIAL_NO_AUTH_ACTION_COUNT", "1");
    }
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    let url = said.find_map(|line| line.unwrap().split_once("Running on ").map(|(_, url)| url.to_owned()));
    // It says a line for each request and would wait for somebody to read it.
    std::thread::spawn(move || said.for_each(drop));
    let server = Server { process, url: url.unwrap() };
    let made = reqwest::Client::new().put(format!("{}/blocks", server.url)).send().await.unwrap();
    assert!(made.status().is_success(), "{made:?}");
    server
}

pub(super) fn environment(server: &Server) -> [(&str, &str); 4] {
    [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "do not tell"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &server.url),
    ]
}

/// `nubes dev` in `data`, with one validator.
fn dev(data: &Path, base: &str, engine: Option<&str>) -> Vec<String> {
    let data = data.to_str().unwrap();
    let mut args =
        vec!["dev", "--validators", "1", "--providers", "0", "--port-base", base, "--data-dir", data];
    args.extend(engine.into_iter().flat_map(|engine| ["--storage", engine]));
    args.into_iter().map(str::to_owned).collect()
}

async fn run(args: &[String], server: &Server, dir: &Path) -> NodeProcess {
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    NodeProcess::start_in(dir, &args, &environment(server)).await.unwrap()
}

/// Code and text of the error with which the node does not start.
async fn refused(args: &[String], server: &Server, dir: &Path) -> (String, String) {
    let mut args: Vec<_> = args.iter().map(String::as_str).collect();
    args.push("--json");
    let output = nubes_in(dir, &args, &environment(server)).await.unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("do not tell"), "{text}");
    let error: Value = text.lines().find_map(|line| serde_json::from_str(line).ok()).unwrap();
    (error["error"]["code"].as_str().unwrap().to_owned(), text)
}

/// Answers and the objects of the bucket, as the server lists them.
async fn objects(server: &Server) -> usize {
    let listed = reqwest::get(format!("{}/blocks?list-type=2", server.url)).await.unwrap();
    listed.text().await.unwrap().matches("<Key>").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_keeps_its_blocks_in_a_bucket_slow() {
    let Some(tools) = moto() else {
        println!("left out: `cargo xtask test rust` installs the S3 server that it needs");
        return;
    };
    let server = start(&tools, false).await;
    let dir = tempfile::tempdir().unwrap();
    let (here, data) = (dir.path(), dir.path().join("data"));
    let base = free_port_base().unwrap().to_string();
    let door = format!("http://127.0.0.1:{base}");
    let to = ["--node", &door];
    let node = run(&dev(&data, &base, Some("s3://blocks/nodes/one")), &server, here).await;
    let content: Vec<u8> = (0..3_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(here.join("file"), &content).unwrap();
    fs::write(here.join("loose"), "loose").unwrap();
    let added = nubes_json(here, &[&["add", "file"], to.as_slice()].concat()).await.unwrap();
    let cid = added["cid"].as_str().unwrap();
    nubes_json(here, &[&["add", "loose", "--no-pin"], to.as_slice()].concat()).await.unwrap();
    let status = nubes_json(here, &[&["store", "status"], to.as_slice()].concat()).await.unwrap();
    assert_eq!((&status["engine"], &status["blocks"]), (&json!("bucket"), &json!(5)), "{status}");
    assert_eq!(objects(&server).await, 6, "the blocks and the owner");
    assert!(!data.join("v0/data/storage/segments").exists(), "nothing is kept here");
    let freed = nubes_json(here, &[&["store", "collect"], to.as_slice()].concat()).await.unwrap();
    assert_eq!((&freed["removedBlocks"], &freed["freedBytes"]), (&json!(1), &json!(5)), "{freed}");
    let check = nubes_json(here, &[&["store", "check"], to.as_slice()].concat()).await.unwrap();
    assert_eq!((&check["blocks"], &check["damagedBlocks"]), (&json!(4), &json!(0)), "{check}");
    let backup = nubes_in(here, &["store", "backup", "copy", "--node", &door, "--json"], &[]).await.unwrap();
    let said = String::from_utf8(backup.stderr).unwrap();
    assert!(said.contains("made by a store of segments"), "{said}");
    node.stop().await.unwrap();
    // It says itself where it keeps them from now on.
    let node = run(&dev(&data, &base, None), &server, here).await;
    nubes_json(here, &[&["get", cid, "--output", "back"], to.as_slice()].concat()).await.unwrap();
    assert_eq!(fs::read(here.join("back")).unwrap(), content);
    let got = reqwest::get(format!("{door}/ipfs/{cid}")).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), content);
    node.stop().await.unwrap();
    // Another node would remove what this one keeps.
    let other = dev(&here.join("other"), &base, Some("s3://blocks/nodes/one"));
    let (code, text) = refused(&other, &server, here).await;
    assert!(code == "NX3058" && text.contains("nodes/one/owner"), "{text}");
    let elsewhere = dev(&here.join("third"), &base, Some("s3://nowhere"));
    let (code, text) = refused(&elsewhere, &server, here).await;
    assert!(code == "NX3057" && text.contains("there is no bucket nowhere"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_the_credentials_says_so_at_the_start_slow() {
    let Some(tools) = moto() else {
        println!("left out: `cargo xtask test rust` installs the S3 server that it needs");
        return;
    };
    let server = start(&tools, true).await;
    let dir = tempfile::tempdir().unwrap();
    let (here, data) = (dir.path(), dir.path().join("data"));
    let base = free_port_base().unwrap().to_string();
    let (code, text) = refused(&dev(&data, &base, Some("s3://blocks/p")), &server, here).await;
    assert!(code == "NX3057" && text.contains("refuses these credentials"), "{text}");
    assert!(text.contains("AWS_SECRET_ACCESS_KEY"), "{text}");
    let file = data.join("v0/node.toml");
    let written =
        fs::read_to_string(&file).unwrap().replace("[storage]", "[storage]\nsecret_key = \"do not tell\"");
    fs::write(&file, written).unwrap();
    let (code, text) = refused(&dev(&data, &base, None), &server, here).await;
    assert!(code == "NX1014" && text.contains("do not belong into a file"), "{text}");
}
