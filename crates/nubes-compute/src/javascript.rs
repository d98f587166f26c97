//! JavaScript on the shared engine: QuickJS as a component that asks the host for the app's source.
//!
//! The engine and its Web-standard surface are in `engine/`; it is compiled once, the source is data.

use crate::{logs::LogLevel, sandbox::Sandbox};
use rand::TryRng;
use wasmtime::component::{HasSelf, Linker};

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "engine/engine.wit",
        world: "guest",
        imports: { default: trappable },
    });
}

use bindings::nubes::engine::{app, http, state};

/// The engine's component.
pub(crate) const ENGINE: &[u8] = include_bytes!("../engine/engine.wasm");
/// Longest source file.
pub const SOURCE_BYTES_MAX: u64 = 8 << 20;
/// Random bytes of one call.
const RANDOM_BYTES_MAX: u32 = 65_536;

pub(crate) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    app::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    state::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    http::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)
}

impl http::Host for Sandbox {}

impl app::Host for Sandbox {
    fn source(&mut self) -> wasmtime::Result<String> {
        Ok(self.source.as_ref().to_owned())
    }

    fn config(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.config.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn has_state(&mut self) -> wasmtime::Result<bool> {
        Ok(self.transaction.is_some())
    }

    fn log(&mut self, level: String, text: String) -> wasmtime::Result<()> {
        let level = match level.as_str() {
            "debug" => LogLevel::Debug,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            _ => LogLevel::Info,
        };
        self.printer.print(level, &text);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are exact for 285,000 years")]
    fn now(&mut self) -> wasmtime::Result<f64> {
        Ok(self.clock.now().unix_ms() as f64)
    }

    fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count.min(RANDOM_BYTES_MAX))?];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
        Ok(bytes)
    }
}

impl state::Host for Sandbox {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.state(|state| state.get(&key))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        self.state(|state| state.set(&key, value))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.state(|state| state.delete(&key))
    }

    fn keys(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        self.state(|state| state.keys(&prefix))
    }
}
