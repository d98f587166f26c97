mod codecs;
mod conformance;
mod content;
mod denied;
mod edge;
mod hostile;
mod linked;
mod named;
mod rebuilt;

use super::{Gateway, Names};
use crate::car::{Decoder, Item};
use crate::ipns::{DomainMap, Records};
use crate::segments::Config;
use crate::store::Store;
use crate::unixfs::{Hidden, import_directory};
use axum::body;
use bytes::Bytes;
use cid::Cid;
use http::{HeaderMap, Method, Request, StatusCode};
use nubes_base::SystemClock;
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;

struct Fixture {
    gateway: Gateway,
    store: Store,
    records: Records,
    dir: TempDir,
}

struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn fixture() -> Fixture {
    fixture_with("")
}

/// A gateway that knows the domains of `map`.
fn fixture_with(map: &str) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Config::STANDARD).unwrap();
    let records = Records::open(&dir.path().join("names.redb")).unwrap();
    let domains = DomainMap::parse(map).unwrap();
    let names = Names { domains, ledger: None, links: None, records: records.clone() };
    let gateway = Gateway::new(store.clone(), names, None, Arc::new(SystemClock), None);
    Fixture { gateway, store, records, dir }
}

fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Request<body::Body> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body::Body::empty()).unwrap()
}

impl Fixture {
    async fn ask(&self, method: Method, uri: &str, headers: &[(&str, &str)]) -> Got {
        let (parts, _) = request(method, uri, headers).into_parts();
        let response = self.gateway.serve_path(&parts, None).await;
        let (parts, body) = response.into_parts();
        let body = body::to_bytes(body, usize::MAX).await.unwrap();
        Got { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, uri: &str) -> Got {
        self.ask(Method::GET, uri, &[]).await
    }

    async fn import(&self, dir: &Path) -> Cid {
        import_directory(&self.store, dir, Hidden::Skip, |_| ()).await.unwrap().cid
    }

    async fn import_car(&self, name: &str) -> Vec<Cid> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let (roots, blocks) = read_car(&fs::read(path).unwrap());
        self.store.put_many(blocks).await.unwrap();
        roots
    }
}

fn read_car(bytes: &[u8]) -> (Vec<Cid>, Vec<crate::block::Block>) {
    let (mut decoder, mut roots, mut blocks) = (Decoder::default(), Vec::new(), Vec::new());
    decoder.push(Bytes::copy_from_slice(bytes));
    while let Some(item) = decoder.next_item().unwrap() {
        match item {
            Item::Roots(found) => roots = found,
            Item::Block(block) => blocks.push(block),
        }
    }
    decoder.finish().unwrap();
    (roots, blocks)
}
