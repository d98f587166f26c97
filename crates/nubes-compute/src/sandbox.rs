//! What one request's instance can reach.

use crate::{
    logs::{LogLevel, LogLine, Logs},
    state::{LimitError, Transaction},
};
use nubes_base::{AppName, Clock};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::AsyncWrite;
use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{
    HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

/// Data of a store: host state of one request.
pub(crate) struct Sandbox {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoEgress,
    pub(crate) memory: MemoryLimit,
    pub(crate) variables: WasiConfigVariables,
    pub(crate) config: BTreeMap<String, String>,
    /// None: the function has no state.
    pub(crate) transaction: Option<Transaction>,
    /// Why state could not be used, if that ended the guest.
    pub(crate) state_failure: Option<LimitError>,
    pub(crate) printer: Printer,
    pub(crate) clock: Arc<dyn Clock>,
    /// JavaScript only.
    pub(crate) source: Arc<str>,
}

/// What a sandbox is made from.
pub(crate) struct Setup {
    pub(crate) printer: Printer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) memory_bytes_max: usize,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) source: Arc<str>,
}

impl Sandbox {
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup { printer, clock, memory_bytes_max, config, transaction, source } = setup;
        let mut wasi = WasiCtxBuilder::new();
        wasi.wall_clock(WallClock(Arc::clone(&clock)))
            .stdout(Lines { printer: printer.clone(), level: LogLevel::Info })
            .stderr(Lines { printer: printer.clone(), level: LogLevel::Error });
        let variables = config.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: NoEgress,
            memory: MemoryLimit { bytes_max: memory_bytes_max, refused: false },
            variables,
            config,
            transaction,
            state_failure: None,
            printer,
            clock,
            source,
        }
    }

    pub(crate) const fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// Runs `work` on the state; its failure ends the guest and is kept.
    pub(crate) fn state<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction) -> Result<T, LimitError>,
    ) -> wasmtime::Result<T> {
        let Some(transaction) = self.transaction.as_mut() else {
            return Err(wasmtime::Error::msg("this function has no state; set `state = \"kv\"` in the manifest"));
        };
        work(transaction).map_err(|error| {
            let said = wasmtime::Error::msg(error.to_string());
            self.state_failure = Some(error);
            said
        })
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Refuses every outgoing request: a function has no network unless it is given one.
struct NoEgress;

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for NoEgress {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}

/// Refuses memory beyond the record's limit and remembers that it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryLimit {
    bytes_max: usize,
    pub(crate) refused: bool,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.bytes_max;
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        // The pool bounds tables.
        Ok(true)
    }
}

struct WallClock(Arc<dyn Clock>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now().unix_ms())
    }
}

/// Where a function's output goes.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    pub(crate) logs: Logs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) app: AppName,
    pub(crate) function: String,
}

impl Printer {
    pub(crate) fn print(&self, level: LogLevel, text: &str) {
        for text in text.lines() {
            self.logs.add(LogLine {
                at: self.clock.now(),
                app: self.app.clone(),
                function: self.function.clone(),
                level,
                text: text.to_owned(),
            });
        }
    }
}

/// Standard output or error of a component.
#[derive(Clone)]
struct Lines {
    printer: Printer,
    level: LogLevel,
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.printer.print(self.level, &String::from_utf8_lossy(bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
