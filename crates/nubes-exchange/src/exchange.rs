//! The facade: one handle, no generics, no libp2p.

use crate::bitswap::Session;
use crate::identity::{self, IdentityError};
use crate::network::{self, Command, Handle};
use bytes::Bytes;
use cid::Cid;
use nubes_base::{
    Clock,
    port::{Blocks, PutBlocksError, ReadBlockError},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// How a node takes part in the exchange.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's peer key; made if it is not there.
    pub key_file: PathBuf,
    pub listen: Listen,
    /// Whether other peers may store routing records here. A node that others cannot reach should not.
    pub routing_server: bool,
}

/// Where peers reach this node; absent: not over this transport. Dialling works over all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    pub tcp: Option<SocketAddr>,
    pub websocket: Option<SocketAddr>,
    pub quic: Option<SocketAddr>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    pub id: String,
    /// Where it is connected from or to.
    pub address: String,
    /// Its program and version, as it says.
    pub agent: Option<String>,
}

/// A running exchange; clones share it.
#[derive(Clone, Debug)]
pub struct Exchange {
    handle: Handle,
    blocks: Arc<dyn Blocks>,
    sessions: Arc<AtomicU64>,
}

/// Wants of one download. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Download {
    handle: Handle,
    blocks: Arc<dyn Blocks>,
    session: Session,
}

impl Exchange {
    /// Listens and answers from then on.
    pub async fn start(
        config: Config,
        blocks: Arc<dyn Blocks>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let key_file = config.key_file.clone();
        let key = tokio::task::spawn_blocking(move || identity::read_or_make(&key_file)).await;
        let key = key.map_err(|source| StartError::Transport { source: source.into() })??;
        let handle = network::start(&config, &key, Arc::clone(&blocks), clock).await?;
        Ok(Self { handle, blocks, sessions: Arc::new(AtomicU64::new(0)) })
    }

    /// This node's name among peers; the same at each start.
    pub fn peer_id(&self) -> String {
        self.handle.peer_id().to_owned()
    }

    /// Where others reach this node, each as a multiaddr that ends in the peer id.
    pub fn addresses(&self) -> Vec<String> {
        self.handle.addresses()
    }

    /// Connects to a peer and returns its id.
    pub async fn connect(&self, address: &str) -> Result<String, ConnectError> {
        let target =
            network::parse(address).ok_or_else(|| ConnectError::Address { text: address.to_owned() })?;
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Connect { address: target, reply });
        answer.await.unwrap_or(Err(ConnectError::Stopped))
    }

    pub async fn peers(&self) -> Vec<PeerInfo> {
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Peers { reply });
        answer.await.unwrap_or_default()
    }

    /// The block, from this node or else from a peer; durable here when it returns. Gives up after `patience`.
    pub async fn fetch(&self, cid: &Cid, patience: Duration) -> Result<Bytes, FetchError> {
        let fetched = self.download().fetch(cid, patience).await?;
        Ok(fetched.bytes)
    }

    /// Tells the routing that this node has the block; again and again until it stops.
    pub async fn provide(&self, cid: &Cid) -> Result<(), RoutingError> {
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Provide { cid: *cid, reply });
        answer.await.unwrap_or(Err(RoutingError::Stopped))
    }

    /// Ids of peers that said they have the block, as far as the peers known here know. They can be passed to `connect` as
    /// `/p2p/ID`.
    pub async fn find_providers(&self, cid: &Cid) -> Result<Vec<String>, RoutingError> {
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Find { cid: *cid, reply });
        answer.await.unwrap_or(Err(RoutingError::Stopped))
    }

    /// Closes all connections and waits for the tasks. Fetches that run end with an error.
    pub async fn stop(&self) {
        self.handle.stop().await;
    }

    pub(crate) fn download(&self) -> Download {
        let session = Session(self.sessions.fetch_add(1, Ordering::Relaxed));
        Download { handle: self.handle.clone(), blocks: Arc::clone(&self.blocks), session }
    }
}

/// A block, and whether it had to be fetched.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    pub(crate) was_here: bool,
}

impl Download {
    pub(crate) const fn blocks(&self) -> &Arc<dyn Blocks> {
        &self.blocks
    }

    pub(crate) async fn fetch(&self, cid: &Cid, patience: Duration) -> Result<Fetched, FetchError> {
        if let Some(bytes) = self.blocks.get(cid).await? {
            return Ok(Fetched { bytes, was_here: true });
        }
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Want { session: self.session, cid: *cid, reply });
        let Ok(answer) = timeout(patience, answer).await else {
            return Err(FetchError::NotFound { cid: *cid, patience });
        };
        let bytes = answer.unwrap_or(Err(FetchError::Stopped))?;
        self.blocks.put(vec![(*cid, bytes.clone())]).await?;
        self.handle.send(Command::Stored { cid: *cid });
        Ok(Fetched { bytes, was_here: false })
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.handle.send(Command::End { session: self.session });
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Another program listens there, or the address is not this machine's.
    #[error("the exchange cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    /// The system gives no sockets or no name resolution.
    #[error("the exchange cannot start")]
    Transport {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Addresses look like `/ip4/127.0.0.1/tcp/4001/p2p/12D3Koo…`.
    #[error("`{text}` is no multiaddr")]
    Address { text: String },
    /// Nobody answers there, or somebody else than the address names.
    #[error("cannot connect to {address}")]
    Dial {
        address: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the exchange has stopped")]
    Stopped,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connected peer gave it in time. Connect to one that has it.
    #[error("no connected peer gave block {cid} within {} s", patience.as_secs())]
    NotFound { cid: Cid, patience: Duration },
    /// Too many blocks are being fetched. Try again later.
    #[error("too many blocks are being fetched")]
    Busy,
    #[error(transparent)]
    Read(#[from] ReadBlockError),
    #[error(transparent)]
    Put(#[from] PutBlocksError),
    #[error("the exchange has stopped")]
    Stopped,
}

#[derive(Debug, thiserror::Error)]
pub enum RoutingError {
    /// No peer that keeps routing records is known. Connect to some first.
    #[error("no peer of the routing is known")]
    NobodyKnown,
    /// Peers of the routing did not answer in time.
    #[error("the routing did not answer in time")]
    TimedOut,
    /// More blocks are provided than the routing keeps.
    #[error("too many blocks are provided")]
    TooMany,
    #[error("the exchange has stopped")]
    Stopped,
}
