//! Looks after a node's block store: says what it holds, removes what nothing keeps, checks every block, copies it.
//!
//! - Kept is what [`Pins::live`] names: everything below a pin. The rest is a cache, and a collection removes it.
//! - A collection, a check or a copy runs alone; who comes second is told so and waits for nothing. A
//!   collection or a copy goes on when its caller goes away, see [`Upkeep::idle`].
//! - A copy holds the blocks and the pins of one moment and the records of names, in the layout of the original folder. No
//!   collection runs beside it, so that a pin of the copy has its blocks there.

mod error;
mod routes;

use crate::block::inlined;
use crate::ipns::Records;
use crate::pins::{Pinner, Pins};
use crate::segments::{Backup, Collected, GetError, MaintainError, Scrub, Stats};
use crate::store::Store;
use cid::Cid;
use futures_util::TryStreamExt;
use multihash::Multihash;
use nubes_base::{Clock, Timestamp};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    fs,
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::OwnedMutexGuard, task, time};
use tokio_util::task::TaskTracker;

pub use error::UpkeepError;
pub use routes::routes;

/// So long after the start a node checks its blocks first, if it is told to check them at all.
const FIRST_CHECK_AFTER: Duration = Duration::from_mins(10);

/// Clones look after the same store.
#[derive(Clone, Debug)]
pub struct Upkeep {
    pinner: Pinner,
    records: Records,
    clock: Arc<dyn Clock>,
    /// Held by the one that runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    tasks: TaskTracker,
    // A lock because any call may ask for it; it is held for a copy.
    last_check: Arc<Mutex<Option<Checked>>>,
}

/// What a store holds and how it was when it was last looked at.
#[derive(Clone, Debug)]
pub struct Status {
    pub stats: Stats,
    pub pins: u64,
    /// Since the node started.
    pub last_check: Option<Checked>,
}

/// A check that came to its end.
#[derive(Clone, Debug)]
pub struct Checked {
    pub at: Timestamp,
    pub scrub: Scrub,
}

/// What a collection did, and what is left.
#[derive(Clone, Copy, Debug)]
pub struct Freed {
    pub collected: Collected,
    /// Of the disk; what had to be moved is taken off.
    pub freed_bytes: u64,
    pub left: Stats,
}

impl Upkeep {
    pub fn new(pinner: Pinner, records: Records, clock: Arc<dyn Clock>) -> Self {
        Self {
            pinner,
            records,
            clock,
            turn: Arc::default(),
            tasks: TaskTracker::new(),
            last_check: Arc::default(),
        }
    }

    /// Counts what is here.
    pub async fn status(&self) -> Result<Status, UpkeepError> {
        let stats = self.store().stats().await?;
        let pins = self.pinner.pins().count()?;
        Ok(Status { stats, pins, last_check: self.last_check.lock().clone() })
    }

    /// Removes what no pin keeps and gives its room back. Pins that are being made wait.
    pub async fn collect(&self) -> Result<Freed, UpkeepError> {
        let (store, pins) = (self.store().clone(), self.pinner.pins().clone());
        self.alone(collect(store, pins)).await
    }

    /// Reads and checks every block. What is damaged counts as missing from then on, so that adding it again mends it.
    pub async fn check(&self) -> Result<Checked, UpkeepError> {
        let _turn = self.turn()?;
        self.look().await
    }

    /// Copies the store, the pins and the records of names into `dir`, which has to be empty or not there.
    pub async fn backup(&self, dir: &Path) -> Result<Backup, UpkeepError> {
        if !dir.is_absolute() {
            return Err(UpkeepError::Relative { dir: dir.to_owned() });
        }
        if self.store().config().is_none() {
            // Before the tables are copied: they alone would look like a backup.
            return Err(MaintainError::NotHere { what: "a backup", engine: self.store().engine() }.into());
        }
        let (this, dir) = (self.clone(), dir.to_owned());
        self.alone(async move {
            let tables = (this.pinner.pins().clone(), this.records.clone(), dir.clone());
            let copied = task::spawn_blocking(move || copy_tables(&tables.0, &tables.1, &tables.2)).await;
            copied.map_err(|_| aborted())??;
            Ok(this.store().backup(&dir).await?)
        })
        .await
    }

    /// Checks all blocks every `period` until `stop`, for the first time some minutes after the start.
    pub async fn check_every(self, period: Duration, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut pause = period.min(FIRST_CHECK_AFTER);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = time::sleep(pause) => {}
            }
            let checked = async {
                let _turn = self.turn.lock().await;
                self.look().await
            };
            tokio::select! {
                () = &mut stop => return,
                checked = checked => {
                    if let Err(error) = checked {
                        tracing::error!(error = nubes_base::chain(&error), "storage.check");
                    }
                }
            }
            pause = period;
        }
    }

    /// Waits for collections and copies that have begun.
    pub async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    const fn store(&self) -> &Store {
        self.pinner.store()
    }

    // A task of its own: a collection that were dropped half-way would forget what was put since it began, while the
    // writer still has a list of what to remove.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, UpkeepError>> + Send + 'static,
    ) -> Result<T, UpkeepError> {
        let turn = self.turn()?;
        let running = self.tasks.spawn(async move {
            let _turn = turn;
            work.await
        });
        running.await.map_err(|_| aborted())?
    }

    fn turn(&self) -> Result<OwnedMutexGuard<()>, UpkeepError> {
        Arc::clone(&self.turn).try_lock_owned().map_err(|_| UpkeepError::Busy)
    }

    async fn look(&self) -> Result<Checked, UpkeepError> {
        let scrub = self.store().verify_all().await.map_err(MaintainError::from)?;
        let known = self.last_check.lock().as_ref().map(damaged).unwrap_or_default();
        for damage in &scrub.damaged {
            if !known.contains(&damage.cid) {
                tracing::error!(cid = %damage.cid, damage = %damage, "storage.damaged");
            }
            // Reading is what makes the store take it for missing; that it fails is known.
            let _ = self.store().get(&damage.cid).await;
        }
        let checked = Checked { at: self.clock.now(), scrub };
        tracing::info!(
            blocks = checked.scrub.blocks,
            damaged = checked.scrub.damaged_blocks,
            "storage.checked"
        );
        *self.last_check.lock() = Some(checked.clone());
        Ok(checked)
    }
}

async fn collect(store: Store, pins: Pins) -> Result<Freed, UpkeepError> {
    let _collecting = pins.collecting().await;
    let mut live = pins.live(&store);
    let mut marks = BTreeSet::new();
    while let Some(hash) = live.try_next().await? {
        marks.insert(mark(&hash));
    }
    let before = store.stats().await?.stored_bytes;
    let collected = store.collect(&|hash| marks.contains(&mark(hash))).await?;
    let left = store.stats().await?;
    Ok(Freed { collected, freed_bytes: before.saturating_sub(left.stored_bytes), left })
}

/// Eight bytes of a block's name, because all names of a large store would not fit into memory. Two blocks that share them
/// are kept if one of them is, which errs to the right side.
fn mark(hash: &Multihash<64>) -> u64 {
    let mut mark = [0; 8];
    for (to, from) in mark.iter_mut().zip(hash.digest()) {
        *to = *from;
    }
    u64::from_le_bytes(mark)
}

fn damaged(checked: &Checked) -> BTreeSet<Cid> {
    checked.scrub.damaged.iter().map(|damage| damage.cid).filter(|cid| inlined(cid).is_none()).collect()
}

/// Before the blocks: a copy without them is not taken for a whole one, and a pin is never newer than its blocks.
fn copy_tables(pins: &Pins, records: &Records, dir: &PathBuf) -> Result<(), UpkeepError> {
    let folder = |source: io::Error| UpkeepError::Folder { dir: dir.clone(), source };
    fs::create_dir_all(dir).map_err(folder)?;
    if fs::read_dir(dir).map_err(folder)?.next().is_some() {
        return Err(UpkeepError::Occupied { dir: dir.clone() });
    }
    pins.copy(&dir.join("pins.redb"))?;
    records.copy(&dir.join("names.redb")).map_err(|source| UpkeepError::Names { source: Box::new(source) })
}

const fn aborted() -> UpkeepError {
    UpkeepError::Store(MaintainError::Read(GetError::Aborted))
}

#[cfg(test)]
mod tests;
