//! What one request's instance can reach.

use crate::{
    output::{Output, Printer},
    state::{LimitError, StoreError, Transaction},
};
use nubes_base::{Clock, port::LogLevel};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use wasmtime::{ResourceLimiter, component::ResourceTable};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

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
    /// The disk's failure, if that ended the guest.
    pub(crate) state_failure: Option<StoreError>,
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
            .stdout(Output::new(printer.clone(), LogLevel::Info))
            .stderr(Output::new(printer.clone(), LogLevel::Error));
        let variables = config.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: NoEgress,
            memory: MemoryLimit { bytes_max: memory_bytes_max, bytes: 0, refused: false },
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

    /// Runs `work` on the state. A limit is the guest's to handle; a failure of the disk ends it and is kept.
    pub(crate) fn state<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction) -> Result<T, LimitError>,
    ) -> wasmtime::Result<Result<T, LimitError>> {
        let Some(transaction) = self.transaction.as_mut() else {
            return Err(wasmtime::Error::msg(
                "this function has no state; set `state = \"kv\"` in the manifest",
            ));
        };
        match work(transaction) {
            Err(LimitError::Store(failure)) => {
                self.state_failure = Some(failure.clone());
                Err(failure.into())
            }
            answer => Ok(answer),
        }
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

/// Refuses memory beyond the record's limit, over all memories of the instance, and remembers that it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryLimit {
    bytes_max: usize,
    bytes: usize,
    pub(crate) refused: bool,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_sub(current).saturating_add(desired);
        if bytes > self.bytes_max {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
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
