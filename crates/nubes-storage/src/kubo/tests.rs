mod adding;
mod calls;
mod pinning;

use super::{About, routes};
use crate::block::Block;
use crate::gateway::{Gateway, Names};
use crate::ipns::{DomainMap, Records};
use crate::pins::{NoPeers, Peers, Pinner, Pins};
use crate::segments::Config;
use crate::store::Store;
use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, StatusCode};
use ipld_core::ipld::Ipld;
use nubes_base::SystemClock;
use serde_json::Value;
use std::{fmt::Write, sync::Arc};
use tempfile::TempDir;
use tower::ServiceExt;

/// What the domain `a.example` points to.
const LINKED: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const UPLOAD_BYTES_MAX: u64 = 8 << 20;

struct Fixture {
    store: Store,
    pins: Pins,
    api: Router,
    _dir: TempDir,
}

struct Got {
    status: StatusCode,
    body: Bytes,
    /// The body came to its end.
    is_whole: bool,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn json(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    /// The message of an error with `status`.
    #[track_caller]
    fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        let document: Value = serde_json::from_str(self.text()).unwrap();
        assert_eq!(
            (&document["Type"], &document["Code"]),
            (&"error".into(), &u8::from(status == 400).into())
        );
        document["Message"].as_str().unwrap().to_owned()
    }
}

fn fixture() -> Fixture {
    fixture_with(|_| Arc::new(NoPeers))
}

fn fixture_with(peers: impl FnOnce(&Store) -> Arc<dyn Peers>) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("storage"), Config::STANDARD).unwrap();
    let pins = Pins::open(&dir.path().join("pins.redb"), Arc::new(SystemClock)).unwrap();
    let pinner = Pinner::new(pins.clone(), store.clone(), peers(&store), Arc::new(SystemClock));
    let about =
        About { version: "1.2.3".to_owned(), folder: "/storage".into(), upload_bytes_max: UPLOAD_BYTES_MAX };
    let records = Records::open(&dir.path().join("names.redb")).unwrap();
    let domains =
        DomainMap::parse(&format!("a.example:/ipfs/{LINKED}/deep,b.example:/ipns/a.example")).unwrap();
    let gateway = Gateway::new(
        store.clone(),
        Names { domains, ledger: None, links: None, records },
        None,
        Arc::new(SystemClock),
        None,
    );
    Fixture { store, pins, api: routes(pinner, gateway, about), _dir: dir }
}

impl Fixture {
    async fn send(&self, request: Request<Body>) -> Got {
        let response = self.api.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let mut parts = response.into_body().into_data_stream();
        let (mut body, mut is_whole) = (Vec::new(), true);
        while let Some(part) = futures_util::StreamExt::next(&mut parts).await {
            match part {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(_) => is_whole = false,
            }
        }
        Got { status, body: body.into(), is_whole }
    }

    async fn call(&self, call: &str) -> Got {
        self.send(Request::post(format!("/api/v0/{call}")).body(Body::empty()).unwrap()).await
    }

    async fn upload(&self, call: &str, parts: &[Part<'_>]) -> Got {
        self.send(upload(call, body(parts))).await
    }

    /// Adds a file with what Kubo does when nothing is said, unpinned, and returns its CID.
    async fn added(&self, text: &str) -> String {
        let added = self.upload("add?pin=false", &[file("f", text.as_bytes())]).await;
        added.json()["Hash"].as_str().unwrap().to_owned()
    }

    async fn put(&self, block: &Block) -> String {
        self.store.put_many(vec![block.clone()]).await.unwrap();
        block.cid().to_string()
    }
}

/// A part of an upload: its path as it is sent, its media type, its bytes.
type Part<'a> = (&'a str, &'a str, &'a [u8]);

const fn file<'a>(path: &'a str, bytes: &'a [u8]) -> Part<'a> {
    (path, "application/octet-stream", bytes)
}

const fn directory(path: &str) -> Part<'_> {
    (path, "application/x-directory", b"")
}

fn body(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (path, media_type, bytes) in parts {
        let mut head = String::from("--x\r\n");
        write!(head, "Content-Disposition: form-data; name=\"file\"; filename=\"{path}\"\r\n").unwrap();
        write!(head, "Content-Type: {media_type}\r\n\r\n").unwrap();
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--x--\r\n");
    body
}

fn upload(call: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(format!("/api/v0/{call}"));
    request.header("content-type", "multipart/form-data; boundary=x").body(body.into()).unwrap()
}

/// A DAG-CBOR node.
fn node(value: &Ipld) -> Block {
    let bytes = serde_ipld_dagcbor::to_vec(value).unwrap();
    super::codec::block(cid::Version::V1, 0x71, multihash_codetable::Code::Sha2_256, bytes.into()).unwrap()
}
