//! Run other people's code in a sandbox, with state that is as safe as a transaction: the compute layer.
//!
//! A function is a `wasi:http/proxy` component, unchanged from other hosts, or a JavaScript file that runs on one shared
//! engine component. It sees the request, its configuration and its app's key-value state, and nothing else: no files,
//! no environment, no network.
//!
//! What it is not: no routing, no names, no money. The front door decides which function a request is for.
//!
//! Laws:
//! - What a request wrote is durable before its response is returned; a request that failed wrote nothing.
//! - Requests at the same time see their app's state as if they had run one after the other.
//! - A request gets a fresh instance; nothing of another request is in it.
//! - Limits hold: fuel, wall clock, memory, body sizes, instances. Exceeding one ends that request and no other.
//! - Native code comes only from this machine's own compiler; what is on disk is checked before it is loaded.
//!
//! Begin with [`Runtime`]; `execute.rs` is one request, `state.rs` the transactions, `compiled.rs` the code cache.

mod compiled;
mod component;
mod engine;
mod execute;
mod javascript;
mod keyvalue;
mod logs;
mod native;
mod output;
mod runtime;
mod sandbox;
mod state;
#[cfg(test)]
mod tests;

pub use crate::compiled::COMPONENT_BYTES_MAX;
pub use crate::execute::{FuelUsed, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, STATE_ATTEMPTS_MAX};
pub use crate::logs::Logs;
pub use crate::runtime::{Runtime, RuntimeConfig, StartError};
pub use crate::state::{KEY_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_KEYS_MAX, VALUE_BYTES_MAX};
