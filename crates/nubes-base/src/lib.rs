//! Name the things every layer talks about, and the ports through which layers meet.
//!
//! What it is not: no I/O, no tasks, no clock. A type is here because two layers need the same word for it; a port is
//! here because one layer needs another and must not know which engine answers.
//!
//! Laws:
//! - A value of a type in this crate is valid; checking happens once, in its constructor.
//! - Ports are object-safe, have at most six methods and state their law in their docs; `nubes-testkit` has each law
//!   as a function that runs against every implementation.
//!
//! Begin with [`port`], then [`app::AppRecord`], the document that says what an app is made of.

pub mod app;
mod cause;
pub mod code;
pub mod port;
mod time;

pub use crate::app::{AppName, AppRecord};
pub use crate::cause::chain;
pub use crate::code::Code;
pub use crate::time::{Clock, SystemClock, Timestamp};
