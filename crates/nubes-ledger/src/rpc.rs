//! Ethereum JSON-RPC over HTTP and WebSocket on one port.
//!
//! What wallets and tools need to deploy, call, send, read logs and subscribe. Error texts are geth's, because clients
//! match on them. `latest`, `safe`, `finalized` and `pending` all mean the newest final block; only
//! `eth_getTransactionCount` counts waiting transactions for `pending`.

mod blocks;
mod convert;
mod error;
mod fees;
mod filters;
mod net;
mod send;
mod state;
mod subscribe;

use crate::{chain::Chain, pool::Pool};
use filters::Filters;
use jsonrpsee::{
    RpcModule,
    server::{BatchRequestConfig, RandomStringIdProvider, ServerBuilder, ServerConfig, ServerHandle},
};
use nubes_base::Clock;
use std::{net::SocketAddr, sync::Arc};
use tower_http::cors::{Any, CorsLayer};

/// Bytes of one request, a batch included.
pub const REQUEST_BYTES_MAX: u32 = 5 << 20;
/// Bytes of one answer.
pub const RESPONSE_BYTES_MAX: u32 = 32 << 20;
/// Calls in one batch.
pub const BATCH_CALLS_MAX: u32 = 1_000;
/// Open connections.
pub const CONNECTIONS_MAX: u32 = 1_000;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: u32 = 256;

/// What every method needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) chain: Arc<Chain>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) filters: Filters,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    handle: ServerHandle,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another program listens there.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the methods cannot be registered")]
    Methods {
        #[source]
        source: jsonrpsee::core::RegisterMethodError,
    },
}

impl From<jsonrpsee::core::RegisterMethodError> for ServeError {
    fn from(source: jsonrpsee::core::RegisterMethodError) -> Self {
        Self::Methods { source }
    }
}

impl Server {
    /// Serves until it is stopped.
    pub async fn start(
        address: SocketAddr,
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServeError> {
        let methods = methods(Context { chain, pool, filters: Filters::default(), clock })?;
        let config = ServerConfig::builder()
            .max_request_body_size(REQUEST_BYTES_MAX)
            .max_response_body_size(RESPONSE_BYTES_MAX)
            .max_connections(CONNECTIONS_MAX)
            .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
            .set_batch_request_config(BatchRequestConfig::Limit(BATCH_CALLS_MAX))
            .set_id_provider(RandomStringIdProvider::new(16))
            .set_tcp_no_delay(true)
            .build();
        // Any page may read the ledger: there is nothing here that depends on who asks.
        let cors = CorsLayer::new().allow_methods(Any).allow_headers(Any).allow_origin(Any);
        let server = ServerBuilder::with_config(config)
            .set_http_middleware(tower::ServiceBuilder::new().layer(cors))
            .build(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        let address = server.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        Ok(Self { handle: server.start(methods), address })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new work and waits for what is running.
    pub async fn stop(self) {
        // An error says that it has stopped already.
        let _ = self.handle.stop();
        self.handle.stopped().await;
    }
}

fn methods(context: Context) -> Result<RpcModule<Context>, ServeError> {
    let mut module = RpcModule::new(context);
    net::register(&mut module)?;
    state::register(&mut module)?;
    blocks::register(&mut module)?;
    fees::register(&mut module)?;
    send::register(&mut module)?;
    filters::register(&mut module)?;
    subscribe::register(&mut module)?;
    Ok(module)
}

#[cfg(test)]
mod tests;
