//! The front door of a node and what is behind it: storage, functions, sites.

use super::{config::ExchangeFile, exchange, port_taken};
use crate::{
    client::{ExchangeInfo, NodeInfo, RpcUrls},
    failure::{Exit, Failure},
};
use async_trait::async_trait;
use axum::{Json, Router, body::Body, routing::get};
use cid::Cid;
use http::{Request, Response};
use nubes_base::SystemClock;
use nubes_compute::{Runtime, RuntimeConfig};
use nubes_dapi::{Caching, Door, Mount, Ports, Sites, host::BaseDomains};
use nubes_exchange::Exchange;
use nubes_ledger::{Chain, Genesis, LocalLedger, Pool, rpc};
use nubes_storage::{Config, LocalBlobs, Site, Store, gateway, ingest};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Domains under which apps have their hosts.
const BASE_DOMAINS: [&str; 2] = ["localhost", "nubes.localhost"];
/// Largest CAR and file that one request may bring.
const INGEST_LIMITS: ingest::IngestLimits =
    ingest::IngestLimits { car_bytes_max: 1 << 40, file_bytes_max: 1 << 40 };

#[derive(Debug)]
pub(super) struct Gateway {
    store: Store,
    runtime: Runtime,
    exchange: Option<Exchange>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Gateway {
    pub(super) async fn start(
        address: SocketAddr,
        data: &Path,
        (chain, pool): (&Arc<Chain>, &Arc<Pool>),
        (rpc, genesis, peers): (Option<&rpc::Server>, &Genesis, Option<&ExchangeFile>),
    ) -> Result<Self, Failure> {
        let dir = data.join("storage");
        let store = tokio::task::spawn_blocking(move || Store::open(&dir, Config::STANDARD)).await;
        let store =
            store.map_err(|source| Failure::new(1024, Exit::Failure, "opening stopped").because(source))?;
        let store = store.map_err(storage_failure)?;
        let blobs = Arc::new(LocalBlobs::new(store.clone()));
        let runtime = Runtime::start(
            RuntimeConfig::standard(data.join("compute")),
            Arc::clone(&blobs) as _,
            Arc::new(SystemClock),
        )
        .map_err(|source| Failure::new(4010, Exit::Failure, "functions cannot run").because(source))?;
        let files = gateway::Gateway::new(store.clone());
        let exchange = match peers {
            Some(file) => Some(exchange::start(file, data, &store).await?),
            None => None,
        };
        let info = info(chain, rpc, genesis, exchange.as_ref());
        let ports = Ports {
            ledger: Arc::new(LocalLedger::new(Arc::clone(chain), Arc::clone(pool))),
            blobs,
            runner: Arc::new(runtime.clone()),
            sites: Arc::new(LocalSites(files)),
            logs: Arc::new(runtime.logs().clone()),
            clock: Arc::new(SystemClock),
        };
        let base_domains = BaseDomains::new(BASE_DOMAINS).map_err(|source| {
            Failure::new(1014, Exit::Usage, "a base domain is not valid").because(source)
        })?;
        let config = nubes_dapi::Config {
            base_domains,
            chain_id: info.chain_id,
            rpc: nubes_dapi::RpcUrls { http: info.rpc.http.clone(), ws: info.rpc.ws.clone() },
            limits: nubes_dapi::Limits::STANDARD,
        };
        let door = Door::new(config, ports, mounts(&store, info, exchange.as_ref()));
        let server = nubes_dapi::Server::bind(address, door).await;
        let server = server.map_err(|error| port_taken(error.address, "the front door", error.source))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server.run(stop.clone()));
        tasks.close();
        Ok(Self { store, runtime, exchange, stop, tasks })
    }

    pub(super) const fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
        if let Some(exchange) = self.exchange {
            exchange.stop().await;
        }
        self.runtime.stop().await;
        self.store.close().await;
    }
}

fn storage_failure(error: nubes_storage::OpenError) -> Failure {
    let code = if matches!(error, nubes_storage::OpenError::Locked { .. }) { 1012 } else { 3002 };
    Failure::new(code, Exit::Failure, "the block store cannot be opened").because(error)
}

fn info(
    chain: &Chain,
    rpc: Option<&rpc::Server>,
    genesis: &Genesis,
    exchange: Option<&Exchange>,
) -> NodeInfo {
    let address = rpc.map(rpc::Server::address).map(|address| address.to_string()).unwrap_or_default();
    NodeInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        chain_id: chain.chain_id(),
        genesis: chain.genesis_hash(),
        development: genesis.is_development(),
        rpc: RpcUrls { http: format!("http://{address}"), ws: format!("ws://{address}") },
        exchange: exchange.map(|own| ExchangeInfo { peer_id: own.peer_id(), addresses: own.addresses() }),
    }
}

fn mounts(store: &Store, info: NodeInfo, exchange: Option<&Exchange>) -> Vec<Mount> {
    let about = Router::new().route("/api/v1/node", get(move || std::future::ready(Json(info.clone()))));
    let ingest = ingest::routes(store.clone(), INGEST_LIMITS);
    let mut mounts = vec![
        Mount::new("/api/v1/car", ingest.clone()),
        Mount::new("/api/v1/blocks", ingest.clone()),
        Mount::new("/api/v1/files", ingest),
        Mount::new("/api/v1/node", about),
    ];
    mounts.extend(exchange.into_iter().flat_map(|exchange| exchange::mounts(exchange.clone())));
    mounts
}

/// Sites from this node's own store.
#[derive(Clone)]
struct LocalSites(gateway::Gateway);

impl std::fmt::Debug for LocalSites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSites").finish_non_exhaustive()
    }
}

#[async_trait]
impl Sites for LocalSites {
    async fn serve_path(&self, request: Request<Body>) -> Response<Body> {
        let (parts, _) = request.into_parts();
        self.0.serve_path(&parts).await
    }

    async fn serve(
        &self,
        root: &Cid,
        path: &str,
        request: Request<Body>,
        caching: Caching,
    ) -> Response<Body> {
        let caching = match caching {
            Caching::Immutable => gateway::Caching::Immutable,
            Caching::Revalidate => gateway::Caching::Mutable { max_age_s: 0 },
        };
        let site = Site { root: *root, path: path.to_owned(), caching };
        let (parts, _) = request.into_parts();
        self.0.serve(&site, &parts).await
    }
}
