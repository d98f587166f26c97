//! The composition root: puts a node together from its configuration and takes it apart in reverse order.
//!
//! Consensus has a thread and a runtime of its own; everything else shares one. Nothing else in the program knows which
//! engine is behind a port.

mod api;
pub(crate) mod config;
mod dns;
mod exchange;
mod gateway;
mod keepers;
pub(crate) mod network;
mod pinning;
mod pointers;
mod problem;
pub(crate) mod provider;
mod routing;
pub(crate) mod running;
pub(crate) mod signal;
pub(crate) mod storage;

use crate::{
    cli::Names,
    failure::{Exit, Failure},
};
use alloy_primitives::hex;
use config::{CommitteeFile, NodeConfig, read_toml};
use gateway::Gateway;
use nubes_base::{Clock, SystemClock};
use nubes_consensus::{Committee, Engine, Identity, MachineError, Pacing, Peer, StartError, StateMachine};
use nubes_ledger::{
    Chain, Genesis, OpenError, Pool,
    chain::TransactionSource,
    rpc::{ServeError, Server},
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// An idle chain makes a block this often.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A leader that is silent for this long loses its turn.
const LEADER_TIMEOUT: Duration = Duration::from_secs(2);

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    engine: Engine,
    rpc: Option<Server>,
    gateway: Option<Gateway>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Node {
    /// Opens the stores, joins the network and answers. A part that cannot start takes the others down again.
    pub(crate) async fn start(config: &NodeConfig, names: &Names) -> Result<Self, Failure> {
        let genesis = read_genesis(&config.path(&config.file.genesis))?;
        let data = config.path(&config.file.data);
        std::fs::create_dir_all(&data).map_err(|source| {
            Failure::new(1014, Exit::Failure, format!("cannot make {}", data.display())).because(source)
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pool = Pool::new(genesis.chain_id);
        let source: Arc<dyn TransactionSource> = Arc::clone(&pool) as _;
        let chain = open_chain(&data.join("ledger.redb"), &genesis, source).await?;
        pool.attach(&chain);
        let rpc = match config.file.rpc {
            Some(address) => Some(serve_rpc(address, (&chain, &pool), &clock).await?),
            None => None,
        };
        let gateway = match config.file.door {
            Some(address) => {
                let behind = (rpc.as_ref(), &genesis);
                Some(
                    Gateway::start(
                        (address, &config.file),
                        &data,
                        (&chain, &pool),
                        behind,
                        &config.names(names),
                    )
                    .await?,
                )
            }
            None => None,
        };
        let engine = start_engine(config, &chain, &data)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(gossip(Arc::clone(&pool), engine.gossip(), stop.clone()));
        tasks.close();
        tracing::info!(
            node = config.file.name,
            chain = genesis.chain_id,
            head = chain.head().number(),
            "node started"
        );
        Ok(Self { engine, rpc, gateway, stop, tasks })
    }

    /// Where IPFS peers reach this node; empty without an exchange.
    pub(crate) fn exchange_addresses(&self) -> Vec<String> {
        let exchange = self.gateway.as_ref().and_then(Gateway::exchange);
        exchange.map(nubes_exchange::Exchange::addresses).unwrap_or_default()
    }

    /// Resolves when a part of the node has failed.
    pub(crate) async fn failed(&mut self) -> Failure {
        let error: MachineError = self.engine.failed().await;
        Failure::new(1024, Exit::Failure, "consensus stopped").because(error)
    }

    /// Stops in reverse order: first the doors, then what is behind them.
    pub(crate) async fn stop(self) {
        let Self { engine, rpc, gateway, stop, tasks } = self;
        if let Some(gateway) = gateway {
            gateway.stop().await;
        }
        if let Some(rpc) = rpc {
            rpc.stop().await;
        }
        stop.cancel();
        tasks.wait().await;
        // Joins a thread; a panic in it was reported when it happened.
        let _ = tokio::task::spawn_blocking(move || engine.stop()).await;
    }
}

fn read_genesis(path: &Path) -> Result<Genesis, Failure> {
    let refuse = |what: &str| Failure::new(1014, Exit::Usage, format!("{} {what}", path.display()));
    let text = std::fs::read(path).map_err(|source| refuse("cannot be read").because(source))?;
    Genesis::from_json(&text).map_err(|source| refuse("is no genesis").because(source))
}

async fn open_chain(
    path: &Path,
    genesis: &Genesis,
    source: Arc<dyn TransactionSource>,
) -> Result<Arc<Chain>, Failure> {
    let (file, genesis) = (path.to_owned(), genesis.clone());
    let opened = tokio::task::spawn_blocking(move || Chain::open(&file, &genesis, source)).await;
    let opened =
        opened.map_err(|source| Failure::new(1024, Exit::Failure, "opening stopped").because(source))?;
    let chain = opened.map_err(|error| match error {
        OpenError::OtherChain { .. } => {
            Failure::new(1011, Exit::Usage, format!("{} belongs to another chain", path.display()))
                .because(error)
        }
        OpenError::InUse => {
            Failure::new(1012, Exit::Failure, format!("{} is in use", path.display())).because(error)
        }
        error => {
            Failure::new(2001, Exit::Failure, format!("{} cannot be opened", path.display())).because(error)
        }
    })?;
    Ok(Arc::new(chain))
}

async fn serve_rpc(
    address: std::net::SocketAddr,
    (chain, pool): (&Arc<Chain>, &Arc<Pool>),
    clock: &Arc<dyn Clock>,
) -> Result<Server, Failure> {
    let server = Server::start(address, Arc::clone(chain), Arc::clone(pool), Arc::clone(clock)).await;
    server.map_err(|error| match error {
        ServeError::Listen { source, .. } => port_taken(address, "JSON-RPC", source),
        error @ ServeError::Methods { .. } => {
            Failure::new(1024, Exit::Failure, "JSON-RPC cannot start").because(error)
        }
    })
}

pub(crate) fn port_taken(address: std::net::SocketAddr, what: &str, source: std::io::Error) -> Failure {
    Failure::new(1010, Exit::Failure, format!("{what} cannot listen on {address}")).because(source)
}

fn start_engine(config: &NodeConfig, chain: &Arc<Chain>, data: &Path) -> Result<Engine, Failure> {
    let path = config.path(&config.file.committee);
    let refuse = |what: &str| Failure::new(1014, Exit::Usage, format!("{}: {what}", path.display()));
    let file: CommitteeFile = read_toml(&path)?;
    let mut peers = Vec::new();
    for member in &file.validators {
        let key = hex::decode(&member.key).map_err(|source| refuse("a key is not hex").because(source))?;
        let identity =
            Identity::from_bytes(&key).map_err(|source| refuse("a key is not valid").because(source))?;
        peers.push(Peer { identity, address: member.address });
    }
    let members: Vec<_> = peers.iter().map(|peer| peer.identity.clone()).collect();
    let sharing =
        hex::decode(&file.public).map_err(|source| refuse("`public` is not hex").because(source))?;
    let committee =
        Committee::new(&members, &sharing).map_err(|source| refuse("no valid committee").because(source))?;
    let engine = nubes_consensus::Config {
        namespace: [b"nubes/".as_slice(), chain.genesis_hash().as_slice()].concat(),
        keys: network::read_keys(&config.path(&config.file.keys))?,
        committee,
        peers,
        listen: config.file.listen,
        storage: data.join("consensus"),
        pacing: Pacing { heartbeat: HEARTBEAT, leader_timeout: LEADER_TIMEOUT },
    };
    let machine: Arc<dyn StateMachine> = Arc::clone(chain) as _;
    Engine::start(engine, machine).map_err(|error| match error {
        StartError::Listen { address, source } => port_taken(address, "consensus", source),
        error => refuse("consensus cannot start").because(error),
    })
}

/// Tells the other validators what clients brought here.
async fn gossip(pool: Arc<Pool>, peers: nubes_consensus::Gossip, stop: CancellationToken) {
    let mut news = pool.follow();
    loop {
        let batch = tokio::select! {
            () = stop.cancelled() => return,
            batch = pool.next_batch(&mut news) => batch,
        };
        let Some(batch) = batch else { return };
        peers.send(batch.into());
    }
}
