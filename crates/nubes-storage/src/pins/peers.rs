//! The port through which missing content comes.

use super::Mode;
use async_trait::async_trait;
use cid::Cid;
use std::{error::Error, fmt};

/// Other nodes that have content.
///
/// Law: what [`Peers::fetch`] has answered for is in the store of this node and durable. A fetch that fails, or whose
/// future is dropped, keeps what came; the next one goes on from there.
#[async_trait]
pub trait Peers: Send + Sync + fmt::Debug {
    /// Brings what is missing of `root` here.
    async fn fetch(&self, root: &Cid, mode: Mode) -> Result<(), FetchError>;

    /// Connects to a peer and returns its id.
    async fn connect(&self, address: &str) -> Result<String, ConnectError>;

    /// Who is connected.
    async fn connected(&self) -> Vec<Peer>;

    /// How others reach this node; none if it takes no part in any exchange.
    fn own(&self) -> Option<OwnAddress>;
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub id: String,
    pub address: String,
    /// Its program and version, as it says.
    pub agent: Option<String>,
}

/// This node among its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    pub id: String,
    /// Multiaddrs that end in the id.
    pub addresses: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody who is connected gave it in time. Connect to one who has it, or ask again later.
    #[error("no peer gave all of {cid}")]
    NotFound {
        cid: Cid,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Asking again does not help.
    #[error("{cid} cannot be fetched")]
    Refused {
        cid: Cid,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The node takes no part in an exchange.
    #[error("{cid} is not all here, and the node has no exchange to fetch it")]
    Alone { cid: Cid },
}

/// Nobody answered there, or somebody else than the address names.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {address}")]
pub struct ConnectError {
    pub address: String,
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// The peers of a node without an exchange: nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

#[async_trait]
impl Peers for NoPeers {
    async fn fetch(&self, root: &Cid, _: Mode) -> Result<(), FetchError> {
        Err(FetchError::Alone { cid: *root })
    }

    async fn connect(&self, address: &str) -> Result<String, ConnectError> {
        Err(ConnectError { address: address.to_owned(), source: "the node has no exchange".into() })
    }

    async fn connected(&self) -> Vec<Peer> {
        Vec::new()
    }

    fn own(&self) -> Option<OwnAddress> {
        None
    }
}
