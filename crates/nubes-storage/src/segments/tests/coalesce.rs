//! Readers of the same block at the same moment cost one read.

use super::{SMALL, Store, block};
use crate::segments::disk::{Access, Disk, DiskFile, RealDisk};
use futures_util::{FutureExt, future::join_all};
use parking_lot::{Condvar, Mutex};
use std::{
    any::Any,
    fs::TryLockError,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

const BLOCK_BYTES: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts reads of whole blocks and holds them back while it is closed.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<(bool, u32)>,
    opened: Condvar,
}

#[derive(Debug)]
struct GatedDisk(RealDisk, Arc<Gate>);

#[derive(Debug)]
struct GatedFile(Arc<dyn DiskFile>, Arc<Gate>);

impl Disk for GatedDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.list(dir)
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile(self.0.open(path, access)?, Arc::clone(&self.1))))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.0.free_bytes(dir)
    }
    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>, TryLockError> {
        self.0.lock(path)
    }
}

impl DiskFile for GatedFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        if bytes.len() == BLOCK_BYTES {
            let mut state = self.1.state.lock();
            state.1 += 1;
            while !state.0 {
                self.1.opened.wait(&mut state);
            }
        }
        self.0.read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.0.set_length(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn punch(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.0.punch(offset, bytes)
    }
}

impl Gate {
    fn open(&self) {
        self.state.lock().0 = true;
        self.opened.notify_all();
    }
}

#[tokio::test]
async fn a_large_block_is_read_once_for_all_who_wait_for_it() {
    let (dir, gate) = (tempfile::tempdir().unwrap(), Arc::new(Gate::default()));
    // Nothing is cached, so each read that is not shared reaches the disk.
    let store = Store::open_on(Arc::new(GatedDisk(RealDisk, Arc::clone(&gate))), dir.path(), SMALL).unwrap();
    let block = block(vec![7; BLOCK_BYTES]);
    store.put_many(vec![block.clone()]).await.unwrap();
    let reads = || gate.state.lock().1;
    assert_eq!(reads(), 0);
    let all = join_all((0..20).map(|_| store.get(block.cid())));
    let (got, ()) = tokio::join!(all, async { gate.open() });
    assert!(got.iter().all(|bytes| bytes.as_ref().is_ok_and(|bytes| bytes == block.bytes())));
    assert_eq!(reads(), 1);
    store.get(block.cid()).await.unwrap();
    assert_eq!(reads(), 2, "who comes later reads again");
    store.close().await;
}

/// A body is not polled while its client does not read, nor is the block that is read ahead for it.
#[tokio::test]
async fn a_reader_that_is_not_polled_keeps_no_other_waiting() {
    let (dir, gate) = (tempfile::tempdir().unwrap(), Arc::new(Gate::default()));
    let store = Store::open_on(Arc::new(GatedDisk(RealDisk, Arc::clone(&gate))), dir.path(), SMALL).unwrap();
    let block = block(vec![7; BLOCK_BYTES]);
    store.put_many(vec![block.clone()]).await.unwrap();
    let mut first = Box::pin(store.get(block.cid()));
    assert!((&mut first).now_or_never().is_none());
    gate.open();
    let second = timeout(PATIENCE, store.get(block.cid())).await.expect("the first is not waited for");
    assert_eq!(&second.unwrap(), block.bytes());
    assert_eq!(&first.await.unwrap(), block.bytes());
    store.close().await;
}
