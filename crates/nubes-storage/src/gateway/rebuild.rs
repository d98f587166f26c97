//! Content that is not here, from others who keep it ([`Keepers`]).
//!
//! What comes is a CAR, and its bytes are a stranger's: each block has to hash to its CID and to be linked from one that came
//! before, the first being the root. So nothing is kept but what the reader asked for. It is kept as a cache is: the next reader has it
//! from here, and a collection takes it unless somebody pins it.
//!
//! One reader's patience is the measure: an object is brought while somebody waits for it, once for all who do, a few objects
//! at a time. That nobody keeps a root, or does not give it, is remembered for a while.

use crate::block::inlined;
use crate::car::{Decoder, Item};
use crate::flights::Flights;
use crate::ipld;
use crate::problem::Problem;
use crate::segments::PutError;
use crate::store::{Batches, Store};
use cid::Cid;
use futures_util::TryStreamExt;
use http::StatusCode;
use lru::LruCache;
use nubes_base::port::{Archive, Keepers};
use nubes_base::{Clock, Timestamp, chain};
use parking_lot::Mutex;
use std::{collections::BTreeSet, fmt, num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time};

/// Objects that are brought at the same time; who wants another one waits.
const AT_ONCE_MAX: usize = 4;
/// A longer object is not brought.
const OBJECT_BYTES_MAX: u64 = 4 << 30;
/// Blocks of an object, those included that are linked to and have not come.
const OBJECT_BLOCKS_MAX: usize = 1 << 20;
/// Objects of one root that are tried.
const TRIED_MAX: usize = 3;
/// For one root, waiting included.
const PATIENCE: Duration = Duration::from_mins(10);
/// Roots of which it is remembered that they cannot be had.
const FAILED_MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
const NOBODY_LIFE: Duration = Duration::from_secs(5);
const FAILED_LIFE: Duration = Duration::from_secs(30);

/// Why an object was not brought, though somebody says that he keeps it.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum BringError {
    /// Make room.
    #[error(transparent)]
    Put(#[from] PutError),
    /// Asking again helps only after a while.
    #[error("{root} is not here, and those who keep it do not give it: {what}")]
    Failed { root: Cid, what: String },
}

/// Brings objects; clones share what is remembered.
#[derive(Clone)]
pub struct Rebuilds(Arc<Inner>);

struct Inner {
    keepers: Arc<dyn Keepers>,
    clock: Arc<dyn Clock>,
    flights: Flights<Cid, bool>,
    room: Semaphore,
    // A lock and not a task: it is held for one look-up per root that is not here.
    failed: Mutex<LruCache<Cid, Failed>>,
}

#[derive(Clone, Debug)]
struct Failed {
    until: Timestamp,
    /// None: nobody keeps it.
    what: Option<String>,
}

impl Rebuilds {
    pub fn new(keepers: Arc<dyn Keepers>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            keepers,
            clock,
            flights: Flights::new(),
            room: Semaphore::new(AT_ONCE_MAX),
            failed: Mutex::new(LruCache::new(FAILED_MAX)),
        }))
    }

    /// Has everything below `root` put into `store`; false if nobody is known to keep it.
    pub(super) async fn bring(&self, store: &Store, root: &Cid) -> Result<bool, BringError> {
        let work = async {
            // Of those who waited together the second finds here what the first met.
            if let Some(known) = self.remembered(root) {
                return known;
            }
            let brought = time::timeout(PATIENCE, self.try_all(store, root)).await;
            let brought = brought.unwrap_or_else(|_| Err(failed(root, "they take too long")));
            self.remember(root, &brought);
            brought
        };
        self.0.flights.join(root, work).await
    }

    fn remembered(&self, root: &Cid) -> Option<Result<bool, BringError>> {
        let known = self.0.failed.lock().get(root).cloned()?;
        if known.until <= self.0.clock.now() {
            return None;
        }
        Some(known.what.map_or(Ok(false), |what| Err(BringError::Failed { root: *root, what })))
    }

    fn remember(&self, root: &Cid, brought: &Result<bool, BringError>) {
        let (what, life) = match brought {
            Ok(false) => (None, NOBODY_LIFE),
            Err(BringError::Failed { what, .. }) => (Some(what.clone()), FAILED_LIFE),
            // A disk that was full may have room now.
            Ok(true) | Err(BringError::Put(_)) => return,
        };
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        let until = Timestamp::from_unix_ms(self.0.clock.now().unix_ms().saturating_add(life_ms));
        self.0.failed.lock().put(*root, Failed { until, what });
    }

    async fn try_all(&self, store: &Store, root: &Cid) -> Result<bool, BringError> {
        let found = self.0.keepers.find(root).await.map_err(|error| failed(root, &chain(&error)))?;
        if found.is_empty() {
            return Ok(false);
        }
        let _place = self.0.room.acquire().await;
        let mut last = failed(root, "nobody was asked");
        for archive in found.into_iter().take(TRIED_MAX) {
            match take(store, root, archive).await {
                Ok(blocks) => {
                    tracing::info!(%root, blocks, "storage.rebuilt");
                    return Ok(true);
                }
                // The next one would meet the same disk.
                Err(full @ BringError::Put(_)) => return Err(full),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Keeps an object's blocks as they come; returns how many.
async fn take(store: &Store, root: &Cid, mut archive: Archive) -> Result<u64, BringError> {
    let refuse = |what: String| failed(root, &what);
    if archive.bytes > OBJECT_BYTES_MAX {
        return Err(refuse(format!("it has {} bytes, more than {OBJECT_BYTES_MAX}", archive.bytes)));
    }
    let mut decoder = Decoder::default();
    let mut batches = Batches::new(store.clone());
    let mut dag = Dag { wanted: BTreeSet::from([*root]), seen: BTreeSet::new() };
    let (mut bytes, mut blocks) = (0, 0);
    while let Some(part) = archive.parts.try_next().await.map_err(|error| refuse(chain(&error)))? {
        // It said how long it is; it may go on all the same.
        bytes += part.len() as u64;
        if bytes > archive.bytes {
            return Err(refuse("more comes than was said".to_owned()));
        }
        decoder.push(part);
        while let Some(item) = decoder.next_item().map_err(|error| refuse(chain(&error)))? {
            let Item::Block(block) = item else { continue };
            dag.admit(block.cid(), block.bytes()).map_err(refuse)?;
            blocks += 1;
            batches.push(block).await?;
        }
    }
    decoder.finish().map_err(|error| refuse(chain(&error)))?;
    batches.finish().await?;
    if !dag.wanted.is_empty() {
        return Err(refuse(format!("{} of its blocks did not come", dag.wanted.len())));
    }
    Ok(blocks)
}

/// What belongs to an object, as far as it is known.
struct Dag {
    /// Linked to and not come yet.
    wanted: BTreeSet<Cid>,
    seen: BTreeSet<Cid>,
}

impl Dag {
    /// Takes a block that hashes to its CID; the error says why it is no part of the object.
    fn admit(&mut self, cid: &Cid, bytes: &bytes::Bytes) -> Result<(), String> {
        if inlined(cid).is_some() || self.seen.contains(cid) {
            return Ok(());
        }
        if !self.wanted.remove(cid) {
            return Err(format!("block {cid} is no part of it"));
        }
        self.seen.insert(*cid);
        if !ipld::has_links(cid) {
            return Ok(());
        }
        let links = ipld::links_of(cid, bytes).map_err(|error| chain(&error))?;
        let fresh = links.into_iter().filter(|link| inlined(link).is_none() && !self.seen.contains(link));
        self.wanted.extend(fresh);
        if self.wanted.len() + self.seen.len() > OBJECT_BLOCKS_MAX {
            return Err(format!("it has more than {OBJECT_BLOCKS_MAX} blocks"));
        }
        Ok(())
    }
}

fn failed(root: &Cid, what: &str) -> BringError {
    BringError::Failed { root: *root, what: what.to_owned() }
}

impl From<BringError> for Problem {
    fn from(error: BringError) -> Self {
        match error {
            BringError::Put(error) => error.into(),
            error @ BringError::Failed { .. } => Self::of(StatusCode::BAD_GATEWAY, 3060, &error),
        }
    }
}

impl fmt::Debug for Rebuilds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rebuilds").field("keepers", &self.0.keepers).finish_non_exhaustive()
    }
}
