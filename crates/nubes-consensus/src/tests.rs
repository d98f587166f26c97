mod cluster;
mod counter;
mod engine;
mod keys;
#[cfg(feature = "simulate")]
mod simulation;

pub(crate) use counter::{genesis, next_block, transaction};
