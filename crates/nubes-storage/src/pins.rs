//! Which content a node promises to keep, and how it comes to have it.
//!
//! A pin names a CID and how much below it is kept: everything (recursive) or the block alone (direct). The same CID may
//! be pinned several times, each with a name, notes and an id of its own; it is kept as long as one of them is there.
//!
//! | status | means | next |
//! |---|---|---|
//! | queued | some of it is missing, nobody looks for it now | pinning |
//! | pinning | peers are asked | pinned, failed, or queued again when nobody had it |
//! | pinned | everything is here | |
//! | failed | given up; the details say why | |
//!
//! Laws:
//! - What [`Pins`] has answered is on disk; a pin that was waiting waits again after a restart.
//! - Ids rise with time, are never given twice, and are the milliseconds at which the pin was made.
//! - [`Pins::live`] names every block here that some pin keeps, also of pins that are not complete yet: what came for
//!   them is not to be collected. Who removes blocks holds [`Pins::collecting`] meanwhile. Who stores blocks first and pins
//!   them afterwards holds [`Pins::adding`]; and so does who finds that everything is here, until the pin says so.
//!
//! [`Pins`] is the table, [`survey`] looks at what is here of a pin, [`Pinner`] works off what waits, with the help of
//! [`Peers`]. Over HTTP: [`routes`] for the node's own tools, [`service`] for the Pinning Service API.

mod live;
mod peers;
mod pin;
mod pinner;
mod routes;
mod schedule;
pub mod service;
mod shelter;
mod table;
mod walk;

pub use live::LiveError;
pub use peers::{ConnectError, FetchError, NoPeers, OwnAddress, Peer, Peers};
pub use pin::{
    META_BYTES_MAX, META_ENTRIES_MAX, Mode, NAME_CHARS_MAX, ORIGINS_MAX, Pin, PinId, Status, Wish, WishError,
};
pub use pinner::{PINNING_MAX, Pinner};
pub use routes::routes;
pub use schedule::ATTEMPTS_MAX;
pub use table::{OpenError, PINS_MAX, PinError, Pins};
pub use walk::{DAG_BLOCKS_MAX, MISSING_MAX, Survey, WalkError, survey};

pub(crate) use live::blocks_below;
pub(crate) use pinner::KeepError;
pub(crate) use walk::{Met, Walk};

#[cfg(test)]
mod tests;
