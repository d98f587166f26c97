//! Compiled code by the CID of its component.
//!
//! Compiling takes from a fifth of a second to half a minute, loading a few milliseconds. So code is compiled once, when a
//! function is prepared, and kept on disk with its SHA-256; what does not match is compiled again. The folder is
//! readable by its owner only, and nothing in it ever comes from another machine.

use crate::native;
use cid::Cid;
use lru::LruCache;
use nubes_base::port::{Blobs, GetError};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    num::NonZeroUsize,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use wasmtime::{Engine, component::Component};

/// Largest component that is compiled.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;
/// Components kept in memory.
const LOADED_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error(transparent)]
    Get(#[from] GetError),
    #[error("not a component that compiles")]
    Invalid {
        #[source]
        source: wasmtime::Error,
    },
    #[error("cannot write compiled code to {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the compiler was interrupted")]
    Interrupted,
}

/// Where the bytes of a component come from.
pub(crate) enum Wasm {
    Stored(Arc<dyn Blobs>),
    /// Shipped with the program.
    Embedded(&'static [u8]),
}

pub(crate) struct Compiled {
    engine: Engine,
    dir: PathBuf,
    /// Differs between engines whose code cannot be exchanged.
    engine_key: String,
    // Held for a look-up.
    loaded: Mutex<LruCache<Cid, Component>>,
    // One compilation at a time: each uses all cores.
    compiling: tokio::sync::Mutex<()>,
}

impl Compiled {
    pub(crate) fn new(engine: Engine, dir: PathBuf) -> Result<Self, io::Error> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        // It may have been there before, open to others.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine_key = format!("{:016x}", hasher.finish());
        let loaded = Mutex::new(LruCache::new(LOADED_MAX));
        Ok(Self { engine, dir, engine_key, loaded, compiling: tokio::sync::Mutex::new(()) })
    }

    /// The component `cid`, compiled now if it never was here.
    pub(crate) async fn get(self: &Arc<Self>, cid: &Cid, wasm: Wasm) -> Result<Component, CompileError> {
        if let Some(component) = self.loaded(cid) {
            return Ok(component);
        }
        let path = self.dir.join(format!("{cid}-{}.cwasm", self.engine_key));
        let component = match self.on_disk(&path).await {
            Some(component) => component,
            None => self.new_one(cid, wasm, path).await?,
        };
        self.loaded.lock().put(*cid, component.clone());
        Ok(component)
    }

    async fn on_disk(self: &Arc<Self>, path: &Path) -> Option<Component> {
        let (this, path) = (Arc::clone(self), path.to_owned());
        tokio::task::spawn_blocking(move || this.load(&path)).await.ok().flatten()
    }

    async fn new_one(
        self: &Arc<Self>,
        cid: &Cid,
        wasm: Wasm,
        path: PathBuf,
    ) -> Result<Component, CompileError> {
        let _one = self.compiling.lock().await;
        // Somebody else may have compiled it while this one waited.
        if let Some(component) = self.loaded(cid) {
            return Ok(component);
        }
        let bytes = match wasm {
            Wasm::Stored(blobs) => blobs.get(cid, COMPONENT_BYTES_MAX).await?,
            Wasm::Embedded(bytes) => bytes.into(),
        };
        let this = Arc::clone(self);
        let compile = move || this.compile(&bytes, &path);
        let component =
            tokio::task::spawn_blocking(compile).await.map_err(|_| CompileError::Interrupted)??;
        // While the lock is held, so that the next one finds it.
        self.loaded.lock().put(*cid, component.clone());
        Ok(component)
    }

    fn loaded(&self, cid: &Cid) -> Option<Component> {
        self.loaded.lock().get(cid).cloned()
    }

    /// None: not there, or not what was written. Then it is compiled.
    fn load(&self, path: &Path) -> Option<Component> {
        let expected = fs::read(hash_path(path)).ok()?;
        let found = Sha256::digest(fs::read(path).ok()?);
        if expected != found.as_slice() {
            tracing::warn!(path = %path.display(), "compiled code was changed on disk and is compiled again");
            return None;
        }
        native::load(&self.engine, path).ok()
    }

    fn compile(&self, wasm: &[u8], path: &Path) -> Result<Component, CompileError> {
        let code =
            self.engine.precompile_component(wasm).map_err(|source| CompileError::Invalid { source })?;
        let failed = |source| CompileError::Write { path: path.to_owned(), source };
        write(path, &code).map_err(failed)?;
        write(&hash_path(path), &Sha256::digest(&code)).map_err(failed)?;
        native::load(&self.engine, path).map_err(|source| CompileError::Invalid { source })
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("dir", &self.dir).finish_non_exhaustive()
    }
}

fn hash_path(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

/// All or nothing: a file that was cut short never has the final name.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let part = path.with_extension(format!("part-{}-{number}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}
