//! The segment files: names, handles, positioned reads.

use super::disk::{self, Access, Disk, DiskFile};
use super::index::Location;
use super::record::{self, HEADER_BYTES_MAX, Header};
use lru::LruCache;
use parking_lot::Mutex;
use std::{fmt, io, num::NonZeroUsize, path::PathBuf, sync::Arc};

/// Segments that are open for reading at the same time.
const OPEN_FILES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    // A lock because readers on any thread share the handles; it is held for a look-up, or one open(2).
    open: Mutex<LruCache<u32, Arc<dyn DiskFile>>>,
}

impl Segments {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf) -> Self {
        Self { disk, dir, open: Mutex::new(LruCache::new(OPEN_FILES_MAX)) }
    }

    pub(super) fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:08}.seg"))
    }

    /// All segments by rising number, with their lengths.
    pub(super) fn list(&self) -> io::Result<Vec<(u32, u64)>> {
        let mut segments = Vec::new();
        for path in self.disk.list(&self.dir)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(number) = name.strip_suffix(".seg").and_then(|name| name.parse().ok()) {
                segments.push((number, self.disk.open(&path, Access::Read)?.length()?));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// A handle for writing; the file is made if it is not there.
    pub(super) fn open_to_write(&self, segment: u32) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(&self.path(segment), Access::Write)?;
        self.disk.sync_dir(&self.dir)?;
        Ok(file)
    }

    /// A handle for changing what is there.
    pub(super) fn open_to_change(&self, segment: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.path(segment), Access::Change)
    }

    /// Deletes a segment; returns its bytes. Whoever reads it at this moment still can. Not durable before a sync.
    pub(super) fn remove(&self, segment: u32) -> io::Result<u64> {
        // Held, so that nobody keeps a handle to what is gone.
        let mut open = self.open.lock();
        open.pop(&segment);
        let bytes = self.disk.open(&self.path(segment), Access::Read)?.length()?;
        self.disk.remove(&self.path(segment))?;
        Ok(bytes)
    }

    /// Makes names durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.disk.sync_dir(&self.dir)
    }

    pub(super) fn open_to_read(&self, segment: u32) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file = self.disk.open(&self.path(segment), Access::Read)?;
        open.put(segment, Arc::clone(&file));
        Ok(file)
    }

    /// The bytes at a location, not verified.
    pub(super) fn payload(&self, location: Location) -> io::Result<Vec<u8>> {
        let file = self.open_to_read(location.segment)?;
        let mut bytes = vec![0; usize::try_from(location.length).map_err(io::Error::other)?];
        disk::read_exact(&*file, &mut bytes, location.offset + u64::from(location.header))?;
        Ok(bytes)
    }
}

/// The header at `offset`, if there is an intact one.
pub(super) fn header_at(file: &dyn DiskFile, offset: u64) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER_BYTES_MAX];
    let length = disk::read_up_to(file, &mut bytes, offset)?;
    Ok(bytes.get(..length).and_then(record::decode))
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Segments").field(&self.dir).finish()
    }
}
