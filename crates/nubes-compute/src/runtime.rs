//! The runner of this process.

use crate::{
    compiled::{CompileError, Compiled, Wasm},
    engine,
    execute::{Host, Ready, collect},
    javascript::{self, bindings::GuestPre},
    keyvalue,
    logs::Logs,
    output::Printer,
    sandbox::Sandbox,
    state::{OpenError, StateStore},
};
use async_trait::async_trait;
use cid::Cid;
use http::{Request, Response};
use lru::LruCache;
use nubes_base::{
    Clock,
    app::FunctionCode,
    port::{Blobs, Body, Function, GetError, RunError, Runner},
};
use parking_lot::Mutex;
use std::{
    io,
    num::NonZeroUsize,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use wasmtime::{
    Engine,
    component::{Component, Linker},
};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Functions whose code is ready in memory.
const READY_MAX: NonZeroUsize = match NonZeroUsize::new(128) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};
/// How long a request waits for a free instance.
const INSTANCE_WAIT: Duration = Duration::from_secs(5);
/// Keys and values of one app.
const APP_BYTES_MAX: u64 = 256 << 20;

/// Where a runtime keeps its things, and how much it takes.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    pub(crate) state_dir: PathBuf,
    pub(crate) code_dir: PathBuf,
    pub(crate) instances_max: u32,
    pub(crate) instance_wait: Duration,
    pub(crate) app_bytes_max: u64,
}

impl RuntimeConfig {
    /// State and compiled code below `dir`.
    pub fn standard(dir: PathBuf) -> Self {
        Self {
            code_dir: dir.join("code"),
            state_dir: dir,
            instances_max: engine::INSTANCES_MAX,
            instance_wait: INSTANCE_WAIT,
            app_bytes_max: APP_BYTES_MAX,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the wasm engine cannot be set up")]
    Engine {
        #[source]
        source: wasmtime::Error,
    },
    #[error("cannot make {}", dir.display())]
    Folder {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot open the state of functions")]
    State {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<wasmtime::Error> for StartError {
    fn from(source: wasmtime::Error) -> Self {
        Self::Engine { source }
    }
}

/// Runs functions in this process. Clones share everything.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    components: Linker<Sandbox>,
    javascript: Linker<Sandbox>,
    engine_cid: Cid,
    compiled: Arc<Compiled>,
    // Held for a look-up.
    ready: Mutex<LruCache<(bool, Cid), Ready>>,
    state: Arc<StateStore>,
    logs: Logs,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    instances: Semaphore,
    instance_wait: Duration,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("compiled", &self.0.compiled).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Opens the state and sets up the engine; nothing is compiled yet.
    pub fn start(
        config: RuntimeConfig,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let RuntimeConfig { state_dir, code_dir, instances_max, instance_wait, app_bytes_max } = config;
        let folder = |dir: &Path, source| StartError::Folder { dir: dir.to_owned(), source };
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&state_dir);
        made.map_err(|source| folder(&state_dir, source))?;
        let engine = engine::engine(instances_max)?;
        let compiled = Compiled::new(engine.clone(), code_dir.clone());
        let compiled = compiled.map_err(|source| folder(&code_dir, source))?;
        let state = StateStore::open(&state_dir.join("state.redb"), app_bytes_max);
        let state = state.map_err(|source: OpenError| StartError::State { source: Box::new(source) })?;
        let instances = Semaphore::new(usize::try_from(instances_max).unwrap_or(Semaphore::MAX_PERMITS));
        let inner = Inner {
            components: component_linker(&engine)?,
            javascript: javascript_linker(&engine)?,
            engine_cid: engine_cid(),
            compiled: Arc::new(compiled),
            ready: Mutex::new(LruCache::new(READY_MAX)),
            state: Arc::new(state),
            logs: Logs::new(),
            blobs,
            clock,
            instances,
            instance_wait,
            engine,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// What functions have printed.
    pub fn logs(&self) -> &Logs {
        &self.0.logs
    }

    /// Waits until all accepted state is durable.
    pub async fn stop(&self) {
        let state = Arc::clone(&self.0.state);
        // The writer's thread is joined; a panic in it was reported when it happened.
        let _ = tokio::task::spawn_blocking(move || state.close()).await;
    }

    async fn ready(&self, function: &Function) -> Result<Ready, RunError> {
        let code = &function.record.code;
        let is_javascript = matches!(code, FunctionCode::JavaScript { .. });
        let key = (is_javascript, *code.cid());
        if let Some(ready) = self.0.ready.lock().get(&key) {
            return Ok(ready.clone());
        }
        let ready = match code {
            FunctionCode::Component { cid } => self.component(function, cid).await?,
            FunctionCode::JavaScript { cid } => self.javascript(function, cid).await?,
        };
        self.0.ready.lock().put(key, ready.clone());
        Ok(ready)
    }

    async fn component(&self, function: &Function, cid: &Cid) -> Result<Ready, RunError> {
        let component = self.compile(function, cid, Wasm::Stored(Arc::clone(&self.0.blobs))).await?;
        let invalid = |error: wasmtime::Error| RunError::Invalid {
            function: function.name.clone(),
            what: format!("{error:#}"),
        };
        let pre = self.0.components.instantiate_pre(&component).map_err(invalid)?;
        ProxyPre::new(pre).map(Ready::Component).map_err(invalid)
    }

    async fn javascript(&self, function: &Function, cid: &Cid) -> Result<Ready, RunError> {
        let name = || function.name.clone();
        let source = self.0.blobs.get(cid, javascript::SOURCE_BYTES_MAX).await;
        let source = source.map_err(|source| load_error(function, source))?;
        let invalid = |what: String| RunError::Invalid { function: name(), what };
        let source = std::str::from_utf8(&source).map_err(|error| invalid(error.to_string()))?;
        let engine = self.compile(function, &self.0.engine_cid, Wasm::Embedded(javascript::ENGINE)).await?;
        let pre = self.0.javascript.instantiate_pre(&engine).and_then(GuestPre::new);
        let engine = pre.map_err(|error| invalid(format!("{error:#}")))?;
        Ok(Ready::JavaScript { engine, source: Arc::from(source) })
    }

    async fn compile(&self, function: &Function, cid: &Cid, wasm: Wasm) -> Result<Component, RunError> {
        self.0.compiled.get(cid, wasm).await.map_err(|error| {
            let name = function.name.clone();
            match error {
                CompileError::Get(source) => load_error(function, source),
                CompileError::Invalid { source } => {
                    RunError::Invalid { function: name, what: format!("{source:#}") }
                }
                error => RunError::State { app: function.app.clone(), source: Box::new(error) },
            }
        })
    }
}

#[async_trait]
impl Runner for Runtime {
    async fn prepare(&self, function: &Function) -> Result<(), RunError> {
        self.ready(function).await.map(|_| ())
    }

    async fn run(&self, function: &Function, request: Request<Body>) -> Result<Response<Body>, RunError> {
        let ready = self.ready(function).await?;
        let request = collect(request).await?;
        let busy = || RunError::Busy { function: function.name.clone() };
        let instance = tokio::time::timeout(self.0.instance_wait, self.0.instances.acquire()).await;
        // The semaphore is never closed.
        let _instance = instance.map_err(|_| busy())?.map_err(|_| busy())?;
        let printer = Printer {
            logs: self.0.logs.clone(),
            clock: Arc::clone(&self.0.clock),
            app: function.app.clone(),
            function: function.name.clone(),
        };
        let host = Host { engine: &self.0.engine, state: &self.0.state, clock: &self.0.clock, printer };
        host.run(&ready, function, request).await
    }
}

/// Code that is too large is there, but does not run here.
fn load_error(function: &Function, source: GetError) -> RunError {
    let function = function.name.clone();
    match source {
        GetError::TooLarge { .. } => RunError::Invalid { function, what: source.to_string() },
        source => RunError::Load { function, source },
    }
}

fn component_linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |sandbox: &mut Sandbox| {
        WasiConfig::from(&sandbox.variables)
    })?;
    keyvalue::add_to_linker(&mut linker)?;
    Ok(linker)
}

fn javascript_linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = Linker::new(engine);
    javascript::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// A name in the code cache that changes with the engine's bytes.
fn engine_cid() -> Cid {
    use multihash_codetable::{Code, MultihashDigest};
    const RAW: u64 = 0x55;
    Cid::new_v1(RAW, Code::Sha2_256.digest(javascript::ENGINE))
}
