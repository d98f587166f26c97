//! Keep one ledger that everybody agrees on, and speak to it as to Ethereum: the ledger layer.
//!
//! Execution runs inside consensus: the header that validators certify is an Ethereum header with the real state root.
//! `latest`, `safe` and `finalized` are the same block.
//!
//! What it is not: no consensus (that is `nubes-consensus`, which drives this crate through its port), no wallet, no
//! knowledge of the other layers; they see it through [`nubes_base::port::Ledger`].
//!
//! Laws:
//! - A final block is durable before it is acknowledged, and its receipts are visible before a client is answered.
//! - Execution reads neither clock nor entropy: the same block on the same state gives the same header everywhere.
//! - The state root in a header is the Merkle Patricia root of the state that all queries read.
//! - No coins come from nowhere: supply changes only by burning base fees.
//! - Every queue, range and cache has a named limit.
//!
//! Begin with [`chain`], then `exec.rs` and `state.rs`; [`pool`] is where transactions wait, [`rpc`] where clients come.

pub mod chain;
mod exec;
mod genesis;
mod local;
pub mod pool;
mod remote;
pub mod rpc;
mod state;

pub use crate::chain::Chain;
pub use crate::exec::{BLOCK_GAS_LIMIT, CallFailure, CallOutcome};
pub use crate::genesis::{DEVELOPMENT_ACCOUNTS, DEVELOPMENT_CHAIN_ID, Genesis, GenesisAccount, GenesisError};
pub use crate::local::LocalLedger;
pub use crate::pool::Pool;
pub use crate::remote::{RemoteError, RemoteLedger};
pub use crate::state::{OpenError, StoreError, StoredBlock};
