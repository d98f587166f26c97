//! The file that says which format a store has.

use super::disk::{self, Access, Disk};
use super::{FORMAT, OpenError};
use std::{io, path::Path};

/// Longest content that is looked at.
const BYTES_MAX: usize = 256;

/// Refuses a store of another format; writes the format into a new one.
pub(super) fn check(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("VERSION");
    match read(disk, &path) {
        Ok(found) if found == FORMAT => Ok(()),
        Ok(found) => Err(OpenError::Version { dir: dir.to_owned(), found }),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => begin(disk, dir),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

// A store has it before its first segment, and a backup after its last.
fn begin(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: dir.to_owned(), source };
    if !disk.list(&dir.join("segments")).map_err(io)?.is_empty() {
        return Err(OpenError::Unfinished { dir: dir.to_owned() });
    }
    write(disk, dir).map_err(io)
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    let mut bytes = [0; BYTES_MAX];
    let length = disk::read_up_to(&*disk.open(path, Access::Read)?, &mut bytes, 0)?;
    let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
    Ok(text.trim_end().to_owned())
}

// Written beside and renamed, so that a crash leaves either none or a whole one.
pub(super) fn write(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let (draft, line) = (dir.join("VERSION.new"), format!("{FORMAT}\n"));
    let file = disk.open(&draft, Access::Write)?;
    file.set_length(line.len() as u64)?;
    disk::write_all(&*file, line.as_bytes(), 0)?;
    file.sync()?;
    disk.rename(&draft, &dir.join("VERSION"))?;
    disk.sync_dir(dir)
}
