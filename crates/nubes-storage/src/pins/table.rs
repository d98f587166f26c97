//! The table of pins.

use super::pin::stored::{decode, encode};
use super::shelter::{Shelter, Shelters};
use super::{Mode, Pin, PinId, Status, Wish};
use crate::tables;
use cid::Cid;
use nubes_base::Clock;
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, watch};

/// More are refused until some are removed.
pub const PINS_MAX: u64 = 100_000;
const PINS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("pins");
/// Which pins name a CID.
const BY_CID: TableDefinition<'_, (&[u8], u64), ()> = TableDefinition::new("pins-by-cid");
/// Those that somebody has to work on.
const WAITING: TableDefinition<'_, u64, ()> = TableDefinition::new("pins-waiting");
const STATE: TableDefinition<'_, &str, u64> = TableDefinition::new("state");
const LAST_ID: &str = "last-id";

/// The pins of a node; clones share them.
#[derive(Clone)]
pub struct Pins {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    changes: watch::Sender<()>,
    // A lock because it says who may not run beside whom; it guards no data.
    keeping: Arc<RwLock<()>>,
    shelters: Shelters,
}

/// The file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the pins {}", path.display())]
pub struct OpenError {
    pub path: PathBuf,
    #[source]
    pub source: redb::Error,
}

/// Why a pin is not made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Remove some.
    #[error("the node keeps {PINS_MAX} pins already")]
    Full,
    /// The CID is kept with everything below it already, so its block is.
    #[error("{cid} is pinned recursively already")]
    Recursive { cid: Cid },
    /// The disk or the file is failing.
    #[error("the pins cannot be read or written")]
    Store {
        #[source]
        source: Box<redb::Error>,
    },
    /// Another version of the program wrote the file.
    #[error("pin {id} is not understood")]
    Foreign { id: PinId },
}

impl<E: Into<redb::Error>> From<E> for PinError {
    fn from(source: E) -> Self {
        Self::Store { source: Box::new(source.into()) }
    }
}

impl Pins {
    /// Opens the file, or makes it.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let refuse = |source: redb::Error| OpenError { path: path.to_owned(), source };
        let database = Database::create(path).map_err(|error| refuse(error.into()))?;
        make_tables(&database).map_err(refuse)?;
        let keeping = Arc::new(RwLock::new(()));
        let (changes, shelters) = (watch::Sender::new(()), Shelters::default());
        let inner = Inner { database, clock, changes, keeping, shelters };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes a pin; durable on return.
    pub fn add(&self, wish: Wish, status: Status) -> Result<Pin, PinError> {
        self.write(|write| insert(write, self.inner.clock.now().unix_ms(), wish, status))
    }

    /// Makes a pin, or returns the one of the same kind that is there, with the new name if there is one. A pin that was
    /// given up gets the new status, and none loses that it is pinned. Durable on return.
    pub fn ensure(&self, wish: Wish, status: Status) -> Result<Pin, PinError> {
        self.write(|write| {
            let known = of_cid(write, wish.cid())?;
            if wish.mode() == Mode::Direct && known.iter().any(|pin| pin.wish.mode() == Mode::Recursive) {
                return Err(PinError::Recursive { cid: *wish.cid() });
            }
            let Some(known) = known.into_iter().find(|pin| pin.wish.mode() == wish.mode()) else {
                return insert(write, self.inner.clock.now().unix_ms(), wish, status);
            };
            let name = wish.name().or(known.wish.name()).map(str::to_owned);
            // The name is within its limit, since both were.
            let renamed = known.wish.clone().named(name).unwrap_or_else(|_| known.wish.clone());
            let is_new = status == Status::Pinned || known.status == Status::Failed;
            let (status, details) =
                if is_new { (status, None) } else { (known.status, known.details.clone()) };
            let pin = Pin { wish: renamed, status, details, ..known };
            put(write, &pin)?;
            Ok(pin)
        })
    }

    /// Makes a pin, or returns the one of the same CID, kind and name that is there. Durable on return.
    pub fn ensure_named(&self, wish: Wish, status: Status) -> Result<Pin, PinError> {
        self.write(|write| {
            let known = of_cid(write, wish.cid())?.into_iter();
            let known =
                known.filter(|pin| pin.wish.mode() == wish.mode()).find(|pin| pin.wish.name() == wish.name());
            let Some(known) = known else {
                return insert(write, self.inner.clock.now().unix_ms(), wish, status);
            };
            if known.status == status {
                return Ok(known);
            }
            let pin = Pin { status, details: None, ..known };
            put(write, &pin)?;
            Ok(pin)
        })
    }

    /// Makes a pin in place of the pin `id`, in one step; durable on return. None: there is no pin `id`.
    pub fn replace(&self, id: PinId, wish: Wish, status: Status) -> Result<Option<Pin>, PinError> {
        self.write(|write| {
            if take(write, id)?.is_none() {
                return Ok(None);
            }
            insert(write, self.inner.clock.now().unix_ms(), wish, status).map(Some)
        })
    }

    /// Says how far a pin is. False: it is gone.
    pub fn settle(&self, id: PinId, status: Status, details: Option<String>) -> Result<bool, PinError> {
        self.write(|write| {
            let Some(pin) = one(&write.open_table(PINS)?, id)? else { return Ok(false) };
            put(write, &Pin { status, details, ..pin })?;
            Ok(true)
        })
    }

    /// Removes a pin; durable on return. False: there is none.
    pub fn remove(&self, id: PinId) -> Result<bool, PinError> {
        self.write(|write| Ok(take(write, id)?.is_some()))
    }

    /// Removes all pins of a CID and says what they were; durable on return.
    pub fn remove_cid(&self, cid: &Cid) -> Result<Vec<Pin>, PinError> {
        self.remove_of(cid, |_| true)
    }

    /// Removes the pins of a CID that have this name and says what they were; durable on return.
    pub fn remove_named(&self, cid: &Cid, name: &str) -> Result<Vec<Pin>, PinError> {
        self.remove_of(cid, |pin| pin.wish.name() == Some(name))
    }

    fn remove_of(&self, cid: &Cid, goes: impl Fn(&Pin) -> bool) -> Result<Vec<Pin>, PinError> {
        self.write(|write| {
            let mut pins = of_cid(write, cid)?;
            pins.retain(goes);
            for pin in &pins {
                take(write, pin.id)?;
            }
            Ok(pins)
        })
    }

    pub fn get(&self, id: PinId) -> Result<Option<Pin>, PinError> {
        one(&self.read()?.open_table(PINS)?, id)
    }

    /// The pins of a CID, the oldest first.
    pub fn of(&self, cid: &Cid) -> Result<Vec<Pin>, PinError> {
        let read = self.read()?;
        let (table, pins) = (read.open_table(BY_CID)?, read.open_table(PINS)?);
        ids_of(&table, cid)?.into_iter().filter_map(|id| one(&pins, id).transpose()).collect()
    }

    /// Hands every pin to `each`, the newest first, until it has had enough.
    pub fn newest_first(&self, mut each: impl FnMut(Pin) -> bool) -> Result<(), PinError> {
        let pins = self.read()?.open_table(PINS)?;
        for entry in pins.iter()?.rev() {
            let (id, bytes) = entry?;
            let id = PinId(id.value());
            if !each(decode(id, bytes.value()).ok_or(PinError::Foreign { id })?) {
                break;
            }
        }
        Ok(())
    }

    /// The first `pins_max` of those that wait and that `is_wanted`, the oldest first.
    pub fn waiting(
        &self,
        pins_max: usize,
        mut is_wanted: impl FnMut(PinId) -> bool,
    ) -> Result<Vec<PinId>, PinError> {
        let waiting = self.read()?.open_table(WAITING)?;
        let ids = waiting.iter()?.map(|entry| Ok(PinId(entry?.0.value())));
        ids.filter(|id| id.as_ref().map_or(true, |id| is_wanted(*id))).take(pins_max).collect()
    }

    pub fn count(&self) -> Result<u64, PinError> {
        Ok(self.read()?.open_table(PINS)?.len()?)
    }

    /// Makes a copy of all pins at `to`, where no file may be.
    pub fn copy(&self, to: &Path) -> Result<(), PinError> {
        tables::file(&self.read()?, to, |read, write| {
            tables::table((read, write), PINS)?;
            tables::table((read, write), BY_CID)?;
            tables::table((read, write), WAITING)?;
            tables::table((read, write), STATE)
        })?;
        Ok(())
    }

    /// Wakes up whenever a pin is made, changed or removed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.inner.changes.subscribe()
    }

    /// To be held from before blocks are stored until their pin is made. Any number may be held at once, but not beside
    /// [`Pins::collecting`].
    pub async fn adding(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.inner.keeping).read_owned().await
    }

    /// To be held while blocks that are not in [`Pins::live`] are removed, from before it is asked. Waits for those who
    /// are adding.
    pub async fn collecting(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.inner.keeping).write_owned().await
    }

    /// Keeps what is below `root` alive for as long as the shelter is held, as a pin would. Waits for who collects.
    pub(super) async fn shelter(&self, root: Cid) -> Shelter {
        let _adding = self.adding().await;
        self.inner.shelters.open(root)
    }

    pub(super) fn sheltered(&self) -> Vec<Cid> {
        self.inner.shelters.roots()
    }

    fn read(&self) -> Result<ReadTransaction, PinError> {
        Ok(self.inner.database.begin_read()?)
    }

    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, PinError>) -> Result<T, PinError> {
        let write = self.inner.database.begin_write()?;
        let done = work(&write)?;
        write.commit()?;
        self.inner.changes.send_replace(());
        Ok(done)
    }
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(PINS)?;
    write.open_table(BY_CID)?;
    write.open_table(WAITING)?;
    write.open_table(STATE)?;
    Ok(write.commit()?)
}

fn insert(write: &WriteTransaction, now_ms: u64, wish: Wish, status: Status) -> Result<Pin, PinError> {
    if write.open_table(PINS)?.len()? >= PINS_MAX {
        return Err(PinError::Full);
    }
    let mut state = write.open_table(STATE)?;
    // Two in one millisecond, or a clock that went back, must not share an id.
    let next = state.get(LAST_ID)?.map_or(0, |last| last.value().saturating_add(1));
    let id = next.max(now_ms);
    state.insert(LAST_ID, id)?;
    let pin = Pin { id: PinId(id), wish, status, details: None };
    put(write, &pin)?;
    write.open_table(BY_CID)?.insert((pin.wish.cid().to_bytes().as_slice(), id), ())?;
    Ok(pin)
}

fn put(write: &WriteTransaction, pin: &Pin) -> Result<(), PinError> {
    write.open_table(PINS)?.insert(pin.id.0, encode(pin).as_slice())?;
    let mut waiting = write.open_table(WAITING)?;
    if pin.status.is_waiting() {
        waiting.insert(pin.id.0, ())?;
    } else {
        waiting.remove(pin.id.0)?;
    }
    Ok(())
}

fn take(write: &WriteTransaction, id: PinId) -> Result<Option<Pin>, PinError> {
    let mut pins = write.open_table(PINS)?;
    let Some(pin) = one(&pins, id)? else { return Ok(None) };
    pins.remove(id.0)?;
    write.open_table(WAITING)?.remove(id.0)?;
    write.open_table(BY_CID)?.remove((pin.wish.cid().to_bytes().as_slice(), id.0))?;
    Ok(Some(pin))
}

fn of_cid(write: &WriteTransaction, cid: &Cid) -> Result<Vec<Pin>, PinError> {
    let (table, pins) = (write.open_table(BY_CID)?, write.open_table(PINS)?);
    ids_of(&table, cid)?.into_iter().filter_map(|id| one(&pins, id).transpose()).collect()
}

fn ids_of(table: &impl ReadableTable<(&'static [u8], u64), ()>, cid: &Cid) -> Result<Vec<PinId>, PinError> {
    let key = cid.to_bytes();
    let range = table.range((key.as_slice(), 0)..=(key.as_slice(), u64::MAX))?;
    range.map(|entry| Ok(PinId(entry?.0.value().1))).collect()
}

fn one(pins: &impl ReadableTable<u64, &'static [u8]>, id: PinId) -> Result<Option<Pin>, PinError> {
    let Some(bytes) = pins.get(id.0)? else { return Ok(None) };
    decode(id, bytes.value()).map(Some).ok_or(PinError::Foreign { id })
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{PINS, PINS_MAX, PinError, Pins};
    use crate::pins::{Mode, Status, Wish};
    use cid::Cid;
    use nubes_base::SystemClock;
    use std::sync::Arc;

    #[test]
    fn more_than_the_limit_is_refused_until_one_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::open(&dir.path().join("pins.redb"), Arc::new(SystemClock)).unwrap();
        let wish = || Wish::new(Cid::default(), Mode::Direct);
        let first = pins.add(wish(), Status::Pinned).unwrap();
        let write = pins.inner.database.begin_write().unwrap();
        for id in 1..PINS_MAX {
            write.open_table(PINS).unwrap().insert(id, b"".as_slice()).unwrap();
        }
        write.commit().unwrap();
        assert!(matches!(pins.add(wish(), Status::Queued), Err(PinError::Full)));
        assert!(pins.remove(first.id).unwrap());
        pins.add(wish(), Status::Queued).unwrap();
    }

    #[test]
    fn what_another_program_wrote_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::open(&dir.path().join("pins.redb"), Arc::new(SystemClock)).unwrap();
        let pin = pins.add(Wish::new(Cid::default(), Mode::Direct), Status::Pinned).unwrap();
        let write = pins.inner.database.begin_write().unwrap();
        write.open_table(PINS).unwrap().insert(pin.id.0, b"{}".as_slice()).unwrap();
        write.commit().unwrap();
        assert!(matches!(pins.get(pin.id), Err(PinError::Foreign { id }) if id == pin.id));
        assert!(matches!(pins.newest_first(|_| true), Err(PinError::Foreign { .. })));
    }
}
