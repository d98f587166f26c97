//! A disk in memory that fails when it is told to, and forgets what was not synced when the power goes.
//!
//! What a sync that failed had to write is dropped from what will ever become durable but stays visible, as Linux does.

use super::super::disk::{Access, Disk, DiskFile};
use parking_lot::Mutex;
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fs::TryLockError,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const PAGE_BYTES: u64 = 4096;
/// A write that the power interrupts is kept in whole sectors.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Io,
    NoSpace,
    /// Half of a write or a read is done, and said so.
    Short,
    /// Half of a write is done, and the rest fails.
    Torn,
}

/// The disk as one process has it; none of its operations works once the process was killed.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk {
    state: Arc<Mutex<State>>,
    life: u32,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<(PathBuf, Option<usize>)>,
    files: Vec<Inode>,
    /// Handles of an earlier life answer with errors only.
    life: u32,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    fired: u32,
    full: bool,
}

#[derive(Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    pages: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
        Change::Write(offset, written) => {
            let offset = usize::try_from(*offset).unwrap();
            let end = offset + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(written);
        }
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }
}

impl State {
    /// Counts an operation; the fault that is due.
    fn due(&mut self, life: u32) -> io::Result<Option<Fault>> {
        if life != self.life {
            return Err(io::Error::other("the process that opened it is gone"));
        }
        self.operations += 1;
        let fault = self.faults.remove(&self.operations);
        self.fired += u32::from(fault.is_some());
        Ok(fault)
    }

    fn allowed(&mut self, life: u32) -> io::Result<()> {
        match self.due(life)? {
            Some(Fault::NoSpace) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Io | Fault::Torn) => Err(eio()),
            Some(Fault::Short) | None => Ok(()),
        }
    }

    fn name(&mut self, path: &Path, to: Option<usize>) {
        self.pending_names.push((path.to_owned(), to));
        match to {
            Some(inode) => self.names.insert(path.to_owned(), inode),
            None => self.names.remove(path),
        };
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// Chance that repeats itself.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

impl MemoryDisk {
    /// The fault comes with the operation after `operations` others.
    pub(super) fn fail_after(&self, operations: u64, fault: Fault) {
        let mut state = self.state.lock();
        let at = state.operations + 1 + operations;
        state.faults.insert(at, fault);
    }

    /// No faults any more; how many came since the last call.
    pub(super) fn mend(&self) -> u32 {
        let mut state = self.state.lock();
        state.faults.clear();
        std::mem::take(&mut state.fired)
    }

    pub(super) fn fired(&self) -> u32 {
        self.state.lock().fired
    }

    /// While it is full, nothing new finds room.
    pub(super) fn set_full(&self, full: bool) {
        self.state.lock().full = full;
    }

    pub(super) fn remove_file(&self, path: &Path) {
        let mut state = self.state.lock();
        state.name(path, None);
    }

    /// Changes a byte of some file in `dir` behind everybody's back.
    pub(super) fn rot(&self, dir: &Path, seed: u64) {
        let mut state = self.state.lock();
        let mut dice = Dice(seed);
        let State { names, files, .. } = &mut *state;
        let inodes: Vec<_> = names.iter().filter(|(path, _)| path.parent() == Some(dir)).collect();
        let Some((_, inode)) = inodes.get(dice.below(inodes.len())) else { return };
        let file = &mut files[**inode];
        let at = dice.below(file.seen.len());
        for byte in file.seen.get_mut(at).into_iter().chain(file.durable.get_mut(at)) {
            *byte ^= 0x40;
        }
    }

    /// The disk as a new process sees it.
    pub(super) fn mount(&self) -> Self {
        Self { state: Arc::clone(&self.state), life: self.state.lock().life }
    }

    /// The process is gone; what it wrote is not.
    pub(super) fn kill(&self) {
        self.state.lock().life += 1;
    }

    /// The process is gone, and of what was not synced any part.
    pub(super) fn lose_power(&self, seed: u64) {
        let mut state = self.state.lock();
        state.life += 1;
        let mut dice = Dice(seed);
        let State { names, durable_names, pending_names, files, .. } = &mut *state;
        let kept = dice.below(pending_names.len() + 1);
        for (path, to) in pending_names.drain(..).take(kept) {
            match to {
                Some(inode) => durable_names.insert(path, inode),
                None => durable_names.remove(&path),
            };
        }
        *names = durable_names.clone();
        for file in files {
            for change in std::mem::take(&mut file.pending) {
                match (dice.below(4), change) {
                    (0, _) => {}
                    (1, Change::Write(offset, mut bytes)) => {
                        bytes.truncate(dice.below(bytes.len() / SECTOR_BYTES + 1) * SECTOR_BYTES);
                        apply(&mut file.durable, &Change::Write(offset, bytes));
                    }
                    (_, change) => apply(&mut file.durable, &change),
                }
            }
            file.seen.clone_from(&file.durable);
        }
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state.lock();
        state.allowed(self.life)?;
        Ok(state.names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.allowed(self.life)?;
        let inode = match (state.names.get(path), access) {
            (Some(inode), _) => *inode,
            (None, Access::Read | Access::Change) => return Err(io::ErrorKind::NotFound.into()),
            (None, Access::Write) => {
                let inode = state.files.len();
                state.files.push(Inode::default());
                state.name(path, Some(inode));
                inode
            }
        };
        Ok(Arc::new(MemoryFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.allowed(self.life)?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.name(from, None);
        state.name(to, Some(inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.allowed(self.life)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.name(path, None);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.allowed(self.life)?;
        state.pending_names.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(if self.state.lock().full { 0 } else { 1 << 40 })
    }

    fn lock(&self, _: &Path) -> Result<Box<dyn Any + Send + Sync>, TryLockError> {
        Ok(Box::new(()))
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
}

impl MemoryFile {
    fn with<T>(&self, work: impl FnOnce(&mut Inode) -> T) -> io::Result<T> {
        let mut state = self.disk.state.lock();
        state.allowed(self.disk.life)?;
        Ok(work(&mut state.files[self.inode]))
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        let fault = state.due(self.disk.life)?;
        let file = &state.files[self.inode].seen;
        let rest = usize::try_from(offset).ok().and_then(|offset| file.get(offset..)).unwrap_or_default();
        let mut length = rest.len().min(bytes.len());
        match fault {
            Some(Fault::Io | Fault::Torn) => return Err(eio()),
            Some(Fault::Short) if length > 1 => length /= 2,
            _ => {}
        }
        bytes[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        let fault = state.due(self.disk.life)?;
        let full = state.full;
        let file = &mut state.files[self.inode];
        let mut room = bytes.len();
        let pages = offset / PAGE_BYTES..=(offset + bytes.len() as u64).saturating_sub(1) / PAGE_BYTES;
        if full && let Some(page) = pages.clone().find(|page| !file.pages.contains(page)) {
            room = usize::try_from((page * PAGE_BYTES).saturating_sub(offset)).unwrap();
        }
        let wanted = match fault {
            Some(Fault::Io) => return Err(eio()),
            Some(Fault::NoSpace) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Short | Fault::Torn) => bytes.len().div_ceil(2).min(room),
            None => room,
        };
        if wanted == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if !full {
            file.pages.extend(pages);
        }
        file.change(Change::Write(offset, bytes[..wanted].to_vec()));
        if fault == Some(Fault::Torn) { Err(eio()) } else { Ok(wanted) }
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|file| file.seen.len() as u64)
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.with(|file| {
            file.pages.retain(|page| page * PAGE_BYTES < bytes);
            file.change(Change::Length(bytes));
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let fault = state.due(self.disk.life)?;
        let file = &mut state.files[self.inode];
        let pending = std::mem::take(&mut file.pending);
        match fault {
            Some(Fault::NoSpace) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Io | Fault::Torn) => return Err(eio()),
            Some(Fault::Short) | None => {}
        }
        for change in &pending {
            apply(&mut file.durable, change);
        }
        Ok(())
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.with(|file| file.change(Change::Write(offset, vec![0; usize::try_from(bytes).unwrap()])))
    }
}
