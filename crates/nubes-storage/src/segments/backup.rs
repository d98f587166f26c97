//! A copy of a store that is a store itself.
//!
//! The segments are copied, not linked: a link would share later erasures and every damage with the original. `VERSION`
//! comes last, and a folder with segments and without it does not open, so an unfinished backup is not taken for a whole.

use super::disk::{self, Access, Disk};
use super::end;
use super::index::{self, Index, Position};
use super::{GetError, Inner, MaintainError, Store, version};
use redb::{Durability, ReadTransaction};
use std::{io, path::Path, sync::Arc};

const COPY_BYTES: usize = 1 << 20;
/// Entries that are written to the new index at once.
const ENTRIES_AT_ONCE_MAX: usize = 50_000;

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    pub blocks: u64,
    pub segments: u64,
    /// Of the segments.
    pub bytes: u64,
}

impl Store {
    /// Copies what is durable at this moment into a new folder, which [`Store::open`] opens. Reading and putting go on;
    /// a collection or erasure waits. To move a store, back it up and point the configuration to the copy.
    pub async fn backup(&self, to: &Path) -> Result<Backup, MaintainError> {
        let _turn = self.inner.maintenance.lock().await;
        let (snapshot, tail) = self.maintain(|writer| (writer.parts.index.snapshot(), writer.tail)).await?;
        let snapshot = snapshot.map_err(|source| GetError::Index { source })?;
        let to = to.to_owned();
        self.blocking(move |inner| inner.copy(&snapshot, tail, &to)).await
    }
}

impl Inner {
    fn copy(&self, snapshot: &ReadTransaction, tail: Position, to: &Path) -> Result<Backup, MaintainError> {
        let disk = &self.parts.disk;
        let segments = to.join("segments");
        disk.create_dir(&segments)?;
        if !disk.list(&segments)?.is_empty() || disk.open(&to.join("VERSION"), Access::Read).is_ok() {
            return Err(MaintainError::Occupied { dir: to.to_owned() });
        }
        let mut backup = Backup::default();
        for (segment, length) in self.parts.segments.list()? {
            let bytes = if segment == tail.segment { tail.offset.min(length) } else { length };
            if segment <= tail.segment {
                let name = self.parts.segments.path(segment);
                copy_file(&**disk, &name, &segments.join(name.file_name().unwrap_or_default()), bytes)?;
                backup.segments += 1;
                backup.bytes += bytes;
            }
        }
        disk.sync_dir(&segments)?;
        backup.blocks = copy_index(disk, snapshot, tail, &to.join("index.redb"))?;
        let file = disk.open(&to.join("END"), Access::Write)?;
        disk::write_all(&*file, &end::encode(tail), 0)?;
        file.sync()?;
        version::write(&**disk, to)?;
        Ok(backup)
    }
}

fn copy_file(disk: &dyn Disk, from: &Path, to: &Path, bytes: u64) -> io::Result<()> {
    let (from, to) = (disk.open(from, Access::Read)?, disk.open(to, Access::Write)?);
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = 0;
    while at < bytes {
        let part = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(COPY_BYTES);
        let part = buffer.get_mut(..part).unwrap_or_default();
        disk::read_exact(&*from, part, at)?;
        disk::write_all(&*to, part, at)?;
        at += part.len() as u64;
    }
    to.sync()
}

/// Returns the number of entries.
fn copy_index(
    disk: &Arc<dyn Disk>,
    snapshot: &ReadTransaction,
    tail: Position,
    to: &Path,
) -> Result<u64, MaintainError> {
    let failed = |source| MaintainError::Read(GetError::Index { source });
    let copy = Index::replace(disk, to).map_err(io::Error::other)?;
    let (mut entries, mut count, mut written) = (Vec::new(), 0, Ok(()));
    let walked = index::for_each(snapshot, |multihash, location| {
        entries.push((multihash.to_vec(), location));
        count += 1;
        if entries.len() >= ENTRIES_AT_ONCE_MAX && written.is_ok() {
            written = copy.change(&entries, &[], tail, Durability::None);
            entries.clear();
        }
    });
    walked.and(written).map_err(failed)?;
    copy.change(&entries, &[], tail, Durability::Immediate).map_err(failed)?;
    copy.settle()?;
    Ok(count)
}
