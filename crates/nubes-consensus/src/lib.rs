//! Agree on Ethereum blocks: simplex with threshold certificates behind a facade without generics.
//!
//! What it is not: it does not execute, keep state or know what a transaction is. It drives a [`StateMachine`].
//!
//! Laws:
//! - Two honest validators never finalize different blocks at one height while at most a third (rounded down) lies.
//! - A block is acknowledged only after [`StateMachine::finalize`] returned, so that nothing final is lost in a crash.
//! - No type of commonware is visible outside: its code generation is paid once, here.
//!
//! Begin with the port, `machine.rs`; then `application.rs`, which turns the questions of consensus into its calls;
//! `wiring.rs` and `engine.rs` put the parts together.

mod application;
mod block;
mod engine;
mod gossip;
mod keys;
mod machine;
#[cfg(feature = "simulate")]
pub mod simulate;
#[cfg(test)]
mod tests;
mod wiring;

pub use crate::block::BLOCK_BYTES_MAX;
pub use crate::engine::{Config, Engine, Gossip, Pacing, StartError};
pub use crate::gossip::BATCH_BYTES_MAX;
pub use crate::keys::{
    Committee, CommitteeError, Identity, KeyError, Peer, VALIDATORS_MAX, ValidatorKeys, deal_committee,
};
pub use crate::machine::{EthBlock, MachineError, Slot, StateMachine};
