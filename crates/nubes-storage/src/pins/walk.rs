//! What is here of a DAG.

use super::Mode;
use crate::block::inlined;
use crate::ipld;
use crate::segments::GetError;
use crate::store::Store;
use crate::unixfs::NodeError;
use bytes::Bytes;
use cid::Cid;
use std::collections::BTreeSet;
use tokio::task;

/// Blocks of a DAG that can be pinned; a larger one is pinned in parts.
pub const DAG_BLOCKS_MAX: usize = 1 << 20;
/// Missing blocks that a survey names one by one.
pub const MISSING_MAX: usize = 1000;
/// After so many blocks others on this thread get their turn.
const BLOCKS_PER_TURN: usize = 64;

/// How much of a DAG is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Blocks that are here; one that is linked to twice may count twice.
    pub blocks: u64,
    /// Blocks that are linked to and not here, the first thousand. What is below them is unknown.
    pub missing: Vec<Cid>,
}

impl Survey {
    pub const fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Why a DAG cannot be looked at as a whole.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// Pin parts of it.
    #[error("more than {blocks_max} blocks below {root}")]
    TooLarge { root: Cid, blocks_max: usize },
    /// Whoever made the block made a mistake; what is below it cannot be known.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The disk is failing.
    #[error(transparent)]
    Block(#[from] GetError),
}

/// Looks at what a pin of `root` needs, without fetching anything.
pub async fn survey(store: &Store, root: &Cid, mode: Mode) -> Result<Survey, WalkError> {
    survey_up_to(DAG_BLOCKS_MAX, store, root, mode).await
}

pub(super) async fn survey_up_to(
    blocks_max: usize,
    store: &Store,
    root: &Cid,
    mode: Mode,
) -> Result<Survey, WalkError> {
    let mut walk = Walk::new(store.clone(), vec![*root], blocks_max);
    walk.descends = mode == Mode::Recursive;
    let mut survey = Survey::default();
    while let Some(met) = walk.next().await? {
        match met {
            Met::Here { .. } => survey.blocks += 1,
            Met::Missing { cid } if survey.missing.len() < MISSING_MAX => survey.missing.push(cid),
            Met::Missing { .. } => {}
        }
    }
    Ok(survey)
}

/// A block on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Here { cid: Cid },
    Missing { cid: Cid },
}

/// Visits DAGs depth first. Nodes with links are visited once, others each time that they are linked to.
pub(crate) struct Walk {
    store: Store,
    /// The next is at the end.
    pending: Vec<Cid>,
    /// Nodes with links that were met; without it a DAG of n nodes can have 2^n paths.
    seen: BTreeSet<Cid>,
    met: usize,
    blocks_max: usize,
    /// Whether links are followed.
    pub(super) descends: bool,
    /// Whether a node that cannot be read ends the walk; else it counts as one without links.
    pub(super) is_strict: bool,
    /// Whether a block that is known to be damaged ends the walk; else it counts as missing.
    pub(super) stops_at_damage: bool,
}

impl Walk {
    pub(crate) const fn new(store: Store, roots: Vec<Cid>, blocks_max: usize) -> Self {
        let seen = BTreeSet::new();
        Self {
            store,
            pending: roots,
            seen,
            met: 0,
            blocks_max,
            descends: true,
            is_strict: true,
            stops_at_damage: false,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Met>, WalkError> {
        while let Some(cid) = self.pending.pop() {
            let leads_on = self.descends && ipld::has_links(&cid);
            if leads_on && !self.seen.insert(cid) {
                continue;
            }
            self.met += 1;
            if self.met > self.blocks_max {
                return Err(WalkError::TooLarge { root: cid, blocks_max: self.blocks_max });
            }
            if self.met.is_multiple_of(BLOCKS_PER_TURN) {
                task::yield_now().await;
            }
            if leads_on {
                return self.visit(cid).await.map(Some);
            }
            // What a CID carries in itself is no block.
            if inlined(&cid).is_none() {
                let is_here = self.store.has(&cid).await?;
                if !is_here
                    && self.stops_at_damage
                    && let Err(error @ GetError::Corrupt { .. }) = self.store.get(&cid).await
                {
                    return Err(error.into());
                }
                return Ok(Some(if is_here { Met::Here { cid } } else { Met::Missing { cid } }));
            }
        }
        Ok(None)
    }

    async fn visit(&mut self, cid: Cid) -> Result<Met, WalkError> {
        let block = match self.store.get(&cid).await {
            Ok(block) => block,
            Err(error @ GetError::Corrupt { .. }) if self.stops_at_damage => return Err(error.into()),
            // A damaged block is fetched again, which repairs it.
            Err(GetError::NotFound { .. } | GetError::Corrupt { .. }) => return Ok(Met::Missing { cid }),
            Err(error) => return Err(error.into()),
        };
        let links = self.links(&cid, &block)?;
        self.pending.extend(links.into_iter().rev());
        Ok(Met::Here { cid })
    }

    fn links(&self, cid: &Cid, block: &Bytes) -> Result<Vec<Cid>, NodeError> {
        match ipld::links_of(cid, block) {
            Err(_) if !self.is_strict => Ok(Vec::new()),
            links => links,
        }
    }
}
