//! The providers of the storage market as keepers of content: whose deals name a root has the object below it.
//!
//! The ledger is not searched for each root that is asked for. What deals name is noted once, in their order, since a deal never
//! names something else later; a look-up reads only the deals that are new, and asks for their number once in a while. So a root
//! that no deal names costs a look into a map.

use crate::market::{KeptObject, StoredObject, gather, group_of};
use alloy_primitives::B256;
use async_trait::async_trait;
use cid::Cid;
use futures_util::{StreamExt, stream};
use nubes_base::port::{Archive, Keepers, KeepersError, Ledger};
use nubes_base::{Clock, Timestamp};
use nubes_market::{DealId, Market, ReadError};
use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// How old the number of deals may be.
const COUNT_LIFE: Duration = Duration::from_secs(1);
/// Deals that are read at once.
const PAGE: u64 = 100;
/// Deals that are noted; those beyond are not found.
const DEALS_MAX: u64 = 1_000_000;
/// Deals of one root that are noted, the newest ones.
const DEALS_OF_ROOT_MAX: usize = 1_000;
/// So long a reader waits for deals that have to be noted first. The next goes on from there.
const NOTING_PATIENCE: Duration = Duration::from_secs(2);
/// Objects of one root that are given.
const OBJECTS_MAX: usize = 3;

/// [`Keepers`] by the node's own ledger.
#[derive(Debug)]
pub(crate) struct Providers {
    market: Market,
    clock: Arc<dyn Clock>,
    // A lock because who finds something new notes it for all; held while new deals are read.
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    by_group: BTreeMap<B256, Vec<DealId>>,
    /// The first that is not noted.
    next: DealId,
    counted_at: Option<Timestamp>,
}

impl Providers {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { market: Market::new(ledger), clock, noted: Mutex::default() }
    }

    /// The deals that name `group`.
    async fn deals_of(&self, group: &B256) -> Result<Vec<DealId>, ReadError> {
        if let Ok(noted) = timeout(NOTING_PATIENCE, self.note()).await {
            noted?;
        }
        Ok(self.noted.lock().await.by_group.get(group).cloned().unwrap_or_default())
    }

    async fn note(&self) -> Result<(), ReadError> {
        let mut noted = self.noted.lock().await;
        let now = self.clock.now();
        if noted.counted_at.is_some_and(|at| at <= now && now.since(at) < COUNT_LIFE) {
            return Ok(());
        }
        let count = self.market.deal_count().await?.min(DEALS_MAX);
        while noted.next < count {
            let ids: Vec<DealId> = (noted.next..count.min(noted.next + PAGE)).collect();
            let deals = self.market.deals(&ids).await?;
            noted.next += ids.len() as u64;
            for (id, deal) in deals {
                let of_group = noted.by_group.entry(deal.terms.group).or_default();
                if of_group.len() >= DEALS_OF_ROOT_MAX {
                    of_group.remove(0);
                }
                of_group.push(id);
            }
        }
        noted.counted_at = Some(now);
        Ok(())
    }

    /// Whether deals that run keep enough pieces of an object with this root.
    pub(super) async fn keep(&self, root: &Cid) -> Result<bool, KeepersError> {
        let kept = self.kept(root).await.map_err(|source| KeepersError { root: *root, source })?;
        Ok(kept.iter().any(|object| object.likelihood().0))
    }

    /// What deals keep of the objects with this root, those of which enough pieces are there first.
    async fn kept(&self, root: &Cid) -> Result<Vec<KeptObject>, Box<dyn Error + Send + Sync>> {
        // Deals name objects by SHA-256; what has another hash is in none.
        let Ok((group, _)) = group_of(root) else { return Ok(Vec::new()) };
        let ids = self.deals_of(&group).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let deals = self.market.deals(&ids).await?;
        let mut objects: Vec<KeptObject> = gather(&self.market, deals).await?.into_values().collect();
        objects.retain(|object| object.health().healthy > 0);
        objects.sort_by_key(|object| std::cmp::Reverse(object.likelihood()));
        Ok(objects)
    }

    async fn objects(&self, root: &Cid) -> Result<Vec<StoredObject>, Box<dyn Error + Send + Sync>> {
        let mut opened = Vec::new();
        for object in self.kept(root).await?.iter().take(OBJECTS_MAX) {
            opened.push(StoredObject::open(&self.market, object).await?);
        }
        Ok(opened)
    }
}

#[async_trait]
impl Keepers for Providers {
    async fn find(&self, root: &Cid) -> Result<Vec<Archive>, KeepersError> {
        let root = *root;
        let found = Box::pin(self.objects(&root)).await.map_err(|source| KeepersError { root, source })?;
        Ok(found.into_iter().map(|object| archive(root, object)).collect())
    }
}

fn archive(root: Cid, object: StoredObject) -> Archive {
    let bytes = object.bytes();
    let parts = stream::try_unfold(object, move |mut object| async move {
        let part = object.next().await.map_err(|source| KeepersError { root, source: source.into() })?;
        Ok(part.map(|part| (part, object)))
    });
    Archive { bytes, parts: parts.boxed() }
}
