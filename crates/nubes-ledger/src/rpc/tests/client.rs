//! Plain HTTP and WebSocket clients that hide nothing.

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

pub(super) type Outcome = Result<Value, Failure>;

pub(super) fn outcome(mut answer: Value) -> Outcome {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    let Some(error) = answer.get("error") else { return Ok(answer["result"].take()) };
    Err(Failure {
        code: error["code"].as_i64().unwrap(),
        message: error["message"].as_str().unwrap().to_owned(),
        data: error.get("data").cloned(),
    })
}

pub(super) fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

pub(super) async fn send(
    address: SocketAddr,
    method: Method,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("http://{address}/"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(bytes::Bytes::from(body))).unwrap();
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
    let (parts, body) = answer.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes().to_vec();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(super) async fn post(address: SocketAddr, body: impl Into<Vec<u8>>) -> Answer {
    send(address, Method::POST, &[("content-type", "application/json")], body.into()).await
}

/// A WebSocket connection.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    events: VecDeque<Value>,
}

impl Socket {
    pub(super) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (stream, _) = tokio_tungstenite::client_async(format!("ws://{address}/"), stream).await.unwrap();
        Self { stream, events: VecDeque::new() }
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.unwrap()? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Outcome {
        self.stream.send(Message::text(request(method, &params).to_string())).await.unwrap();
        loop {
            let message = self.read().await.unwrap();
            if message.get("id").is_some() {
                return outcome(message);
            }
            self.events.push_back(message);
        }
    }

    /// The next event of this subscription.
    pub(super) async fn event(&mut self, subscription: &Value) -> Value {
        let mut message = match self.events.pop_front() {
            Some(event) => event,
            None => self.read().await.unwrap(),
        };
        assert_eq!(message["method"], "eth_subscription", "{message}");
        assert_eq!(&message["params"]["subscription"], subscription);
        message["params"]["result"].take()
    }
}
