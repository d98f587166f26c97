//! Exchange blocks with IPFS peers: bitswap over libp2p, behind a facade without generics.
//!
//! Unmodified peers (Helia, Kubo) connect over TCP, WebSocket or QUIC and fetch blocks of this node; this node fetches what it
//! lacks from them. Where blocks are kept is behind the port [`nubes_base::port::Blocks`].
//!
//! What it is not: no store, no gateway, no private content: whoever can connect can ask for any block by its CID.
//!
//! Laws:
//! - What another peer sends is believed only after its hash was computed here.
//! - A fetched block is durable before it is reported as fetched.
//! - Whatever peers do, memory and tasks stay within named limits.
//! - No type of libp2p is visible outside: its code generation is paid once, here.
//!
//! Begin with [`message`], what is said; then [`bitswap`], when it is said; `network.rs` is the loop around it, [`Exchange`]
//! the door.

pub mod bitswap;
mod dag;
mod exchange;
mod identity;
pub mod message;
mod network;
#[cfg(test)]
mod tests;

pub use crate::dag::{DagError, DagLimits, PARALLEL_BLOCKS, Progress};
pub use crate::exchange::{
    Config, ConnectError, Exchange, FetchError, Listen, PeerInfo, RoutingError, StartError,
};
pub use crate::identity::IdentityError;
