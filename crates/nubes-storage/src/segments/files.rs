//! The segment files: names, handles, positioned reads.

use super::index::Location;
use super::record::{self, HEADER_BYTES_MAX, Header};
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    num::NonZeroUsize,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Segments that are open for reading at the same time.
const OPEN_FILES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

pub(super) struct Segments {
    dir: PathBuf,
    // A lock because readers on any thread share the handles; it is held for a look-up, or one open(2).
    open: Mutex<LruCache<u32, Arc<File>>>,
}

impl Segments {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, open: Mutex::new(LruCache::new(OPEN_FILES_MAX)) }
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:08}.seg"))
    }

    /// All segments by rising number, with their lengths.
    pub(super) fn list(&self) -> io::Result<Vec<(u32, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".seg")).and_then(|name| name.parse().ok());
            if let Some(number) = number {
                segments.push((number, entry.metadata()?.len()));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// A handle for writing; the file is made if it is not there.
    pub(super) fn open_to_write(&self, segment: u32) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(segment))?;
        sync(&self.dir)?;
        Ok(file)
    }

    pub(super) fn open_to_read(&self, segment: u32) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.path(segment))?);
        open.put(segment, Arc::clone(&file));
        Ok(file)
    }

    /// The bytes at a location, not verified.
    pub(super) fn payload(&self, location: Location) -> io::Result<Vec<u8>> {
        let file = self.open_to_read(location.segment)?;
        let mut bytes = vec![0; usize::try_from(location.length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, location.offset + u64::from(location.header))?;
        Ok(bytes)
    }
}

/// The header at `offset`, if there is an intact one.
pub(super) fn header_at(file: &File, offset: u64) -> io::Result<Option<Header>> {
    let mut bytes = [0; HEADER_BYTES_MAX];
    let length = read_up_to(file, &mut bytes, offset)?;
    Ok(bytes.get(..length).and_then(record::decode))
}

/// Fills `bytes` from `offset`, or as much as the file has.
pub(super) fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(retry) if retry.kind() == io::ErrorKind::Interrupted => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(filled)
}

/// Makes names in a directory durable.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Segments").field(&self.dir).finish()
    }
}
