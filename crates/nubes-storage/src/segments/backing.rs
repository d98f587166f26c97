//! The index's file, as redb sees it.
//!
//! redb answers nothing any more once a write has failed, not even reads. So a write that finds no room is held in
//! memory, where reads see it, and what comes after it is held too, syncs included: the file is always what a crash would
//! leave. [`Backing::settle`] catches up. Nothing is put as long as that fails, which bounds what is held to one commit. A
//! sync that fails is not told to redb either: the file is given up, and the next start rebuilds the index.

use super::disk::{self, DiskFile};
use parking_lot::Mutex;
use redb::StorageBackend;
use std::{collections::VecDeque, io, sync::Arc};

/// A handle to the file; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Backing {
    file: Arc<dyn DiskFile>,
    // A lock because redb reads from any thread; held for an operation of the file.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    held: VecDeque<Change>,
    is_lost: bool,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Sync,
}

impl Backing {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, state: Arc::default() }
    }

    /// Writes what is held. An error says that it is still held.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.settle_state(&mut self.state.lock())
    }

    /// Whether the file is not what redb believes it to be. It must not be opened again.
    pub(super) fn is_lost(&self) -> bool {
        self.state.lock().is_lost
    }

    /// What redb does with the file shows that it is damaged.
    pub(super) fn give_up(&self) {
        self.state.lock().is_lost = true;
    }

    fn settle_state(&self, state: &mut State) -> io::Result<()> {
        while let Some(change) = state.held.front() {
            match change {
                Change::Write(offset, bytes) => disk::write_all(&*self.file, bytes, *offset)?,
                Change::Length(bytes) => self.file.set_length(*bytes)?,
                Change::Sync => state.is_lost |= self.file.sync().is_err(),
            }
            state.held.pop_front();
        }
        Ok(())
    }

    // In order: what comes after a held change is held too.
    fn change(&self, apply: impl FnOnce() -> io::Result<()>, change: impl FnOnce() -> Change) {
        let mut state = self.state.lock();
        if !state.held.is_empty() || apply().is_err() {
            state.held.push_back(change());
        }
    }
}

impl StorageBackend for Backing {
    fn len(&self) -> io::Result<u64> {
        let state = self.state.lock();
        Ok(state.held.iter().fold(self.file.length()?, |length, change| match change {
            Change::Length(bytes) => *bytes,
            Change::Write(offset, bytes) => length.max(offset + bytes.len() as u64),
            Change::Sync => length,
        }))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock();
        if state.held.is_empty() {
            drop(state);
            return disk::read_exact(&*self.file, out, offset);
        }
        let read = disk::read_up_to(&*self.file, out, offset)?;
        out.get_mut(read..).unwrap_or_default().fill(0);
        for change in &state.held {
            overlay(change, offset, out);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|| self.file.set_length(len), || Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if self.settle_state(&mut state).is_err() {
            state.held.push_back(Change::Sync);
        } else {
            state.is_lost |= self.file.sync().is_err();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let write = || disk::write_all(&*self.file, data, offset);
        self.change(write, || Change::Write(offset, data.to_vec()));
        Ok(())
    }
}

/// Shows a held change to a reader of `out.len()` bytes from `offset`.
fn overlay(change: &Change, offset: u64, out: &mut [u8]) {
    let place = |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
    match change {
        Change::Sync => {}
        Change::Length(bytes) => out.get_mut(place(*bytes)..).unwrap_or_default().fill(0),
        Change::Write(at, bytes) => {
            let skipped = usize::try_from(offset.saturating_sub(*at)).unwrap_or(usize::MAX);
            let seen = bytes.get(skipped..).unwrap_or_default();
            for (to, from) in out.get_mut(place(*at)..).unwrap_or_default().iter_mut().zip(seen) {
                *to = *from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, overlay};

    #[test]
    fn a_held_change_is_seen_where_it_is_and_nowhere_else() {
        let mut out = *b"0123456789";
        overlay(&Change::Write(98, b"abcd".to_vec()), 100, &mut out);
        overlay(&Change::Write(108, b"xyz".to_vec()), 100, &mut out);
        overlay(&Change::Write(120, b"far".to_vec()), 100, &mut out);
        overlay(&Change::Write(10, b"near".to_vec()), 100, &mut out);
        assert_eq!(&out, b"cd234567xy");
        overlay(&Change::Length(105), 100, &mut out);
        assert_eq!(&out, b"cd234\0\0\0\0\0");
    }
}
