//! What an agent knows of the market: all deals, the jobs of lost ones, its own data set. A projection of the ledger,
//! read whole at the start and kept up to date by the logs of final blocks.

use super::duty::{Clock, Duty, JOB_OPEN, JOB_TAKEN, OwnSet, View};
use crate::ledger::{DealId, Market, ReadError, Stage, number};
use alloy_primitives::{Address, B256, U256};
use nubes_base::port::{FinalBlock, MissingPiece, PieceAt, Pieces};
use nubes_contracts::{
    PROVIDER_REGISTRY, ProviderRegistry, REPAIR_JOBS, RepairJobs, STORAGE_DEALS, StorageDeals,
};
use std::collections::{BTreeMap, BTreeSet};

/// Pay is collected about this often, in own periods: a settlement looks at 64 of them at most.
const SETTLE_PERIODS: u64 = 32;

#[derive(Debug)]
pub(super) struct Book {
    market: Market,
    me: Address,
    deals: BTreeMap<DealId, StorageDeals::Deal>,
    jobs: BTreeMap<DealId, RepairJobs::Job>,
    clocks: BTreeMap<Address, Clock>,
    /// Named in a log since the last refresh.
    changed: BTreeSet<DealId>,
    /// For each running deal, the next period whose proof was not looked at.
    checked: BTreeMap<DealId, u64>,
    stale: BTreeMap<DealId, u64>,
    /// Own deals' pieces that are here and whole.
    here: BTreeSet<B256>,
    rebuilding: BTreeSet<B256>,
    set: OwnSet,
    claimable: bool,
    unsettled: BTreeSet<DealId>,
    settled_at: BTreeMap<DealId, u64>,
    takes_deals: bool,
    piece_bytes_max: u64,
}

impl Book {
    pub(super) fn new(market: Market, me: Address) -> Self {
        Self {
            market,
            me,
            deals: BTreeMap::new(),
            jobs: BTreeMap::new(),
            clocks: BTreeMap::new(),
            changed: BTreeSet::new(),
            checked: BTreeMap::new(),
            stale: BTreeMap::new(),
            here: BTreeSet::new(),
            rebuilding: BTreeSet::new(),
            set: OwnSet::default(),
            claimable: false,
            unsettled: BTreeSet::new(),
            settled_at: BTreeMap::new(),
            takes_deals: false,
            piece_bytes_max: 0,
        }
    }

    /// Marks what a block changed. Every event of deals and jobs begins with the deal's number.
    pub(super) fn note(&mut self, block: &FinalBlock) {
        let logs = block.logs.iter().filter(|log| log.address == STORAGE_DEALS || log.address == REPAIR_JOBS);
        for log in logs {
            if let Some(id) = log.topics.get(1) {
                self.changed.insert(number(U256::from_be_bytes(id.0)));
            }
        }
    }

    /// Reads what changed.
    pub(super) async fn refresh(
        &mut self,
        now: u64,
        pieces: &dyn Pieces,
        repairs: bool,
    ) -> Result<(), ReadError> {
        let known = self.deals.last_key_value().map_or(0, |(id, _)| id + 1);
        self.changed.extend(known..self.market.deal_count().await?);
        let ids: Vec<DealId> = self.changed.iter().copied().collect();
        for (id, deal) in self.market.deals(&ids).await? {
            self.stale.remove(&id);
            self.deals.insert(id, deal);
        }
        let lost = ids.iter().copied().filter(|id| {
            self.jobs.contains_key(id)
                || self.deals.get(id).is_some_and(|deal| Stage::of(deal.state) == Stage::Lost)
        });
        let lost: Vec<DealId> = lost.collect();
        self.jobs.extend(self.market.jobs(&lost).await?);
        self.jobs.retain(|_, job| matches!(job.state, JOB_OPEN | JOB_TAKEN));
        self.changed.clear();
        self.read_own(now).await?;
        self.find_stale(now, repairs).await?;
        self.find_unsettled(now);
        self.look(pieces).await;
        Ok(())
    }

    async fn read_own(&mut self, now: u64) -> Result<(), ReadError> {
        let read = self.market.data_set(self.me).await?;
        let clock = Clock { origin: read.set.origin, period_seconds: read.set.periodSeconds };
        let mut own = OwnSet {
            clock,
            leaves: number(read.leaves),
            opened_periods: read.set.openedPeriods,
            challenge_block: read.set.challengeBlock,
            is_proven: false,
            last_proven: self.set.last_proven,
        };
        if let Some(period) = clock.period_at(now) {
            own.is_proven =
                self.market.proven(&[(self.me, period)]).await?.first().copied().unwrap_or_default();
            if own.is_proven {
                own.last_proven = Some(period);
            }
        }
        self.set = own;
        self.clocks.insert(self.me, clock);
        let listing = self.market.listings_of(&[self.me]).await?;
        self.takes_deals = listing.first().is_some_and(|listing| listing.takes_deals);
        self.piece_bytes_max = listing.first().map_or(0, |listing| listing.offer.pieceBytesMax);
        let call = RepairJobs::claimableOfCall { owner: self.me };
        self.claimable = !self.market.read(REPAIR_JOBS, &call).await?.is_zero();
        Ok(())
    }

    /// Finds deals of which the ledger does not know yet what happened: a period without proof, an end, money gone.
    async fn find_stale(&mut self, now: u64, repairs: bool) -> Result<(), ReadError> {
        let running: Vec<DealId> = self
            .deals
            .iter()
            .filter(|(_, deal)| {
                Stage::of(deal.state).is_running() && (repairs || deal.terms.provider == self.me)
            })
            .map(|(id, _)| *id)
            .collect();
        self.read_clocks(&running).await?;
        let mut asked = BTreeSet::new();
        let mut due = Vec::new();
        for id in running {
            let Some(deal) = self.deals.get(&id) else { continue };
            let provider = deal.terms.provider;
            let clock = self.clocks.get(&provider).copied().unwrap_or_default();
            if deal.end <= now {
                self.stale.entry(id).or_insert(deal.end);
                continue;
            }
            let next = self.checked.get(&id).copied().unwrap_or_default().max(deal.nextPeriod);
            self.checked.insert(id, next);
            if clock.period_seconds != 0 && clock.end_of(next) <= now {
                asked.insert((provider, next));
                due.push((id, provider, next));
            }
        }
        let asked: Vec<_> = asked.into_iter().collect();
        let proven: BTreeMap<_, _> = asked.iter().copied().zip(self.market.proven(&asked).await?).collect();
        let mut looked = Vec::new();
        for (id, provider, period) in due {
            let clock = self.clocks.get(&provider).copied().unwrap_or_default();
            if proven.get(&(provider, period)) == Some(&true) {
                self.checked.insert(id, period + 1);
                looked.push(id);
            } else {
                self.stale.entry(id).or_insert(clock.end_of(period));
            }
        }
        // Once a period, whether there is money.
        looked.retain(|id| self.deals.get(id).is_some_and(|deal| deal.terms.provider == self.me));
        for (id, stage) in self.market.stages(&looked).await? {
            if self.deals.get(&id).is_some_and(|deal| Stage::of(deal.state) != stage) {
                self.stale.entry(id).or_insert(now);
            }
        }
        Ok(())
    }

    async fn read_clocks(&mut self, deals: &[DealId]) -> Result<(), ReadError> {
        let providers: BTreeSet<Address> =
            deals.iter().filter_map(|id| self.deals.get(id)).map(|deal| deal.terms.provider).collect();
        for provider in providers {
            if !self.clocks.contains_key(&provider) {
                let set = self.market.data_set(provider).await?.set;
                let clock = Clock { origin: set.origin, period_seconds: set.periodSeconds };
                self.clocks.insert(provider, clock);
            }
        }
        Ok(())
    }

    fn find_unsettled(&mut self, now: u64) {
        let (period, me) = (self.set.clock.period_seconds.max(1), self.me);
        for (id, deal) in self.deals.iter().filter(|(_, deal)| deal.terms.provider == me && deal.start != 0) {
            let since = self.settled_at.entry(*id).or_insert(now);
            // The rest of an ended deal is decided when its last period is over.
            let is_over = !Stage::of(deal.state).is_running();
            let due = if is_over { deal.closedAt + period } else { *since + SETTLE_PERIODS * period };
            if due <= now && *since != u64::MAX {
                self.unsettled.insert(*id);
                *since = if is_over { u64::MAX } else { now };
            }
        }
    }

    /// What no event tells.
    pub(super) fn done(&mut self, duty: Duty) {
        if let Duty::Settle { deal } = duty {
            self.unsettled.remove(&deal);
        }
    }

    async fn look(&mut self, pieces: &dyn Pieces) {
        let mine = self.deals.values().filter(|deal| deal.terms.provider == self.me);
        let roots: BTreeSet<B256> = mine.map(|deal| deal.terms.pieceRoot).collect();
        self.here.clear();
        for root in roots {
            if pieces.has(root).await {
                self.here.insert(root);
            }
        }
    }

    pub(super) fn view(&self, block: &FinalBlock) -> View<'_> {
        View {
            me: self.me,
            now: block.timestamp,
            head: block.number,
            set: self.set,
            deals: &self.deals,
            jobs: &self.jobs,
            stale: &self.stale,
            here: &self.here,
            rebuilding: &self.rebuilding,
            claimable: self.claimable,
            unsettled: &self.unsettled,
            takes_deals: self.takes_deals,
            piece_bytes_max: self.piece_bytes_max,
        }
    }

    pub(super) fn deal(&self, id: DealId) -> Option<&StorageDeals::Deal> {
        self.deals.get(&id)
    }

    /// The piece of a deal, and where its siblings are: with all providers of the object's other deals that still run.
    pub(super) async fn missing_piece(&self, id: DealId) -> Option<MissingPiece> {
        let deal = self.deals.get(&id)?;
        let siblings: Vec<&StorageDeals::Deal> = self
            .deals
            .values()
            .filter(|other| {
                other.client == deal.client
                    && other.terms.group == deal.terms.group
                    && other.terms.provider != self.me
                    && Stage::of(other.state).is_running()
            })
            .collect();
        let calls: Vec<_> = siblings
            .iter()
            .map(|deal| ProviderRegistry::profileOfCall { provider: deal.terms.provider })
            .collect();
        let profiles = self.market.read_many(PROVIDER_REGISTRY, &calls).await.ok()?;
        let siblings = siblings.iter().zip(profiles).filter_map(|(deal, profile)| {
            Some(PieceAt { root: deal.terms.pieceRoot, label: deal.terms.class, uri: profile?.uri })
        });
        Some(MissingPiece {
            root: deal.terms.pieceRoot,
            label: deal.terms.class,
            siblings: siblings.collect(),
        })
    }

    pub(super) fn begin_rebuild(&mut self, root: B256) -> bool {
        self.rebuilding.insert(root)
    }

    pub(super) fn end_rebuild(&mut self, root: B256) {
        self.rebuilding.remove(&root);
    }
}
