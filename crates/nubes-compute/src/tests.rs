//! The runtime through its port: real components, real state on disk.

mod cache;
mod component;
mod javascript;
mod limits;
mod races;

use crate::{Runtime, RuntimeConfig};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use nubes_base::{
    SystemClock,
    app::{FunctionCode, FunctionLimits, FunctionRecord},
    port::{Blobs, Body, Function, RunError, Runner, full_body},
};
use nubes_testkit::blobs::MemoryBlobs;
use std::{collections::BTreeMap, sync::Arc};

const GUEST: &[u8] = include_bytes!("../fixtures/guest.wasm");
/// Compiled code of all tests and runs, so that each component is compiled once.
const CODE_DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tmp/nubes-compute-code");
const LIMITS: FunctionLimits =
    FunctionLimits { time_ms: 20_000, memory_bytes: 64 << 20, fuel: 2_000_000_000 };

/// A runtime on a folder of its own.
struct House {
    runtime: Runtime,
    blobs: Arc<MemoryBlobs>,
    config: RuntimeConfig,
    dir: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = RuntimeConfig::standard(dir.path().join("compute"));
        config.code_dir = CODE_DIR.into();
        change(&mut config);
        let blobs = Arc::new(MemoryBlobs::default());
        Self { runtime: start(&config, &blobs), blobs, config, dir }
    }

    /// Compiled code in a folder of its own.
    fn with_own_code() -> Self {
        Self::with(|config| config.code_dir = config.state_dir.join("code"))
    }

    /// Lets go of everything and opens the same folder again.
    async fn restart(self) -> Self {
        let Self { runtime, blobs, config, dir } = self;
        runtime.stop().await;
        drop(runtime);
        Self { runtime: start(&config, &blobs), blobs, config, dir }
    }

    async fn component(&self, wasm: &[u8]) -> Function {
        let cid = self.blobs.put(Bytes::copy_from_slice(wasm)).await.unwrap();
        function(FunctionCode::Component { cid })
    }

    async fn javascript(&self, source: &str) -> Function {
        let cid = self.blobs.put(Bytes::copy_from_slice(source.as_bytes())).await.unwrap();
        function(FunctionCode::JavaScript { cid })
    }

    async fn send(
        &self,
        function: &Function,
        (method, path): (&str, &str),
        body: &str,
    ) -> Result<Response<Body>, RunError> {
        let request = Request::builder().method(method).uri(path).header("host", "app.localhost:8080");
        let request = request.body(full_body(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        self.runtime.run(function, request).await
    }

    async fn call(
        &self,
        function: &Function,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(StatusCode, String), RunError> {
        let response = self.send(function, (method, path), body).await?;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    async fn get(&self, function: &Function, path: &str) -> Result<String, RunError> {
        self.call(function, "GET", path, "").await.map(|(_, body)| body)
    }
}

fn start(config: &RuntimeConfig, blobs: &Arc<MemoryBlobs>) -> Runtime {
    let blobs: Arc<dyn Blobs> = Arc::clone(blobs) as _;
    Runtime::start(config.clone(), blobs, Arc::new(SystemClock)).unwrap()
}

fn function(code: FunctionCode) -> Function {
    let config = BTreeMap::from([("greeting".to_owned(), "bonjour".to_owned())]);
    let record = FunctionRecord { code, route: "/*".into(), state: true, limits: LIMITS, config };
    Function { app: "app".parse().unwrap(), tenure: 0, name: "f".into(), record }
}
