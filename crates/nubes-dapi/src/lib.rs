//! Answer the people outside: the front door.
//!
//! A request comes in with a host name. The name says whose it is: an app's (`NAME.localhost`), some
//! content's (`CID.ipfs.localhost`) or the node's own. An app's request goes to one of its functions or to
//! its site, as the app's record on the ledger says.
//!
//! What it is not: no storage, no execution, no ledger. It knows them as ports ([`Ports`]) and adds what
//! every one of them would need at the border: names, limits, error documents, health, counters. Routers of
//! other layers are [mounted](Mount) as they are.
//!
//! Laws:
//! - What is on the ledger is true: once a final block has been seen here, no later request gets an earlier
//!   record of a name that the block changed.
//! - A body is never held in memory; one that is too long is refused before it is read, or where it exceeds
//!   its limit.
//! - Every error has a code, the same words for people and programs, and no markup of the visitor's.
//! - A request that has begun is answered, also during a shutdown, up to [`Limits::drain_timeout`]. Who takes nothing of an
//!   answer for [`Limits::write_timeout`] is cut off.
//!
//! Begin with [`Door`]; the pure parts are [`host`] and [`route`]; [`names`] follows the ledger; [`Server`]
//! is the socket.

mod config;
mod door;
pub mod host;
mod metrics;
pub mod names;
mod page;
mod port;
mod problem;
pub mod route;
mod server;
#[cfg(test)]
mod tests;
mod upload;

pub use crate::config::{Config, Limits, RpcUrls};
pub use crate::door::{Door, Ports};
pub use crate::port::{Mount, Origin, Sites};
pub use crate::server::{BindError, Server};
