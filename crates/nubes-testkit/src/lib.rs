//! Fakes of the ports and the laws that every implementation of a port keeps.
//!
//! What it is not: no mock of a layer's insides. A fake is the smallest thing that keeps its port's law, so a test that
//! passes with it says something about the code under test and nothing about an engine.
//!
//! Laws: each `…_laws` function runs here against the fake, and in the layer's crate against each engine.
//!
//! Begin with [`blobs`].

pub mod blobs;
pub mod blocks;
pub mod ledger;
pub mod runner;

/// The value, for a law that cannot go on without it.
#[track_caller]
pub(crate) fn must<T, E: std::error::Error>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        #[expect(clippy::panic, reason = "a law fails the test that runs it")]
        Err(error) => panic!("{error}"),
    }
}
