//! End to end: the built binary, real processes, real sockets.

#![expect(clippy::unwrap_used, reason = "everything in this crate is a test")]

mod bad_input;
mod cli;
mod cluster;
mod crash;
mod exchange;
mod faults;
mod guestbook;
mod hello;
mod market;
mod names;
mod pins;
mod previews;
mod providers;
mod rollback;
mod store;
