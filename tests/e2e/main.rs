//! End to end: the built binary, real processes, real sockets.

mod bad_input;
mod cli;
mod cluster;
mod crash;
mod guestbook;
mod hello;
