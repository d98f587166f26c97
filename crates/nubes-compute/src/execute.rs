//! One request: instance, limits, transaction, retry.

use crate::{
    component, engine,
    javascript::bindings::{Guest, GuestPre, nubes::engine::http as js},
    logs::LogLevel,
    sandbox::{Printer, Sandbox, Setup},
    state::{CommitError, LimitError, StateStore, Transaction},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use futures_util::{FutureExt, future::BoxFuture};
use http_body_util::{BodyExt, Collected, Limited};
use nubes_base::{
    Clock,
    app::FunctionLimits,
    port::{Body, BodyError, Function, RunError, full_body},
};
use std::{sync::Arc, time::Duration};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Body of a request to a function.
pub const REQUEST_BYTES_MAX: usize = 10 << 20;
/// Body of a function's response.
pub const RESPONSE_BYTES_MAX: usize = 32 << 20;
/// Runs of one request whose state was changed by others meanwhile.
pub const STATE_ATTEMPTS_MAX: u32 = 64;

/// Code that is ready to run.
#[derive(Clone)]
pub(crate) enum Ready {
    Component(ProxyPre<Sandbox>),
    JavaScript { engine: GuestPre<Sandbox>, source: Arc<str> },
}

/// A collected response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How a run can fail below the port.
pub(crate) enum Broken {
    Guest(wasmtime::Error),
    /// An uncaught exception.
    Exception(String),
    NoResponse,
    Refused(String),
    Body(Box<dyn std::error::Error + Send + Sync>),
    Time,
}

/// What all requests share.
pub(crate) struct Host<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) state: &'a StateStore,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) printer: Printer,
}

/// A whole body. Boxed: the error type's lifetime would otherwise leak into every caller's future.
pub(crate) fn read<B>(body: B, bytes_max: usize) -> BoxFuture<'static, Result<Collected<Bytes>, BodyError>>
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    Limited::new(body, bytes_max).collect().boxed()
}

/// Reads the body into memory: a request may have to run again.
pub(crate) async fn collect(request: Request<Body>) -> Result<Request<Bytes>, RunError> {
    let (parts, body) = request.into_parts();
    let too_large = || RunError::BodyTooLarge { bytes_max: u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX) };
    // A client that went away does not wait for its answer; which error it would get does not matter.
    let body = read(body, REQUEST_BYTES_MAX).await.map_err(|_| too_large())?;
    Ok(Request::from_parts(parts, body.to_bytes()))
}

impl Host<'_> {
    /// Runs until the state that was read is the state that is committed on.
    pub(crate) async fn run(
        &self,
        ready: &Ready,
        function: &Function,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, RunError> {
        for _ in 0..STATE_ATTEMPTS_MAX {
            let transaction = self.begin(function)?;
            let (ran, sandbox) = self.attempt(ready, function, request.clone(), transaction).await;
            let answer = ran.map_err(|broken| self.explain(function, broken, sandbox.as_ref()))?;
            let Some(transaction) = sandbox.and_then(|ended| ended.transaction) else { return Ok(respond(answer)) };
            match self.state.commit(transaction).await {
                Ok(()) => return Ok(respond(answer)),
                Err(CommitError::Conflict) => {}
                Err(source) => return Err(state_error(function, source)),
            }
        }
        Err(RunError::Conflict { function: function.name.clone(), attempts: STATE_ATTEMPTS_MAX })
    }

    fn begin(&self, function: &Function) -> Result<Option<Transaction>, RunError> {
        if !function.record.state {
            return Ok(None);
        }
        self.state.begin(&function.app).map(Some).map_err(|source| state_error(function, source))
    }

    async fn attempt(
        &self,
        ready: &Ready,
        function: &Function,
        request: Request<Bytes>,
        transaction: Option<Transaction>,
    ) -> (Result<Answer, Broken>, Option<Ended>) {
        let limits = function.record.limits;
        let mut store = match self.store(ready, function, transaction) {
            Ok(store) => store,
            Err(error) => return (Err(Broken::Guest(error)), None),
        };
        let time = Duration::from_millis(limits.time_ms);
        let call = async {
            match ready {
                Ready::Component(pre) => component::call(pre, &mut store, request).await,
                Ready::JavaScript { engine, .. } => call_javascript(engine, &mut store, request).await,
            }
        };
        let ran = tokio::time::timeout(time, call).await.unwrap_or(Err(Broken::Time));
        let sandbox = store.into_data();
        let ended = Ended {
            transaction: sandbox.transaction,
            memory_refused: sandbox.memory.refused,
            state_failure: sandbox.state_failure,
        };
        (ran, Some(ended))
    }

    fn store(&self, ready: &Ready, function: &Function, transaction: Option<Transaction>) -> wasmtime::Result<Store<Sandbox>> {
        let FunctionLimits { memory_bytes, fuel, .. } = function.record.limits;
        let source = match ready {
            Ready::JavaScript { source, .. } => Arc::clone(source),
            Ready::Component(_) => Arc::from(""),
        };
        let setup = Setup {
            printer: self.printer.clone(),
            clock: Arc::clone(self.clock),
            memory_bytes_max: usize::try_from(memory_bytes).unwrap_or(usize::MAX).min(engine::MEMORY_BYTES_MAX),
            config: function.record.config.clone(),
            transaction,
            source,
        };
        let mut store = Store::new(self.engine, Sandbox::new(setup));
        store.limiter(|sandbox| &mut sandbox.memory);
        store.set_fuel(fuel)?;
        store.fuel_async_yield_interval(Some(engine::YIELD_FUEL))?;
        Ok(store)
    }

    /// Gives a failure its name and tells the function's log.
    fn explain(&self, function: &Function, broken: Broken, ended: Option<&Ended>) -> RunError {
        let name = function.name.clone();
        if ended.is_some_and(|ended| ended.memory_refused) {
            self.printer.print(LogLevel::Error, "stopped: memory limit");
            return RunError::OutOfMemory { function: name, bytes_max: function.record.limits.memory_bytes };
        }
        if let Some(LimitError::Store(source)) = ended.and_then(|ended| ended.state_failure.as_ref()) {
            return state_error(function, source.clone());
        }
        let what = match broken {
            Broken::Time => {
                self.printer.print(LogLevel::Error, "stopped: time limit");
                return RunError::TimedOut { function: name, limit: "time" };
            }
            Broken::Guest(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::OutOfFuel) => {
                    self.printer.print(LogLevel::Error, "stopped: fuel limit");
                    return RunError::TimedOut { function: name, limit: "fuel" };
                }
                Some(trap) => trap.to_string(),
                None => format!("{error:#}"),
            },
            Broken::Exception(text) => text,
            Broken::NoResponse => "it returned no response".to_owned(),
            Broken::Refused(code) => format!("it answered with error {code}"),
            Broken::Body(error) => format!("its response body broke off: {error}"),
        };
        self.printer.print(LogLevel::Error, &format!("stopped: {what}"));
        RunError::Trapped { function: name, what: what.lines().next().unwrap_or_default().to_owned() }
    }
}

/// What is left of a sandbox when its instance is gone.
struct Ended {
    transaction: Option<Transaction>,
    memory_refused: bool,
    state_failure: Option<LimitError>,
}

async fn call_javascript(
    engine: &GuestPre<Sandbox>,
    store: &mut Store<Sandbox>,
    request: Request<Bytes>,
) -> Result<Answer, Broken> {
    let (parts, body) = request.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = parts.headers.get(http::header::HOST).map(text).unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = js::Request {
        method: parts.method.to_string(),
        url: format!("http://{host}{path}"),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
    };
    let guest: Guest = engine.instantiate_async(&mut *store).await.map_err(Broken::Guest)?;
    let called = store.run_concurrent(async |accessor| guest.call_handle(accessor, request).await).await;
    let response = called.and_then(|called| called).map_err(Broken::Guest)?.map_err(Broken::Exception)?;
    if response.body.len() > RESPONSE_BYTES_MAX {
        return Err(Broken::Body(format!("more than {RESPONSE_BYTES_MAX} bytes").into()));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(Broken::Exception("the response has an invalid header".to_owned()));
        };
        headers.append(name, value);
    }
    let status = StatusCode::from_u16(response.status)
        .map_err(|_| Broken::Exception(format!("status {} is not valid", response.status)))?;
    Ok(Answer { status, headers, body: response.body.into() })
}

fn respond(answer: Answer) -> Response<Body> {
    let mut response = Response::new(full_body(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn state_error(function: &Function, source: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RunError::State { app: function.app.clone(), source: Box::new(source) }
}
