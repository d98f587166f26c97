//! The socket.

use super::{House, PATIENCE, limits, limits::endless, record};
use crate::{Limits, Mount, Server};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: shop.localhost\r\n\r\n";
const GET_ENDLESS: &[u8] = b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Served {
    house: House,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn serve(limits: Limits) -> Served {
    serve_with(limits, Vec::new()).await
}

async fn serve_with(limits: Limits, mounts: Vec<Mount>) -> Served {
    let house = House::with(limits, mounts);
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), house.door.clone()).await.unwrap();
    let (address, stop, mut tasks) = (server.local_address(), CancellationToken::new(), JoinSet::new());
    tasks.spawn(server.run(stop.clone()));
    house.until(|house| house.door.head().is_some()).await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    Served { house, address, stop, tasks }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ends(&mut self) {
        timeout(PATIENCE, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
    }
}

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.unwrap();
    read_head(stream).await
}

/// Reads until the answer of the function is there, or the connection ends.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = async {
        while !text.windows(9).any(|part| part == b"f GET / 0")
            && stream.read_buf(&mut text).await.unwrap_or(0) > 0
        {}
    };
    timeout(PATIENCE, read).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let served = serve(limits()).await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 202 Accepted\r\n"));
    }
}

#[tokio::test]
async fn http2_is_spoken_with_who_begins_so() {
    let mut served = serve(limits()).await;
    let io = TokioIo::new(served.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    served.tasks.spawn(async move { connection.await.unwrap() });
    let uri = format!("http://shop.localhost:{}/", served.address.port());
    let request = Request::get(&uri).body(Empty::<Bytes>::new()).unwrap();
    let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(answer.status(), 202);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, format!("f GET {uri} 0"));
    drop(sender);
    served.stop.cancel();
    served.ends().await;
    served.ends().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_requests_that_have_begun() {
    let mut served = serve(limits()).await;
    let mut idle = served.connect().await;
    assert!(ask(&mut idle).await.starts_with("HTTP/1.1 202"));
    let gate = served.house.runner.hold_requests().await;
    let mut begun = served.connect().await;
    begun.write_all(GET).await.unwrap();
    served.house.runner.has_taken(2).await;
    served.stop.cancel();
    assert_eq!(read_head(&mut idle).await, "", "an idle connection ends");
    assert!(TcpStream::connect(served.address).await.is_err(), "no new connection");
    assert!(served.tasks.try_join_next().is_none());
    drop(gate);
    let answer = read_head(&mut begun).await;
    assert!(answer.starts_with("HTTP/1.1 202 Accepted"), "{answer}");
    served.ends().await;
    assert_eq!(served.house.door.head(), None, "the ledger is not followed any more");
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_does_not_end() {
    let mut served = serve(Limits { drain_timeout: Duration::from_millis(20), ..limits() }).await;
    let gate = served.house.runner.hold_requests().await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    served.house.runner.has_taken(1).await;
    served.stop.cancel();
    served.ends().await;
    assert_eq!(read_head(&mut stream).await, "");
    drop(gate);
}

#[tokio::test]
async fn who_sends_no_head_in_time_is_disconnected() {
    let served = serve(Limits { header_timeout: Duration::from_millis(30), ..limits() }).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for start in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: sh", b"PRI * HTTP/2.0\r\n", preface] {
        let mut stream = served.connect().await;
        stream.write_all(start).await.unwrap();
        let answer = read_head(&mut stream).await;
        assert!(!answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
}

#[tokio::test]
async fn one_connection_more_than_the_limit_waits() {
    let served = serve(Limits { connections_max: 1, ..limits() }).await;
    let mut first = served.connect().await;
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 202"));
    let mut second = served.connect().await;
    second.write_all(GET).await.unwrap();
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 202"));
    let mut nothing = [0; 1];
    assert!(second.try_read(&mut nothing).is_err(), "not answered while the first is there");
    drop(first);
    assert!(read_head(&mut second).await.starts_with("HTTP/1.1 202"));
}

/// An answer without end at `/endless`.
fn endless_mount() -> Mount {
    let answer = async || endless(64 << 10).0;
    Mount::new("/endless", Router::new().route("/endless", get(answer)))
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off_and_makes_place() {
    let limits = Limits { connections_max: 1, write_timeout: Duration::from_millis(50), ..limits() };
    let served = serve_with(limits, vec![endless_mount()]).await;
    let mut deaf = served.connect().await;
    deaf.write_all(GET_ENDLESS).await.unwrap();
    let mut next = served.connect().await;
    assert!(ask(&mut next).await.starts_with("HTTP/1.1 202"), "the place is free");
    let mut sent = Vec::new();
    // What was on its way is all there is of it, with or without a reset at its end.
    let _ = timeout(PATIENCE, deaf.read_to_end(&mut sent)).await.unwrap();
    assert!(sent.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

/// A request for the endless answer by a client that opens its windows as far as they go (RFC 9113, 4.1; RFC 7541, 6.2).
fn http2_endless() -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
    };
    let window = (i32::MAX - 65_535).to_be_bytes();
    let head = [&[0x82, 0x86, 0x04, 8][..], b"/endless", &[0x01, 9], b"localhost"].concat();
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[&[0, 4][..], &i32::MAX.to_be_bytes()].concat()),
        frame(8, 0, 0, &window),
        frame(1, 0x5, 1, &head),
    ]
    .concat()
}

#[tokio::test]
async fn who_takes_nothing_over_http2_is_cut_off_and_makes_place() {
    let limits = Limits { connections_max: 1, write_timeout: Duration::from_millis(50), ..limits() };
    let served = serve_with(limits, vec![endless_mount()]).await;
    let mut deaf = served.connect().await;
    deaf.write_all(&http2_endless()).await.unwrap();
    let mut next = served.connect().await;
    assert!(ask(&mut next).await.starts_with("HTTP/1.1 202"), "the place is free");
    let mut sent = Vec::new();
    let _ = timeout(PATIENCE, deaf.read_to_end(&mut sent)).await.unwrap();
    assert!(sent.len() > 64 << 10, "the answer had begun: {} bytes", sent.len());
}

#[tokio::test]
async fn who_reads_now_and_then_is_not_cut_off_slow() {
    let patience = Duration::from_secs(4);
    let served = serve_with(Limits { write_timeout: patience, ..limits() }, vec![endless_mount()]).await;
    let socket = TcpSocket::new_v4().unwrap();
    // So that less waits on the way than is read at once: the server writes on at each turn, and then waits again.
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut slow = socket.connect(served.address).await.unwrap();
    slow.write_all(GET_ENDLESS).await.unwrap();
    let (begun, mut part) = (Instant::now(), vec![0; 8 << 20]);
    while begun.elapsed() < patience + patience / 2 {
        slow.read_exact(&mut part).await.expect("it is not cut off");
        // This is the slow reader's pause, not a wait for something.
        sleep(patience / 10).await;
    }
}

#[tokio::test]
async fn a_gibibyte_is_refused_before_it_is_sent() {
    let served = serve(limits()).await;
    let mut stream = served.connect().await;
    let head = format!("POST / HTTP/1.1\r\nhost: shop.localhost\r\ncontent-length: {}\r\n\r\nbegin", 1 << 30);
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("NX4004"), "{answer}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let served = serve(limits()).await;
    let mut stream = served.connect().await;
    let filler = "x".repeat(crate::server::HEAD_BYTES_MAX);
    // The refusal may come while the rest is still being written.
    let _ = stream
        .write_all(format!("GET / HTTP/1.1\r\nhost: shop.localhost\r\nx: {filler}\r\n\r\n").as_bytes())
        .await;
    let answer = read_head(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let served = serve(limits()).await;
    let error = Server::bind(served.address, served.house.door.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen at {}", served.address));
}
