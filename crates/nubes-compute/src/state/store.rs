//! The state of all apps on disk (redb), written by one thread.
//!
//! Commits that wait together are checked one after the other and become durable in one write transaction.

use super::{
    transaction::{Outcome, Transaction},
    turns::Turns,
};
use nubes_base::AppName;
use parking_lot::Mutex;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition};
use std::{path::Path, sync::Arc, thread};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

/// `APP NUL KEY` -> version (8 bytes) and value.
const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");
/// Under the empty key: the version of the newest write.
const VERSIONS: TableDefinition<'_, &str, u64> = TableDefinition::new("versions");
const NEWEST: &str = "newest";
/// App -> bytes of its keys and values.
const USAGE: TableDefinition<'_, &str, u64> = TableDefinition::new("usage");
/// Commits that wait for the writer.
const COMMITS_QUEUED_MAX: usize = 1_024;
/// Commits of one write transaction.
const COMMITS_PER_WRITE_MAX: usize = 256;
const CACHE_BYTES: usize = 32 << 20;
const VERSION_BYTES: usize = size_of::<u64>();

/// The disk fails. Nothing of the request was written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the state store failed")]
pub(crate) struct StoreError {
    // Shared: one failure answers all commits of a group.
    #[source]
    source: Arc<redb::Error>,
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(source: E) -> Self {
        Self { source: Arc::new(source.into()) }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no thread for the state store")]
    Thread {
        #[source]
        source: std::io::Error,
    },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Something that was read has changed. Run the request again.
    #[error("the state has changed meanwhile")]
    Conflict,
    /// Delete something first.
    #[error("the app's state would exceed {bytes_max} bytes")]
    Full { bytes_max: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the state store is closed")]
    Closed,
}

struct Commit {
    outcome: Outcome,
    done: oneshot::Sender<Result<(), CommitError>>,
}

pub(crate) struct StateStore {
    database: Arc<Database>,
    // Taken once, by whoever closes; otherwise only copied from.
    writer: Mutex<Option<Writer>>,
    turns: Turns,
}

struct Writer {
    commits: mpsc::Sender<Commit>,
    thread: thread::JoinHandle<()>,
}

impl std::fmt::Debug for StateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateStore").finish_non_exhaustive()
    }
}

impl StateStore {
    /// `app_bytes_max` bounds the keys and values of one app.
    pub(crate) fn open(path: &Path, app_bytes_max: u64) -> Result<Self, OpenError> {
        let database =
            Database::builder().set_cache_size(CACHE_BYTES).create(path).map_err(StoreError::from)?;
        let write = database.begin_write().map_err(StoreError::from)?;
        write.open_table(STATE).map_err(StoreError::from)?;
        write.open_table(VERSIONS).map_err(StoreError::from)?;
        write.open_table(USAGE).map_err(StoreError::from)?;
        write.commit().map_err(StoreError::from)?;
        let database = Arc::new(database);
        let (commits, queue) = mpsc::channel(COMMITS_QUEUED_MAX);
        let writer = {
            let database = Arc::clone(&database);
            thread::Builder::new()
                .name("nubes-state".to_owned())
                .spawn(move || write_all(&database, app_bytes_max, queue))
        };
        let thread = writer.map_err(|source| OpenError::Thread { source })?;
        Ok(Self { database, writer: Mutex::new(Some(Writer { commits, thread })), turns: Turns::default() })
    }

    /// A transaction on the newest state of `app` in its present tenure. The first is written without a number.
    pub(crate) fn begin(&self, app: &AppName, tenure: u64) -> Result<Transaction, StoreError> {
        let state = self.database.begin_read()?.open_table(STATE)?;
        // Names have no `@`, so no tenure of an app is another app.
        let app = if tenure == 0 { app.to_string() } else { format!("{app}@{tenure}") };
        Ok(Transaction::new(app, Snapshot { state }))
    }

    /// Makes the writes durable, if nothing that was read has changed.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        if transaction.is_read_only() {
            // A snapshot is a moment in time: reading it needs no agreement with later writers.
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let commit = Commit { outcome: transaction.into_outcome(), done };
        let commits =
            self.writer.lock().as_ref().map(|writer| writer.commits.clone()).ok_or(CommitError::Closed)?;
        commits.send(commit).await.map_err(|_| CommitError::Closed)?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// For a request that lost: waits until those who lost before it are done.
    pub(crate) async fn line_up(&self, app: &AppName) -> OwnedMutexGuard<()> {
        self.turns.take(app).await
    }

    /// Takes nothing more and waits until everything that was accepted is durable. Blocks.
    pub(crate) fn close(&self) {
        if let Some(Writer { commits, thread }) = self.writer.lock().take() {
            drop(commits);
            // A panic of the writer was reported when it happened.
            let _ = thread.join();
        }
    }
}

// The last owner waits for its writer; at most one write transaction is in progress by then.
impl Drop for StateStore {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_all(database: &Database, app_bytes_max: u64, mut queue: mpsc::Receiver<Commit>) {
    let mut group = Vec::new();
    while queue.blocking_recv_many(&mut group, COMMITS_PER_WRITE_MAX) > 0 {
        let (outcomes, waiting): (Vec<_>, Vec<_>) =
            group.drain(..).map(|commit| (commit.outcome, commit.done)).unzip();
        let answers: Vec<_> = match write_group(database, app_bytes_max, &outcomes) {
            Ok(answers) => answers,
            Err(error) => outcomes.iter().map(|_| Err(CommitError::Store(error.clone()))).collect(),
        };
        for (done, answer) in waiting.into_iter().zip(answers) {
            // A request that was given up does not wait for its answer.
            let _ = done.send(answer);
        }
    }
}

/// An answer for each outcome; those that were written are durable, or none is if it fails.
fn write_group(
    database: &Database,
    app_bytes_max: u64,
    outcomes: &[Outcome],
) -> Result<Vec<Result<(), CommitError>>, StoreError> {
    let write = database.begin_write()?;
    let mut answers = Vec::with_capacity(outcomes.len());
    {
        let (state, usage) = (write.open_table(STATE)?, write.open_table(USAGE)?);
        let mut versions = write.open_table(VERSIONS)?;
        let newest = versions.get(NEWEST)?.map_or(0, |version| version.value());
        let mut tables = Tables { state, usage, newest };
        for outcome in outcomes {
            answers.push(tables.apply(outcome, app_bytes_max)?);
        }
        versions.insert(NEWEST, tables.newest)?;
    }
    write.commit()?;
    Ok(answers)
}

/// What a write transaction works on.
struct Tables<'write> {
    state: Table<'write, &'static [u8], &'static [u8]>,
    usage: Table<'write, &'static str, u64>,
    newest: u64,
}

impl Tables<'_> {
    /// Writes `outcome`, or says why it may not be written and changes nothing.
    fn apply(&mut self, outcome: &Outcome, bytes_max: u64) -> Result<Result<(), CommitError>, StoreError> {
        if !is_unchanged(&self.state, outcome)? {
            return Ok(Err(CommitError::Conflict));
        }
        let before = self.usage.get(outcome.app.as_str())?.map_or(0, |bytes| bytes.value());
        let after = self.bytes_after(before, outcome)?;
        // An app that is over the limit, because the limit was lowered, may still delete.
        if after > bytes_max && after > before {
            return Ok(Err(CommitError::Full { bytes_max }));
        }
        self.newest += 1;
        for (key, value) in &outcome.writes {
            let key = full_key(&outcome.app, key);
            match value {
                Some(value) => {
                    let value = [&self.newest.to_be_bytes(), value.as_slice()].concat();
                    self.state.insert(key.as_slice(), value.as_slice())?
                }
                None => self.state.remove(key.as_slice())?,
            };
        }
        self.usage.insert(outcome.app.as_str(), after)?;
        Ok(Ok(()))
    }

    fn bytes_after(&self, before: u64, outcome: &Outcome) -> Result<u64, StoreError> {
        let (mut added, mut freed) = (0, 0);
        for (key, value) in &outcome.writes {
            let old = self.state.get(full_key(&outcome.app, key).as_slice())?;
            freed += old.map_or(0, |old| bytes_of(key, old.value().len().saturating_sub(VERSION_BYTES)));
            added += value.as_ref().map_or(0, |value| bytes_of(key, value.len()));
        }
        Ok(before.saturating_add(added).saturating_sub(freed))
    }
}

fn bytes_of(key: &str, value_bytes: usize) -> u64 {
    u64::try_from(key.len().saturating_add(value_bytes)).unwrap_or(u64::MAX)
}

fn is_unchanged(
    state: &impl ReadableTable<&'static [u8], &'static [u8]>,
    outcome: &Outcome,
) -> Result<bool, StoreError> {
    for (key, version) in &outcome.reads {
        let found = state.get(full_key(&outcome.app, key).as_slice())?;
        if found.as_ref().and_then(|value| split(value.value())).map(|(version, _)| version) != *version {
            return Ok(false);
        }
    }
    for (prefix, keys) in &outcome.scans {
        if &scan(state, &outcome.app, prefix, keys.len() + 1)? != keys {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The state as it was at one moment.
pub(super) struct Snapshot {
    state: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn get(&self, app: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let found = self.state.get(full_key(app, key).as_slice())?;
        Ok(found.and_then(|value| split(value.value()).map(|(version, value)| (version, value.to_vec()))))
    }

    pub(super) fn keys(&self, app: &str, prefix: &str, count: usize) -> Result<Vec<String>, StoreError> {
        scan(&self.state, app, prefix, count)
    }
}

fn scan(
    state: &impl ReadableTable<&'static [u8], &'static [u8]>,
    app: &str,
    prefix: &str,
    count: usize,
) -> Result<Vec<String>, StoreError> {
    let first = full_key(app, prefix);
    let mut keys = Vec::new();
    for entry in state.range(first.as_slice()..)? {
        let (key, _) = entry?;
        let Some(key) = key.value().strip_prefix(first.as_slice()) else { break };
        if keys.len() == count {
            break;
        }
        // Keys were text when they were written.
        keys.push(format!("{prefix}{}", String::from_utf8_lossy(key)));
    }
    Ok(keys)
}

/// App names have no NUL, so no app's keys lie among another's.
fn full_key(app: &str, key: &str) -> Vec<u8> {
    [app.as_bytes(), b"\0", key.as_bytes()].concat()
}

fn split(value: &[u8]) -> Option<(u64, &[u8])> {
    let (version, value) = value.split_first_chunk::<VERSION_BYTES>()?;
    Some((u64::from_be_bytes(*version), value))
}
