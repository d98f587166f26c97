//! Durable key-value state of apps, one transaction for each request.
//!
//! A request reads a snapshot and collects its writes. At its end it is committed: if nothing that it read has changed
//! since, its writes become durable together; otherwise nothing happens and the request runs again. So requests behave
//! as if they had run one after the other (serialisable, by optimistic concurrency control).
//!
//! `transaction.rs` is the pure part; `store.rs` has the disk and the one writer; `turns.rs` lines up who lost a race.

mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod turns;

pub(crate) use store::{CommitError, OpenError, StateStore, StoreError};
pub use transaction::{KEY_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_KEYS_MAX, VALUE_BYTES_MAX};
pub(crate) use transaction::{LimitError, Transaction};
