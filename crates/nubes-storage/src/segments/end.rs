//! Up to where the segments are durable, in a file of its own.
//!
//! It is written after each sync of a segment and not synced itself but with the index, so it never says too much, and a
//! loss of power can make it say too little. With it, opening tells a damaged record from an unfinished write.

use super::disk::{self, Access, Disk, DiskFile};
use super::index::{Position, START};
use std::{io, path::Path, sync::Arc};

/// Segment u32, offset u64, CRC-32C u32, little-endian.
const BYTES: usize = 16;
const CHECKED_BYTES: usize = 12;

#[derive(Debug)]
pub(super) struct End {
    file: Arc<dyn DiskFile>,
}

impl End {
    /// And what it said; the start if it is not there or not whole.
    pub(super) fn open(disk: &dyn Disk, dir: &Path) -> io::Result<(Self, Position)> {
        let file = disk.open(&dir.join("END"), Access::Write)?;
        disk.sync_dir(dir)?;
        let mut bytes = [0; BYTES];
        disk::read_up_to(&*file, &mut bytes, 0)?;
        Ok((Self { file }, decode(bytes).unwrap_or(START)))
    }

    pub(super) fn write(&self, position: Position) -> io::Result<()> {
        disk::write_all(&*self.file, &encode(position), 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

pub(super) fn encode(Position { segment, offset }: Position) -> Vec<u8> {
    let mut bytes = [segment.to_le_bytes().as_slice(), &offset.to_le_bytes()].concat();
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: [u8; BYTES]) -> Option<Position> {
    let (checked, checksum) = bytes.split_at_checked(CHECKED_BYTES)?;
    let (segment, offset) = checked.split_at_checked(4)?;
    let position = Position {
        segment: u32::from_le_bytes(segment.try_into().ok()?),
        offset: u64::from_le_bytes(offset.try_into().ok()?),
    };
    let whole = crc32c::crc32c(checked).to_le_bytes() == *checksum && position >= START;
    whole.then_some(position)
}

#[cfg(test)]
mod tests {
    use super::{BYTES, Position, decode, encode};

    #[test]
    fn the_end_survives_its_bytes_and_no_other() {
        let end = Position { segment: 7, offset: 1 << 40 };
        let bytes: [u8; BYTES] = encode(end).try_into().unwrap();
        assert_eq!(decode(bytes), Some(end));
        assert_eq!(decode([0; BYTES]), None);
        for at in 0..BYTES {
            let mut other = bytes;
            other[at] ^= 1;
            assert_eq!(decode(other), None, "{at}");
        }
    }
}
