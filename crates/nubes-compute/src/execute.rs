//! One request: instance, limits, transaction, retry.

use crate::{
    component, engine,
    javascript::{self, bindings::GuestPre},
    output::Printer,
    sandbox::{Sandbox, Setup},
    state::{CommitError, StateStore, StoreError, Transaction},
};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Limited};
use nubes_base::{
    Clock,
    app::FunctionLimits,
    port::{Body, BodyError, Function, LogLevel, RunError, full_body},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Body of a request to a function.
pub const REQUEST_BYTES_MAX: usize = 10 << 20;
/// Body of a function's response.
pub const RESPONSE_BYTES_MAX: usize = 32 << 20;
/// Runs of one request whose state was changed by others meanwhile.
pub const STATE_ATTEMPTS_MAX: u32 = 64;
/// A record may allow more time; nobody waits longer.
const TIME_MAX: Duration = Duration::from_hours(24);

/// An extension of a function's response: the fuel of the run that it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FuelUsed(pub u64);

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
    let too_large =
        || RunError::BodyTooLarge { bytes_max: u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX) };
    // A client that went away does not wait for its answer; which error it would get does not matter.
    let body = read(body, REQUEST_BYTES_MAX).await.map_err(|_| too_large())?;
    Ok(Request::from_parts(parts, body.to_bytes()))
}

impl Host<'_> {
    /// Runs until the state that was read is the state that is committed on. All runs share the request's time.
    pub(crate) async fn run(
        &self,
        ready: &Ready,
        function: &Function,
        request: Request<Bytes>,
    ) -> Result<Response<Body>, RunError> {
        let time = Duration::from_millis(function.record.limits.time_ms).min(TIME_MAX);
        let deadline = Instant::now() + time;
        let mut turn = None;
        for _ in 0..STATE_ATTEMPTS_MAX {
            let transaction = self.begin(function).map_err(|source| state_error(function, source))?;
            let call = self.attempt(ready, function, request.clone(), transaction);
            let (ran, ended) = timeout_at(deadline, call).await.unwrap_or((Err(Broken::Time), None));
            let answer = ran.map_err(|broken| self.explain(function, broken, ended.as_ref()))?;
            let (transaction, fuel) = ended.map_or((None, 0), |ended| (ended.transaction, ended.fuel_left));
            let used = FuelUsed(function.record.limits.fuel.saturating_sub(fuel));
            let Some(transaction) = transaction else { return Ok(respond(answer, used)) };
            // No time limit here: a commit that was asked for may not be called a failure.
            match self.state.commit(transaction).await {
                Ok(()) => return Ok(respond(answer, used)),
                Err(CommitError::Conflict) if turn.is_some() => {}
                Err(CommitError::Conflict) => turn = Some(self.line_up(function, deadline).await?),
                Err(source) => return Err(state_error(function, source)),
            }
        }
        Err(RunError::Conflict { function: function.name.clone(), attempts: STATE_ATTEMPTS_MAX })
    }

    async fn line_up(&self, function: &Function, deadline: Instant) -> Result<OwnedMutexGuard<()>, RunError> {
        let turn = timeout_at(deadline, self.state.line_up(&function.app)).await;
        turn.map_err(|_| self.explain(function, Broken::Time, None))
    }

    fn begin(&self, function: &Function) -> Result<Option<Transaction>, StoreError> {
        if !function.record.state {
            return Ok(None);
        }
        self.state.begin(&function.app, function.tenure).map(Some)
    }

    async fn attempt(
        &self,
        ready: &Ready,
        function: &Function,
        request: Request<Bytes>,
        transaction: Option<Transaction>,
    ) -> (Result<Answer, Broken>, Option<Ended>) {
        let store = match self.store(ready, function, transaction) {
            Ok(store) => store,
            Err(error) => return (Err(Broken::Guest(error)), None),
        };
        match ready {
            Ready::Component(pre) => component::call(pre, store, request).await,
            Ready::JavaScript { engine, .. } => javascript::call(engine, store, request).await,
        }
    }

    fn store(
        &self,
        ready: &Ready,
        function: &Function,
        transaction: Option<Transaction>,
    ) -> wasmtime::Result<Store<Sandbox>> {
        let FunctionLimits { memory_bytes, fuel, .. } = function.record.limits;
        let source = match ready {
            Ready::JavaScript { source, .. } => Arc::clone(source),
            Ready::Component(_) => Arc::from(""),
        };
        let setup = Setup {
            printer: self.printer.clone(),
            clock: Arc::clone(self.clock),
            memory_bytes_max: usize::try_from(memory_bytes)
                .unwrap_or(usize::MAX)
                .min(engine::MEMORY_BYTES_MAX),
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
        if let Some(source) = ended.and_then(|ended| ended.state_failure.as_ref()) {
            return state_error(function, source.clone());
        }
        let what = match broken {
            Broken::Time => {
                self.printer.print(LogLevel::Error, "stopped: time limit");
                return RunError::TimedOut { function: name, limit: "time" };
            }
            // Not the guest's fault.
            Broken::Guest(error) if error.is::<PoolConcurrencyLimitError>() => {
                return RunError::Busy { function: name };
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
pub(crate) struct Ended {
    transaction: Option<Transaction>,
    fuel_left: u64,
    memory_refused: bool,
    state_failure: Option<StoreError>,
}

impl From<Store<Sandbox>> for Ended {
    fn from(store: Store<Sandbox>) -> Self {
        // All stores are metered.
        let fuel_left = store.get_fuel().unwrap_or_default();
        let sandbox = store.into_data();
        Self {
            transaction: sandbox.transaction,
            fuel_left,
            memory_refused: sandbox.memory.refused,
            state_failure: sandbox.state_failure,
        }
    }
}

fn respond(answer: Answer, used: FuelUsed) -> Response<Body> {
    let mut response = Response::new(full_body(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.extensions_mut().insert(used);
    response
}

fn state_error(function: &Function, source: impl std::error::Error + Send + Sync + 'static) -> RunError {
    RunError::State { app: function.app.clone(), source: Box::new(source) }
}
