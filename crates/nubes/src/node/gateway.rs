//! The front door of a node and what is behind it: storage, functions, sites.

use super::{
    api,
    config::NodeFile,
    dns::Dns,
    exchange,
    keepers::Providers,
    pinning,
    pointers::LedgerPointers,
    port_taken,
    routing::{self, Routing},
};
use crate::{
    cli::Names,
    client::{ExchangeInfo, NodeInfo, RpcUrls},
    failure::{Exit, Failure},
};
use async_trait::async_trait;
use axum::{Json, Router, body::Body, routing::get};
use cid::Cid;
use http::{Request, Response};
use nubes_base::{Clock, SystemClock, port::Ledger};
use nubes_compute::{Runtime, RuntimeConfig};
use nubes_dapi::{Door, Mount, Origin, Ports, Sites, host::BaseDomains};
use nubes_exchange::Exchange;
use nubes_ledger::{Chain, Genesis, LocalLedger, Pool, rpc};
use nubes_storage::{
    LocalBlobs, Place, Root, Site, Store,
    gateway::{self, DenyList, Links, Rebuilds},
    ingest,
    ipns::{self, DomainMap, Records},
    pins::Pinner,
    upkeep::{self, Upkeep},
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Domains under which apps have their hosts.
const BASE_DOMAINS: [&str; 2] = ["localhost", "nubes.localhost"];
/// What one request may bring.
pub(super) const UPLOAD_BYTES_MAX: u64 = 1 << 40;
const INGEST_LIMITS: ingest::IngestLimits =
    ingest::IngestLimits { car_bytes_max: UPLOAD_BYTES_MAX, file_bytes_max: UPLOAD_BYTES_MAX };

#[derive(Debug)]
pub(super) struct Gateway {
    store: Store,
    upkeep: Upkeep,
    runtime: Runtime,
    exchange: Option<Exchange>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Gateway {
    pub(super) async fn start(
        (address, file): (SocketAddr, &NodeFile),
        data: &Path,
        (chain, pool): (&Arc<Chain>, &Arc<Pool>),
        (rpc, genesis): (Option<&rpc::Server>, &Genesis),
        names: &Names,
    ) -> Result<Self, Failure> {
        let storage = file.storage.clone().unwrap_or_default();
        let store = Box::pin(storage.open(&data.join("storage"))).await?;
        let blobs = Arc::new(LocalBlobs::new(store.clone()));
        let runtime = Runtime::start(
            RuntimeConfig::standard(data.join("compute")),
            Arc::clone(&blobs) as _,
            Arc::new(SystemClock),
        )
        .map_err(|source| Failure::new(4010, Exit::Failure, "functions cannot run").because(source))?;
        let records = Records::open(&data.join("storage/names.redb"));
        let records = records.map_err(|source| {
            Failure::new(3019, Exit::Failure, "the records of names cannot be opened").because(source)
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let deny = deny_list(names, &clock)?;
        let ledger: Arc<dyn Ledger> = Arc::new(LocalLedger::new(Arc::clone(chain), Arc::clone(pool)));
        let known = gateway::Names {
            domains: domain_map(names)?,
            ledger: Some(Arc::new(LedgerPointers(Arc::clone(&ledger)))),
            links: links(file, &clock)?,
            records: records.clone(),
        };
        let keepers = keepers(file, &ledger, &clock);
        let rebuilds = keepers.clone().map(|keepers| Rebuilds::new(keepers, Arc::clone(&clock)));
        let files = gateway::Gateway::new(store.clone(), known, rebuilds, Arc::clone(&clock), deny);
        let exchange = match &file.exchange {
            Some(file) => Some(exchange::start(file, data, &store).await?),
            None => None,
        };
        let info = info(chain, rpc, genesis, exchange.as_ref());
        let ports = Ports {
            ledger,
            blobs,
            runner: Arc::new(runtime.clone()),
            sites: Arc::new(LocalSites(files.clone())),
            logs: Arc::new(runtime.logs().clone()),
            clock: Arc::new(SystemClock),
        };
        let config = door_config(names, &info)?;
        let names_api = ipns::routes(records.clone(), Arc::clone(&clock));
        let pinner = pinning::open(data, &store, exchange.as_ref(), Arc::clone(&clock))?;
        let upkeep = Upkeep::new(pinner.clone(), records, clock);
        let mut mounts = mounts(&pinner, info, names_api);
        if let Some(exchange) = &exchange {
            let (exchange, store) = (exchange.clone(), store.clone());
            mounts.extend(exchange::mounts(exchange.clone()));
            mounts.extend(routing::mounts(Routing { exchange, store, keepers, door: address }));
        }
        mounts.extend(pinning::mounts(data, &pinner, &files)?);
        mounts.push(Mount::new("/api/v1/store", upkeep::routes(upkeep.clone())));
        let door = Door::new(config, ports, api::described(mounts));
        let server = nubes_dapi::Server::bind(address, door).await;
        let server = server.map_err(|error| port_taken(error.address, "the front door", error.source))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server.run(stop.clone()));
        tasks.spawn(pinner.run(stop.clone().cancelled_owned()));
        if let Some(period) = storage.check_period() {
            tasks.spawn(upkeep.clone().check_every(period, stop.clone().cancelled_owned()));
        }
        tasks.close();
        Ok(Self { store, upkeep, runtime, exchange, stop, tasks })
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
        self.upkeep.idle().await;
        self.store.close().await;
    }
}

fn door_config(names: &Names, info: &NodeInfo) -> Result<nubes_dapi::Config, Failure> {
    let base_domains = BASE_DOMAINS.into_iter().chain(names.domains.iter().map(String::as_str));
    let base_domains = BaseDomains::new(base_domains)
        .map_err(|source| Failure::new(1014, Exit::Usage, "a base domain is not valid").because(source))?;
    Ok(nubes_dapi::Config {
        base_domains,
        chain_id: info.chain_id,
        rpc: nubes_dapi::RpcUrls { http: info.rpc.http.clone(), ws: info.rpc.ws.clone() },
        limits: nubes_dapi::Limits::STANDARD,
    })
}

fn domain_map(names: &Names) -> Result<DomainMap, Failure> {
    DomainMap::parse(names.dnslink.as_deref().unwrap_or_default())
        .map_err(|source| Failure::new(1014, Exit::Usage, "the map of domains is not valid").because(source))
}

/// Links of domains, if the file says who is asked for them.
fn links(file: &NodeFile, clock: &Arc<dyn Clock>) -> Result<Option<Links>, Failure> {
    let Some(server) = file.gateway.as_ref().and_then(|gateway| gateway.dns) else { return Ok(None) };
    let dns = Dns::new(server).map_err(|source| {
        Failure::new(1014, Exit::Usage, format!("the server of names `{server}` cannot be used"))
            .because(source)
    })?;
    Ok(Some(Links::new(Arc::new(dns), Arc::clone(clock))))
}

/// Those of whom content is brought, if the file says so.
fn keepers(file: &NodeFile, ledger: &Arc<dyn Ledger>, clock: &Arc<dyn Clock>) -> Option<Arc<Providers>> {
    let wanted = file.gateway.as_ref().and_then(|gateway| gateway.providers).unwrap_or(false);
    wanted.then(|| Arc::new(Providers::new(Arc::clone(ledger), Arc::clone(clock))))
}

fn deny_list(names: &Names, clock: &Arc<dyn Clock>) -> Result<Option<DenyList>, Failure> {
    let open = |path: &PathBuf| DenyList::open(path, Arc::clone(clock));
    let opened = names.deny.as_ref().map(open).transpose();
    opened.map_err(|source| Failure::new(1014, Exit::Usage, "the deny list cannot be used").because(source))
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

fn mounts(pinner: &Pinner, info: NodeInfo, names: Router) -> Vec<Mount> {
    let about = Router::new().route("/api/v1/node", get(move || std::future::ready(Json(info.clone()))));
    let ingest = ingest::routes(pinner.clone(), INGEST_LIMITS);
    vec![
        Mount::new("/api/v1/car", ingest.clone()),
        Mount::new("/api/v1/blocks", ingest.clone()),
        Mount::new("/api/v1/files", ingest),
        Mount::new("/api/v1/node", about),
        Mount::new("/routing/v1/ipns", names),
    ]
}

/// Content from this node's own store.
#[derive(Clone, Debug)]
struct LocalSites(gateway::Gateway);

#[async_trait]
impl Sites for LocalSites {
    async fn serve(&self, root: &Cid, origin: Origin<'_>, request: Request<Body>) -> Response<Body> {
        let (caching, place) = match origin {
            Origin::Content { gateway } => {
                (gateway::Caching::Immutable, Place::Below { gateway: gateway.to_owned() })
            }
            Origin::App { host } => {
                (gateway::Caching::Mutable { max_age_s: 0 }, Place::Own { host: host.to_owned() })
            }
        };
        let path = request.uri().path().to_owned();
        let site = Site { root: Root::Content(*root), path, caching, place };
        self.0.serve(&site, &request.into_parts().0).await
    }

    async fn serve_path(&self, domain: Option<&str>, request: Request<Body>) -> Response<Body> {
        self.0.serve_path(&request.into_parts().0, domain).await
    }

    async fn serve_name(&self, name: &str, gateway: &str, request: Request<Body>) -> Response<Body> {
        self.0.serve_name(name, gateway, &request.into_parts().0).await
    }

    async fn serve_domain(&self, host: &str, request: Request<Body>) -> Response<Body> {
        self.0.serve_domain(host, &request.into_parts().0).await
    }

    async fn has_domain(&self, host: &str) -> bool {
        self.0.has_domain(host).await
    }
}
