//! One request's view of its app's state. Pure but for reading the snapshot.

use super::store::{Snapshot, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys that one request may read, list or write.
pub const TRANSACTION_KEYS_MAX: usize = 10_000;
/// Bytes that one request may write.
pub const TRANSACTION_BYTES_MAX: usize = 16 << 20;

/// Counts the writes of a key; a key that does not exist has none.
pub(super) type Version = Option<u64>;

#[derive(Debug)]
pub(crate) struct Transaction {
    app: String,
    snapshot: Snapshot,
    reads: BTreeMap<String, Version>,
    /// Prefixes that were listed, with what was found.
    scans: BTreeMap<String, Vec<String>>,
    /// Keys of all scans, and one for each scan itself.
    scanned: usize,
    /// None: deleted.
    writes: BTreeMap<String, Option<Vec<u8>>>,
    written_bytes: usize,
}

/// What a commit has to check and to write.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) app: String,
    pub(super) reads: BTreeMap<String, Version>,
    pub(super) scans: BTreeMap<String, Vec<String>>,
    pub(super) writes: BTreeMap<String, Option<Vec<u8>>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    #[error("a key has 1 to {KEY_BYTES_MAX} bytes and no NUL, this one has {bytes}")]
    Key { bytes: usize },
    #[error("a value has at most {VALUE_BYTES_MAX} bytes, this one has {bytes}")]
    Value { bytes: usize },
    #[error("a request touches at most {TRANSACTION_KEYS_MAX} keys")]
    Keys,
    #[error("a request writes at most {TRANSACTION_BYTES_MAX} bytes")]
    Bytes,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Transaction {
    pub(super) const fn new(app: String, snapshot: Snapshot) -> Self {
        Self {
            app,
            snapshot,
            reads: BTreeMap::new(),
            scans: BTreeMap::new(),
            scanned: 0,
            writes: BTreeMap::new(),
            written_bytes: 0,
        }
    }

    pub(crate) fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, LimitError> {
        check_key(key)?;
        if let Some(written) = self.writes.get(key) {
            return Ok(written.clone());
        }
        self.room()?;
        let found = self.snapshot.get(&self.app, key)?;
        self.reads.insert(key.to_owned(), found.as_ref().map(|(version, _)| *version));
        Ok(found.map(|(_, value)| value))
    }

    pub(crate) fn set(&mut self, key: &str, value: Vec<u8>) -> Result<(), LimitError> {
        check_key(key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(LimitError::Value { bytes: value.len() });
        }
        self.room()?;
        self.written_bytes += key.len() + value.len();
        if self.written_bytes > TRANSACTION_BYTES_MAX {
            return Err(LimitError::Bytes);
        }
        self.writes.insert(key.to_owned(), Some(value));
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) -> Result<(), LimitError> {
        check_key(key)?;
        self.room()?;
        self.writes.insert(key.to_owned(), None);
        Ok(())
    }

    /// Keys that begin with `prefix`, in order.
    pub(crate) fn keys(&mut self, prefix: &str) -> Result<Vec<String>, LimitError> {
        let mut keys: BTreeSet<String> = self.scan(prefix)?.iter().cloned().collect();
        for (key, value) in
            self.writes.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix))
        {
            if value.is_some() {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        Ok(keys.into_iter().collect())
    }

    /// What the snapshot has under `prefix`.
    fn scan(&mut self, prefix: &str) -> Result<&[String], LimitError> {
        if !self.scans.contains_key(prefix) {
            if prefix.len() > KEY_BYTES_MAX {
                return Err(LimitError::Key { bytes: prefix.len() });
            }
            let room = self.room()?;
            let found = self.snapshot.keys(&self.app, prefix, room)?;
            if found.len() >= room {
                return Err(LimitError::Keys);
            }
            self.scanned += found.len() + 1;
            self.scans.insert(prefix.to_owned(), found);
        }
        Ok(self.scans.get(prefix).map_or(&[], Vec::as_slice))
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn into_outcome(self) -> Outcome {
        let Self { app, reads, scans, writes, .. } = self;
        Outcome { app, reads, scans, writes }
    }

    /// How many keys this request may still touch: at least one.
    fn room(&self) -> Result<usize, LimitError> {
        let touched = self.reads.len() + self.writes.len() + self.scanned;
        match TRANSACTION_KEYS_MAX.saturating_sub(touched) {
            0 => Err(LimitError::Keys),
            room => Ok(room),
        }
    }
}

fn check_key(key: &str) -> Result<(), LimitError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(LimitError::Key { bytes: key.len() });
    }
    Ok(())
}
