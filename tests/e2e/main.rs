//! End to end: the built binary, real processes, real sockets.

#![expect(clippy::unwrap_used, reason = "everything in this crate is a test")]

mod api;
mod bad_input;
mod bucket;
mod cli;
mod cluster;
mod crash;
mod dnslink;
mod exchange;
mod faults;
mod guestbook;
mod guides;
mod headers;
mod hello;
mod market;
mod names;
mod pins;
mod previews;
mod providers;
mod rollback;
mod slow_readers;
mod store;
