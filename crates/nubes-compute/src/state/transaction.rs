//! One request's view of its app's state. Pure but for reading the snapshot.

use super::store::{Snapshot, StoreError};
use std::{collections::BTreeMap, sync::Arc};

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys that one request may read or write.
pub const TRANSACTION_KEYS_MAX: usize = 10_000;
/// Bytes that one request may write.
pub const TRANSACTION_BYTES_MAX: usize = 16 << 20;

/// Counts the writes of a key; a key that does not exist has none.
pub(super) type Version = Option<u64>;

#[derive(Debug)]
pub(crate) struct Transaction {
    app: String,
    snapshot: Arc<Snapshot>,
    reads: BTreeMap<String, Version>,
    /// Prefixes that were listed, with what was found.
    scans: BTreeMap<String, Vec<String>>,
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
    pub(super) const fn new(app: String, snapshot: Arc<Snapshot>) -> Self {
        Self {
            app,
            snapshot,
            reads: BTreeMap::new(),
            scans: BTreeMap::new(),
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
        let found = match self.scans.get(prefix) {
            Some(found) => found.clone(),
            None => {
                let found = self.snapshot.keys(&self.app, prefix, TRANSACTION_KEYS_MAX + 1)?;
                if found.len() > TRANSACTION_KEYS_MAX {
                    return Err(LimitError::Keys);
                }
                self.scans.insert(prefix.to_owned(), found.clone());
                found
            }
        };
        let mut keys: std::collections::BTreeSet<String> = found.into_iter().collect();
        for (key, value) in self.writes.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
            if value.is_some() {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        Ok(keys.into_iter().collect())
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn into_outcome(self) -> Outcome {
        let Self { app, reads, scans, writes, .. } = self;
        Outcome { app, reads, scans, writes }
    }

    fn room(&self) -> Result<(), LimitError> {
        if self.reads.len() + self.writes.len() >= TRANSACTION_KEYS_MAX {
            return Err(LimitError::Keys);
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<(), LimitError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(LimitError::Key { bytes: key.len() });
    }
    Ok(())
}
