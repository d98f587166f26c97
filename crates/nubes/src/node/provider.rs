//! A node that sells storage: it keeps pieces, answers for them over HTTP, and keeps its promises on the ledger.
//!
//! It validates nothing: it uses the ledger through nodes that do. Its key signs transactions and receipts, and holds the
//! stake.

pub(crate) mod config;
mod door;
mod pieces;

pub(crate) use pieces::HttpCells;

use super::port_taken;
use crate::{
    account::read_key,
    failure::{Exit, Failure},
};
use config::ProviderConfig;
use door::Door;
use nubes_base::port::{Ledger, Pieces};
use nubes_ledger::RemoteLedger;
use nubes_market::{
    Account,
    provider::{Agent, Habits, join},
};
use nubes_storage::pieces::PieceStore;
use pieces::KeptPieces;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a new provider waits for the nodes that keep the ledger.
const LEDGER_PATIENCE: Duration = Duration::from_mins(2);
const LEDGER_PAUSE: Duration = Duration::from_millis(500);

/// A running provider.
#[derive(Debug)]
pub(crate) struct ProviderNode {
    pub(crate) address: alloy_primitives::Address,
    pub(crate) door: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl ProviderNode {
    /// Registers if the ledger does not know the provider as it is configured, then answers.
    pub(crate) async fn start(config: &ProviderConfig) -> Result<Self, Failure> {
        let file = &config.file;
        let ledger: Arc<dyn Ledger> = Arc::new(ledger(&file.ledger.rpc).await?);
        let account = Arc::new(Account::new(ledger, read_key(&config.path(&file.provider.key))?));
        let dir = config.path(&file.data).join("pieces");
        let opened = tokio::task::spawn_blocking(move || PieceStore::open(dir)).await;
        let opened =
            opened.map_err(|source| Failure::new(1024, Exit::Failure, "opening stopped").because(source))?;
        let store = opened.map_err(|source| {
            Failure::new(3019, Exit::Failure, "the store of pieces cannot be opened").because(source)
        })?;
        let listener = TcpListener::bind(file.door).await;
        let listener = listener.map_err(|source| port_taken(file.door, "the provider", source))?;
        let address =
            listener.local_addr().map_err(|source| port_taken(file.door, "the provider", source))?;
        let offer = file.provider.offer(address)?;
        join(&account, &offer).await.map_err(|source| {
            Failure::new(6001, Exit::Failure, "the provider cannot register").because(source)
        })?;
        let kept = Arc::new(KeptPieces::new(store.clone()));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let door = Door::new(Arc::clone(&account), Arc::clone(&kept), &offer);
        tasks.spawn(door.serve(listener, stop.clone()));
        let agent = Agent::new(
            Arc::clone(&account),
            Arc::clone(&kept) as Arc<dyn Pieces>,
            Habits { repairs: file.provider.repairs },
        );
        tasks.spawn(agent.run(stop.clone()));
        tasks.spawn(kept.scrub(Duration::from_secs(file.provider.check_seconds), stop.clone()));
        tasks.close();
        tracing::info!(node = file.name, provider = %account.address(), "provider started");
        Ok(Self { address: account.address(), door: address, stop, tasks })
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// The ledger behind these addresses, as soon as one of them answers: nodes of one machine start in any order.
async fn ledger(urls: &[String]) -> Result<RemoteLedger, Failure> {
    let connect = async {
        loop {
            match RemoteLedger::connect(urls).await {
                Err(nubes_ledger::RemoteError::NoAnswer { .. }) => tokio::time::sleep(LEDGER_PAUSE).await,
                answer => return answer,
            }
        }
    };
    let refuse =
        || Failure::new(6002, Exit::Network, format!("the ledger does not answer at {}", urls.join(", ")));
    let connected = tokio::time::timeout(LEDGER_PATIENCE, connect).await.map_err(|_| refuse())?;
    connected.map_err(|source| refuse().because(source))
}
