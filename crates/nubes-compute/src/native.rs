//! The only place that turns bytes into native code.

use std::path::Path;
use wasmtime::{Engine, component::Component};

/// Loads code that [`Engine::precompile_component`] of the same engine made on this machine.
///
/// The caller has checked that the file holds what this machine's compiler wrote.
#[expect(unsafe_code, reason = "loading compiled code is the point of the cache")]
pub(crate) fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file lies in a folder that only this user can write, and the caller compared its SHA-256 with the one
    // that was written after compilation; wasmtime itself checks version and settings.
    unsafe { Component::deserialize_file(engine, path) }
}
