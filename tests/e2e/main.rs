//! End to end: the built binary, real processes, real sockets.

#![expect(clippy::unwrap_used, reason = "everything in this crate is a test")]

mod bad_input;
mod bucket;
mod cli;
mod cluster;
mod crash;
mod dnslink;
mod exchange;
mod faults;
mod guestbook;
mod headers;
mod hello;
mod market;
mod pins;
mod providers;
mod rollback;
mod store;
