//! What a provider has to do now. Pure: from what is known and the ledger's time.

use crate::ledger::{DealId, Stage};
use alloy_primitives::{Address, B256, keccak256};
use nubes_contracts::{RepairJobs, StorageDeals};
use std::collections::{BTreeMap, BTreeSet};

/// Watchers come one after the other, spread over a proving period, and over so many seconds at most.
const TURNS_SECONDS_MAX: u64 = 60;
/// For so many of the lost deal's periods a job is left to those who have no piece of the object.
const STRANGERS_FIRST_PERIODS: u64 = 2;

/// States of a repair job, as the contract counts them.
pub(super) const JOB_OPEN: u8 = 1;
pub(super) const JOB_TAKEN: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Open the current period.
    Open {
        period: u64,
    },
    /// Show what the challenge of the current period asks for.
    Prove {
        period: u64,
        block: u64,
    },
    /// Make the piece of a deal again.
    Rebuild {
        deal: DealId,
    },
    /// Say that a replacement's piece is here.
    Accept {
        deal: DealId,
    },
    /// Be paid for a repair.
    Complete {
        job: DealId,
        period: u64,
    },
    /// Take out what was earned by repairs.
    Claim,
    /// Tell the ledger what time and proofs made of a deal.
    Poke {
        deal: DealId,
    },
    Take {
        job: DealId,
    },
    /// A taker did not deliver.
    TimeOut {
        job: DealId,
    },
    /// Collect the pay of a deal.
    Settle {
        deal: DealId,
    },
    Erase {
        deal: DealId,
    },
}

/// A provider's proving clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    pub origin: u64,
    pub period_seconds: u64,
}

impl Clock {
    pub(super) const fn period_at(self, time: u64) -> Option<u64> {
        if self.period_seconds == 0 || time < self.origin {
            return None;
        }
        Some((time - self.origin) / self.period_seconds)
    }

    pub(super) const fn end_of(self, period: u64) -> u64 {
        self.origin.saturating_add(self.period_seconds.saturating_mul(period.saturating_add(1)))
    }
}

/// The own data set as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSet {
    pub clock: Clock,
    /// Counted from one; zero: none.
    pub opened_periods: u64,
    pub challenge_block: u64,
    pub is_proven: bool,
    /// Proven, newest.
    pub last_proven: Option<u64>,
}

/// What is known when a block is final.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub me: Address,
    pub now: u64,
    pub head: u64,
    pub set: OwnSet,
    pub deals: &'a BTreeMap<DealId, StorageDeals::Deal>,
    pub jobs: &'a BTreeMap<DealId, RepairJobs::Job>,
    /// Deals whose stage on the ledger is behind the clock, and those with an unproven period behind them: since when.
    pub stale: &'a BTreeMap<DealId, u64>,
    /// Roots of pieces that are here and whole.
    pub here: &'a BTreeSet<B256>,
    pub rebuilding: &'a BTreeSet<B256>,
    pub claimable: bool,
    /// Own deals whose pay was not collected for a while.
    pub unsettled: &'a BTreeSet<DealId>,
    /// Largest piece and whether the own offer is open, for repairs.
    pub takes_deals: bool,
    pub piece_bytes_max: u64,
}

/// All duties, the most pressing first.
pub fn duties(view: &View<'_>, repairs: bool) -> Vec<Duty> {
    let mut duties = proving(view);
    for (id, deal) in view.deals {
        if deal.terms.provider == view.me {
            duties.extend(keeping(view, *id, deal));
        }
        if let Some(since) = view.stale.get(id)
            && (deal.terms.provider == view.me || repairs)
            && turn(view.me, *id, deal) + since <= view.now
        {
            duties.push(Duty::Poke { deal: *id });
        }
    }
    if repairs {
        duties.extend(view.jobs.iter().filter_map(|(id, job)| repairing(view, *id, job)));
    }
    if view.claimable {
        duties.push(Duty::Claim);
    }
    duties.sort_unstable();
    // One at a time: with the first job taken, the next one may be for somebody else first.
    let first = duties.iter().position(|duty| matches!(duty, Duty::Take { .. })).unwrap_or(duties.len());
    let mut place = 0;
    duties.retain(|duty| {
        place += 1;
        place <= first + 1 || !matches!(duty, Duty::Take { .. })
    });
    duties
}

fn proving(view: &View<'_>) -> Vec<Duty> {
    let Some(period) = view.set.clock.period_at(view.now) else { return Vec::new() };
    if view.set.opened_periods != period + 1 {
        // Pieces on their way out are still counted, and an opening that would leave none is refused.
        let owes = view.deals.values().any(|deal| {
            deal.terms.provider == view.me && Stage::of(deal.state).is_running() && deal.firstPeriod <= period
        });
        return if owes { vec![Duty::Open { period }] } else { Vec::new() };
    }
    // A block's hash is known to contracts of the blocks behind it.
    if view.set.is_proven || view.head <= view.set.challenge_block {
        return Vec::new();
    }
    vec![Duty::Prove { period, block: view.set.challenge_block }]
}

fn keeping(view: &View<'_>, id: DealId, deal: &StorageDeals::Deal) -> Option<Duty> {
    let root = deal.terms.pieceRoot;
    let (stage, is_here) = (Stage::of(deal.state), view.here.contains(&root));
    let is_free = !view.rebuilding.contains(&root);
    if stage.is_running() && !is_here && is_free {
        return Some(Duty::Rebuild { deal: id });
    }
    if stage == Stage::Proposed && is_replacement(view, id) {
        let late = deal.terms.acceptBy < view.now;
        return match (late, is_here) {
            (false, true) => Some(Duty::Accept { deal: id }),
            (false, false) if is_free => Some(Duty::Rebuild { deal: id }),
            _ => None,
        };
    }
    if view.unsettled.contains(&id) {
        return Some(Duty::Settle { deal: id });
    }
    // What was lost on paper only may be what its object is repaired from.
    let is_over = stage == Stage::Ended || (stage == Stage::Lost && !view.jobs.contains_key(&id));
    (is_over && is_here && !is_owed(view, root)).then_some(Duty::Erase { deal: id })
}

/// The job for which the own proposed deal was made.
fn is_replacement(view: &View<'_>, id: DealId) -> bool {
    view.jobs
        .values()
        .any(|job| job.taker == view.me && job.state == JOB_TAKEN && job.replacementId == id.to_word())
}

/// Whether another deal, running or proposed, wants the piece to stay.
fn is_owed(view: &View<'_>, root: B256) -> bool {
    view.deals.values().any(|deal| {
        let stage = Stage::of(deal.state);
        let is_open = stage.is_running() || (stage == Stage::Proposed && view.now <= deal.terms.acceptBy);
        deal.terms.provider == view.me && deal.terms.pieceRoot == root && is_open
    })
}

fn repairing(view: &View<'_>, id: DealId, job: &RepairJobs::Job) -> Option<Duty> {
    let lost = view.deals.get(&id)?;
    match job.state {
        JOB_OPEN => can_take(view, id, lost).then_some(Duty::Take { job: id }),
        JOB_TAKEN if job.taker == view.me => {
            let replacement = view.deals.get(&u64::from_word(job.replacementId)?)?;
            let proven = view.set.last_proven.filter(|period| replacement.firstPeriod <= *period)?;
            let is_running = Stage::of(replacement.state).is_running();
            (is_running && view.now <= job.deadline).then_some(Duty::Complete { job: id, period: proven })
        }
        JOB_TAKEN => (job.deadline + turn(view.me, id, lost) < view.now).then_some(Duty::TimeOut { job: id }),
        _ => None,
    }
}

fn can_take(view: &View<'_>, id: DealId, lost: &StorageDeals::Deal) -> bool {
    let period = view.set.clock.period_seconds;
    let terms = &lost.terms;
    let has_sibling = view.deals.values().any(|deal| {
        let stage = Stage::of(deal.state);
        deal.terms.provider == view.me
            && deal.client == lost.client
            && deal.terms.group == terms.group
            && (stage.is_running() || stage == Stage::Proposed)
    });
    let wait = if has_sibling { STRANGERS_FIRST_PERIODS * u64::from(terms.periodSeconds) } else { 0 };
    view.takes_deals
        && terms.provider != view.me
        && period != 0
        && period <= u64::from(terms.periodSeconds)
        && terms.leafCount.saturating_mul(32) <= view.piece_bytes_max
        // What would end before it is proven pays nothing.
        && view.now + 3 * period < lost.end
        && lost.closedAt + turn(view.me, id, lost) + wait <= view.now
}

/// Whose turn it is, in seconds: different for each watcher and deal.
fn turn(me: Address, id: DealId, deal: &StorageDeals::Deal) -> u64 {
    let hash = keccak256([me.as_slice(), &id.to_be_bytes()].concat());
    // The provider itself does not wait: it knows first.
    let turns = if deal.terms.provider == me {
        1
    } else {
        u64::from(deal.terms.periodSeconds).min(TURNS_SECONDS_MAX)
    };
    u64::from(hash[0]) % turns.max(1)
}

/// Deals are numbered in words of the ledger and in integers here.
trait Word: Sized {
    fn to_word(self) -> alloy_primitives::U256;
    fn from_word(word: alloy_primitives::U256) -> Option<Self>;
}

impl Word for u64 {
    fn to_word(self) -> alloy_primitives::U256 {
        alloy_primitives::U256::from(self)
    }

    fn from_word(word: alloy_primitives::U256) -> Option<Self> {
        Self::try_from(word).ok()
    }
}
