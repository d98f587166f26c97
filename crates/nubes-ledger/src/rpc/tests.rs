//! The server as its clients see it: a real chain whose blocks a trivial driver makes, raw JSON over real sockets.

mod client;
mod filters;
mod house;
mod limits;
mod mended;
mod port;
mod queries;
mod sending;
mod shapes;
mod subscriptions;
