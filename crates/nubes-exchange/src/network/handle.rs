//! How the rest of the program talks to the loop.

use super::swarm::{self, check_free, listen_addresses};
use super::{Network, Routing, Tasks, frames};
use crate::bitswap::{Bitswap, Session};
use crate::exchange::{Config, ConnectError, FetchError, PeerInfo, RoutingError, StartError};
use bytes::Bytes;
use cid::Cid;
use futures_util::StreamExt;
use libp2p::{Multiaddr, identity::Keypair, swarm::SwarmEvent};
use nubes_base::{Clock, port::Blocks};
use std::{collections::BTreeMap, fmt, io, sync::Arc};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::task::TaskTracker;

/// Messages that were read and wait for the loop; what they hold in memory is bounded by the readers' budget.
const RECEIVED_MAX: usize = 64;
/// Reports of writers that wait for the loop.
const NOTES_MAX: usize = 256;

/// What the loop is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Want { session: Session, cid: Cid, reply: oneshot::Sender<Result<Bytes, FetchError>> },
    Stored { cid: Cid },
    End { session: Session },
    Connect { address: Multiaddr, reply: oneshot::Sender<Result<String, ConnectError>> },
    Peers { reply: oneshot::Sender<Vec<PeerInfo>> },
    Provide { cid: Cid, reply: oneshot::Sender<Result<(), RoutingError>> },
    Find { cid: Cid, reply: oneshot::Sender<Result<Vec<String>, RoutingError>> },
    Stop,
}

/// The running loop.
#[derive(Clone)]
pub(crate) struct Handle {
    // Unbounded, because a caller waits for its answer before it asks again; so there are as many commands as callers.
    commands: mpsc::UnboundedSender<Command>,
    addresses: watch::Receiver<Vec<String>>,
    peer_id: Arc<str>,
    tasks: TaskTracker,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("peer_id", &self.peer_id).finish_non_exhaustive()
    }
}

impl Handle {
    /// A loop that has stopped drops the command, and with it the reply.
    pub(crate) fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    pub(crate) fn peer_id(&self) -> &str {
        &self.peer_id
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.addresses.borrow().clone()
    }

    pub(crate) async fn stop(&self) {
        self.send(Command::Stop);
        self.tasks.wait().await;
    }
}

pub(crate) fn parse(address: &str) -> Option<Multiaddr> {
    address.parse().ok().filter(|address: &Multiaddr| !address.is_empty())
}

/// Starts the loop; it listens when this returns.
pub(crate) async fn start(
    config: &Config,
    key: &Keypair,
    blocks: Arc<dyn Blocks>,
    clock: Arc<dyn Clock>,
) -> Result<Handle, StartError> {
    let swarm = swarm::build(key, config).await?;
    let peer_id: Arc<str> = swarm.local_peer_id().to_string().into();
    let (commands, inbox) = mpsc::unbounded_channel();
    let (addresses, known) = watch::channel(Vec::new());
    let mut network = Network {
        swarm,
        bitswap: Bitswap::default(),
        blocks,
        clock,
        peers: BTreeMap::new(),
        names: BTreeMap::new(),
        next_peer: 0,
        waiting: BTreeMap::new(),
        dials: BTreeMap::new(),
        routing: Routing::default(),
        addresses,
        tasks: Tasks {
            readers: JoinSet::new(),
            writers: JoinSet::new(),
            loads: JoinSet::new(),
            room: frames::budget(),
            received: mpsc::channel(RECEIVED_MAX),
            notes: mpsc::channel(NOTES_MAX),
        },
    };
    check_free(config)?;
    for address in listen_addresses(config) {
        listen(&mut network, address).await?;
    }
    let tasks = TaskTracker::new();
    tasks.spawn(network.run(inbox));
    tasks.close();
    Ok(Handle { commands, addresses: known, peer_id, tasks })
}

/// Waits until the socket is bound; what else happens meanwhile is not lost.
async fn listen(network: &mut Network, address: Multiaddr) -> Result<(), StartError> {
    let text = address.to_string();
    let refuse = |source: io::Error| StartError::Listen { address: text.clone(), source };
    let listener = network.swarm.listen_on(address);
    let listener = listener.map_err(|source| refuse(io::Error::other(source)))?;
    loop {
        match network.swarm.select_next_some().await {
            event @ SwarmEvent::NewListenAddr { listener_id, .. } if listener_id == listener => {
                network.on_swarm(event);
                return Ok(());
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => {
                return Err(refuse(reason.err().unwrap_or_else(|| io::ErrorKind::AddrInUse.into())));
            }
            event => network.on_swarm(event),
        }
    }
}
