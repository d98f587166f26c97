//! The front door with fakes behind it.

mod apps;
mod content;
mod front;
mod limits;
mod logs;
mod socket;

use crate::{Config, Door, Limits, Mount, Origin, Ports, RpcUrls, Sites, host::BaseDomains};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use async_trait::async_trait;
use axum::body::Body;
use cid::Cid;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use nubes_base::{
    AppName, AppRecord, Clock, Timestamp,
    app::{FunctionCode, FunctionLimits, FunctionRecord, RECORD_KEY, RECORD_VERSION},
    port::{Blobs, Function, GetError, Log, LogLine, LogSource, RunError, full_body},
};
use nubes_contracts::{NAME_REGISTRY, NameRegistry, PUBLIC_RESOLVER, PublicResolver, node_of};
use nubes_testkit::{blobs::MemoryBlobs, ledger::FakeLedger, runner::FakeRunner};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) const CODE: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
/// Nothing here takes so long; a test that waits longer fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn limits() -> Limits {
    Limits { function_body_bytes_max: 64, ..Limits::STANDARD }
}

pub(crate) fn record(name: &str, routes: &[(&str, &str)]) -> AppRecord {
    let function = |route: &str| FunctionRecord {
        code: FunctionCode::JavaScript { cid: CODE.parse().unwrap() },
        route: route.to_owned(),
        state: false,
        limits: FunctionLimits { time_ms: 1_000, memory_bytes: 1 << 20, fuel: 1 << 20 },
        config: BTreeMap::new(),
    };
    AppRecord {
        version: RECORD_VERSION,
        name: name.parse().unwrap(),
        site: None,
        functions: routes.iter().map(|(name, route)| ((*name).to_owned(), function(route))).collect(),
        contracts: BTreeMap::new(),
    }
}

fn node(name: &str) -> B256 {
    node_of(&name.parse::<AppName>().unwrap().on_ledger())
}

pub(crate) fn record_changed(name: &str, text: &str) -> Log {
    let event = PublicResolver::TextChanged {
        node: node(name),
        indexedKey: keccak256(RECORD_KEY),
        key: RECORD_KEY.to_owned(),
        value: text.to_owned(),
    };
    log(PUBLIC_RESOLVER, &event)
}

pub(crate) fn name_changed(name: &str) -> Log {
    log(NAME_REGISTRY, &NameRegistry::NewResolver { node: node(name), resolver: PUBLIC_RESOLVER })
}

pub(crate) fn records_cleared(name: &str) -> Log {
    log(PUBLIC_RESOLVER, &PublicResolver::VersionChanged { node: node(name), newVersion: 1 })
}

fn log(address: Address, event: &impl SolEvent) -> Log {
    let (topics, data) = event.encode_log_data().split();
    Log { address, topics, data }
}

/// Tells what it was asked for.
#[derive(Debug)]
struct EchoSites;

#[async_trait]
impl Sites for EchoSites {
    async fn serve(&self, root: &Cid, origin: Origin<'_>, request: Request<Body>) -> Response<Body> {
        let (method, path) = (request.method(), request.uri().path());
        Response::new(Body::from(format!("{method} {root} {path} {origin:?}")))
    }

    async fn serve_path(&self, domain: Option<&str>, request: Request<Body>) -> Response<Body> {
        Response::new(Body::from(format!("{} {} by {domain:?}", request.method(), request.uri())))
    }

    async fn serve_name(&self, name: &str, gateway: &str, request: Request<Body>) -> Response<Body> {
        Response::new(Body::from(format!("{} of {name} at {gateway}", request.uri())))
    }

    async fn serve_domain(&self, host: &str, request: Request<Body>) -> Response<Body> {
        Response::new(Body::from(format!("{} of {host}", request.uri())))
    }

    async fn has_domain(&self, host: &str) -> bool {
        host == "linked.example"
    }
}

#[derive(Debug)]
pub(crate) struct FakeLogs {
    pub(crate) kept: Mutex<Vec<LogLine>>,
    pub(crate) live: tokio::sync::broadcast::Sender<LogLine>,
}

impl LogSource for FakeLogs {
    fn tail(&self, app: &AppName, lines_max: usize) -> Vec<LogLine> {
        let kept = self.kept.lock();
        let of_app: Vec<_> = kept.iter().filter(|line| line.app == *app).cloned().collect();
        of_app[of_app.len().saturating_sub(lines_max)..].to_vec()
    }

    fn follow(&self) -> BoxStream<'static, LogLine> {
        BroadcastStream::new(self.live.subscribe()).filter_map(async |line| line.ok()).boxed()
    }
}

#[derive(Debug, Default)]
pub(crate) struct FakeClock(AtomicU64);

impl FakeClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
    }
}

/// Fails as the last segment of the path says, else tells what it was asked.
#[expect(clippy::result_large_err, reason = "the port's own error")]
fn answer(
    function: &Function,
    request: &Request<bytes::Bytes>,
) -> Result<Response<nubes_base::port::Body>, RunError> {
    let name = function.name.clone();
    let cid = *function.record.code.cid();
    match request.uri().path().rsplit('/').next().unwrap_or_default() {
        "load" => Err(RunError::Load { function: name, source: GetError::NotFound { cid } }),
        "invalid" => Err(RunError::Invalid { function: name, what: "no <exports>".into() }),
        "trap" => Err(RunError::Trapped { function: name, what: "unreachable".into() }),
        "slow" => Err(RunError::TimedOut { function: name, limit: "fuel" }),
        "memory" => Err(RunError::OutOfMemory { function: name, bytes_max: 1 }),
        "body" => Err(RunError::BodyTooLarge { bytes_max: 1 }),
        "conflict" => Err(RunError::Conflict { function: name, attempts: 3 }),
        "busy" => Err(RunError::Busy { function: name }),
        "state" => {
            let source = io::Error::from(io::ErrorKind::StorageFull).into();
            Err(RunError::State { app: function.app.clone(), source })
        }
        _ => {
            let said = format!("{name} {} {} {}", request.method(), request.uri(), request.body().len());
            let said = if function.tenure == 0 { said } else { format!("{said} @{}", function.tenure) };
            Ok(Response::builder()
                .status(StatusCode::ACCEPTED)
                .header("x-own", "1")
                .body(full_body(said))
                .unwrap())
        }
    }
}

/// A door with fakes behind it, which follows its ledger.
pub(crate) struct House {
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) blobs: Arc<MemoryBlobs>,
    pub(crate) runner: Arc<FakeRunner>,
    pub(crate) logs: Arc<FakeLogs>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) door: Door,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl House {
    /// A door that follows the ledger.
    pub(crate) async fn new() -> Self {
        let mut house = Self::with(limits(), Vec::new());
        house.follow().await;
        house
    }

    #[expect(clippy::result_large_err, reason = "the port's own error")]
    pub(crate) fn with(limits: Limits, mounts: Vec<Mount>) -> Self {
        let ledger = Arc::new(FakeLedger::default());
        ledger.set_otherwise(
            NAME_REGISTRY,
            NameRegistry::resolverCall::abi_encode_returns(&Address::ZERO).into(),
        );
        ledger.set_otherwise(
            PUBLIC_RESOLVER,
            PublicResolver::recordVersionsCall::abi_encode_returns(&0).into(),
        );
        let blobs = Arc::new(MemoryBlobs::default());
        let runner = Arc::new(FakeRunner::new(|function, request| answer(function, &request)));
        let live = tokio::sync::broadcast::Sender::new(16);
        let logs = Arc::new(FakeLogs { kept: Mutex::default(), live });
        let clock = Arc::new(FakeClock::default());
        let config = Config {
            base_domains: BaseDomains::new(["localhost"]).unwrap(),
            chain_id: 41_414,
            rpc: RpcUrls { http: "http://localhost:8545".into(), ws: "ws://localhost:8545".into() },
            limits,
        };
        let ports = Ports {
            ledger: ledger.clone(),
            blobs: blobs.clone(),
            runner: runner.clone(),
            sites: Arc::new(EchoSites),
            logs: logs.clone(),
            clock: clock.clone(),
        };
        let door = Door::new(config, ports, mounts);
        let (tasks, stop) = (JoinSet::new(), CancellationToken::new());
        Self { ledger, blobs, runner, logs, clock, door, tasks, stop }
    }

    pub(crate) async fn follow(&mut self) {
        let (door, stop) = (self.door.clone(), self.stop.clone());
        self.tasks.spawn(async move { door.follow(&stop).await });
        self.until(|house| house.door.head().is_some()).await;
    }

    pub(crate) async fn until(&self, happened: impl Fn(&Self) -> bool) {
        let wait = async {
            while !happened(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    /// Sets what the ledger says of a name, without a block.
    pub(crate) fn point(&self, name: &str, text: &str) {
        let node = node(name);
        let call = NameRegistry::resolverCall { node }.abi_encode();
        let resolver = NameRegistry::resolverCall::abi_encode_returns(&PUBLIC_RESOLVER);
        self.ledger.set_answer(NAME_REGISTRY, call.into(), resolver.into());
        let call = PublicResolver::textCall { node, key: RECORD_KEY.to_owned() }.abi_encode();
        let text = PublicResolver::textCall::abi_encode_returns(&text.to_owned());
        self.ledger.set_answer(PUBLIC_RESOLVER, call.into(), text.into());
    }

    /// Sets how often a name has begun anew, without a block.
    pub(crate) fn begin_anew(&self, name: &str, times: u64) {
        let call = PublicResolver::recordVersionsCall { node: node(name) }.abi_encode();
        let answer = PublicResolver::recordVersionsCall::abi_encode_returns(&times);
        self.ledger.set_answer(PUBLIC_RESOLVER, call.into(), answer.into());
    }

    /// Makes a final block with these logs and waits until the door has seen it.
    pub(crate) async fn finalize(&self, logs: Vec<Log>) {
        let block = self.ledger.finalize(logs);
        self.until(|house| house.door.head().is_some_and(|head| head.number >= Some(block.number))).await;
    }

    pub(crate) async fn store(&self, record: &AppRecord) -> Cid {
        self.blobs.put(Bytes::from(serde_json::to_vec(record).unwrap()).into()).await.unwrap()
    }

    pub(crate) async fn deploy(&self, record: &AppRecord) -> Cid {
        let cid = self.store(record).await;
        let name = record.name.as_str();
        self.point(name, &cid.to_string());
        self.finalize(vec![record_changed(name, &cid.to_string())]).await;
        cid
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.door.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, host: &str, path: &str) -> Answer {
        self.send(request("GET", host, path)).await
    }
}

pub(crate) fn request(method: &str, host: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", host).body(Body::empty()).unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.header("content-type")),
            (status, "application/problem+json"),
            "{self:?}"
        );
        let document = self.json();
        assert_eq!(document["code"], code, "{self:?}");
        assert_eq!(document["status"], status);
        for member in ["title", "detail", "hint"] {
            assert!(!document[member].as_str().unwrap().is_empty(), "{member}: {self:?}");
        }
        assert_eq!(self.header("retry-after").is_empty(), status != 503, "{self:?}");
    }
}
