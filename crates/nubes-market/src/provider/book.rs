//! What an agent knows of the market: all deals, the jobs of lost ones, its own data set. A projection of the ledger,
//! read whole at the start and kept up to date by the logs of final blocks.

use super::duty::{Clock, Duty, JOB_OPEN, JOB_TAKEN, OwnSet, View};
use crate::ledger::{DealId, Market, ReadError, Stage, number};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent;
use nubes_base::port::{FinalBlock, Log, MissingPiece, PieceAt, Pieces};
use nubes_contracts::{
    POSSESSION_PROOFS, PROVIDER_REGISTRY, PossessionProofs, ProviderRegistry, REPAIR_JOBS, RepairJobs,
    STORAGE_DEALS, StorageDeals,
};
use std::collections::{BTreeMap, BTreeSet};

/// Pay is collected about this often, in own periods: a settlement looks at 64 of them at most.
const SETTLE_PERIODS: u64 = 32;

/// Periods of a provider that are remembered as proven.
const PROVEN_MAX: usize = 64;

/// What has to be read again. At the start all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// Every deal there is.
    Deals,
    /// The own data set.
    Set,
    /// The own offer.
    Listing,
    /// What there is to claim.
    Claims,
}

#[derive(Debug)]
pub(super) struct Book {
    market: Market,
    me: Address,
    deals: BTreeMap<DealId, StorageDeals::Deal>,
    jobs: BTreeMap<DealId, RepairJobs::Job>,
    clocks: BTreeMap<Address, Clock>,
    /// Named in a log since the last refresh.
    changed: BTreeSet<DealId>,
    news: BTreeSet<News>,
    /// For each provider, the periods proven since this agent began to follow.
    proven: BTreeMap<Address, BTreeSet<u64>>,
    /// For each running deal, the next period whose proof was not looked at.
    checked: BTreeMap<DealId, u64>,
    stale: BTreeMap<DealId, u64>,
    /// Own deals' pieces that are here and whole.
    here: BTreeSet<B256>,
    rebuilding: BTreeSet<B256>,
    set: OwnSet,
    /// For which period `set` was read.
    period: Option<u64>,
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
            news: BTreeSet::from([News::Deals, News::Set, News::Listing, News::Claims]),
            proven: BTreeMap::new(),
            checked: BTreeMap::new(),
            stale: BTreeMap::new(),
            here: BTreeSet::new(),
            rebuilding: BTreeSet::new(),
            set: OwnSet::default(),
            period: None,
            claimable: false,
            unsettled: BTreeSet::new(),
            settled_at: BTreeMap::new(),
            takes_deals: false,
            piece_bytes_max: 0,
        }
    }

    /// Marks what a block changed. Every event of deals and jobs begins with the deal's number, those of proofs and
    /// registry with the provider.
    pub(super) fn note(&mut self, block: &FinalBlock) {
        for log in &block.logs {
            let Some(first) = log.topics.get(1) else { continue };
            let is_mine = log.topics.iter().skip(1).any(|topic| Address::from_word(*topic) == self.me);
            match log.address {
                STORAGE_DEALS | REPAIR_JOBS => {
                    // `Claimed` names an account, which is no number of a deal.
                    self.changed.extend(u64::try_from(U256::from_be_bytes(first.0)).ok());
                    if is_mine && log.address == REPAIR_JOBS {
                        self.news.insert(News::Claims);
                    }
                }
                POSSESSION_PROOFS => {
                    if is_mine {
                        self.news.insert(News::Set);
                    }
                    self.note_proof(log);
                }
                PROVIDER_REGISTRY if is_mine => _ = self.news.insert(News::Listing),
                _ => {}
            }
        }
    }

    fn note_proof(&mut self, log: &Log) {
        let proven =
            PossessionProofs::PossessionProven::decode_raw_log(log.topics.iter().copied(), &log.data);
        let Ok(PossessionProofs::PossessionProven { provider, period }) = proven else { return };
        let periods = self.proven.entry(provider).or_default();
        periods.insert(number(period));
        if PROVEN_MAX < periods.len() {
            periods.pop_first();
        }
    }

    /// Reads what changed. On a quiet ledger nothing is read.
    pub(super) async fn refresh(
        &mut self,
        now: u64,
        pieces: &dyn Pieces,
        repairs: bool,
    ) -> Result<(), ReadError> {
        if self.news.contains(&News::Deals) {
            self.changed.extend(0..self.market.deal_count().await?);
        }
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
        self.news.remove(&News::Deals);
        self.read_own(now).await?;
        self.find_stale(now, repairs).await?;
        self.find_unsettled(now);
        self.look(pieces).await;
        Ok(())
    }

    async fn read_own(&mut self, now: u64) -> Result<(), ReadError> {
        if self.set.clock.period_at(now) != self.period {
            self.news.insert(News::Set);
        }
        if self.news.contains(&News::Set) {
            self.read_set(now).await?;
            self.news.remove(&News::Set);
        }
        if self.news.contains(&News::Listing) {
            let listing = self.market.listings_of(&[self.me]).await?;
            self.takes_deals = listing.first().is_some_and(|listing| listing.takes_deals);
            self.piece_bytes_max = listing.first().map_or(0, |listing| listing.offer.pieceBytesMax);
            self.news.remove(&News::Listing);
        }
        if self.news.contains(&News::Claims) {
            let call = RepairJobs::claimableOfCall { owner: self.me };
            self.claimable = !self.market.read(REPAIR_JOBS, &call).await?.is_zero();
            self.news.remove(&News::Claims);
        }
        Ok(())
    }

    async fn read_set(&mut self, now: u64) -> Result<(), ReadError> {
        let read = self.market.data_set(self.me).await?;
        let clock = Clock { origin: read.set.origin, period_seconds: read.set.periodSeconds };
        let mut own = OwnSet {
            clock,
            opened_periods: read.set.openedPeriods,
            challenge_block: read.set.challengeBlock,
            is_proven: false,
            last_proven: self.set.last_proven,
        };
        self.period = clock.period_at(now);
        if let Some(period) = self.period {
            own.is_proven =
                self.market.proven(&[(self.me, period)]).await?.first().copied().unwrap_or_default();
            if own.is_proven {
                own.last_proven = Some(period);
            }
        }
        self.set = own;
        self.clocks.insert(self.me, clock);
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
        let (mut asked, mut due, mut looked) = (BTreeSet::new(), Vec::new(), Vec::new());
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
            if clock.period_seconds == 0 || now < clock.end_of(next) {
                continue;
            }
            if self.proven.get(&provider).is_some_and(|periods| periods.contains(&next)) {
                self.checked.insert(id, next + 1);
                looked.push(id);
            } else if !self.stale.contains_key(&id) {
                asked.insert((provider, next));
                due.push((id, provider, next));
            }
        }
        let asked: Vec<_> = asked.into_iter().collect();
        let proven: BTreeMap<_, _> = asked.iter().copied().zip(self.market.proven(&asked).await?).collect();
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

    /// The piece of a deal, and where its siblings are: with the providers of the object's other
    /// deals. Who lost a deal may have the bytes all the same, and some may be here.
    pub(super) async fn missing_piece(&self, id: DealId) -> Option<MissingPiece> {
        let deal = self.deals.get(&id)?;
        let siblings: Vec<&StorageDeals::Deal> = self
            .deals
            .iter()
            .filter(|(other_id, other)| {
                **other_id != id
                    && other.client == deal.client
                    && other.terms.group == deal.terms.group
                    && (Stage::of(other.state).is_running() || Stage::of(other.state) == Stage::Lost)
            })
            .map(|(_, other)| other)
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
