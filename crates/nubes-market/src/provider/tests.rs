//! Duties from what is known: deals and jobs in, duties out.

use super::duty::{Clock, Duty, OwnSet, View, duties};
use crate::ledger::{DealId, Stage};
use alloy_primitives::{Address, B256, U256};
use nubes_contracts::{RepairJobs, StorageDeals};
use std::collections::{BTreeMap, BTreeSet};

const ME: Address = Address::repeat_byte(1);
const OTHER: Address = Address::repeat_byte(2);
const ORIGIN: u64 = 1_000;
const PERIOD: u64 = 10;
const JOB_OPEN: u8 = 1;
const JOB_TAKEN: u8 = 2;

/// What a test changes; the rest is a provider with nothing to do in the middle of its fifth period.
struct World {
    now: u64,
    head: u64,
    set: OwnSet,
    deals: BTreeMap<DealId, StorageDeals::Deal>,
    jobs: BTreeMap<DealId, RepairJobs::Job>,
    stale: BTreeMap<DealId, u64>,
    here: BTreeSet<B256>,
    rebuilding: BTreeSet<B256>,
    unsettled: BTreeSet<DealId>,
    claimable: bool,
    takes_deals: bool,
}

impl World {
    fn new() -> Self {
        Self {
            now: ORIGIN + 4 * PERIOD + 5,
            head: 100,
            set: OwnSet {
                clock: Clock { origin: ORIGIN, period_seconds: PERIOD },
                opened_periods: 5,
                challenge_block: 90,
                is_proven: true,
                last_proven: Some(4),
            },
            deals: BTreeMap::new(),
            jobs: BTreeMap::new(),
            stale: BTreeMap::new(),
            here: BTreeSet::new(),
            rebuilding: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            claimable: false,
            takes_deals: true,
        }
    }

    fn deal(mut self, id: DealId, provider: Address, stage: Stage) -> Self {
        self.deals.insert(id, deal(provider, stage, u8::try_from(id).unwrap()));
        self
    }

    fn here(mut self, id: DealId) -> Self {
        self.here.insert(self.deals[&id].terms.pieceRoot);
        self
    }

    fn job(mut self, id: DealId, state: u8, taker: Address, replacement: DealId) -> Self {
        let job = RepairJobs::Job {
            state,
            taker,
            deadline: self.now + 30,
            replacementId: U256::from(replacement),
            bounty: U256::from(100),
            deposit: U256::ZERO,
        };
        self.jobs.insert(id, job);
        self
    }

    #[track_caller]
    fn check(&self, repairs: bool, expected: &[Duty]) {
        let view = View {
            me: ME,
            now: self.now,
            head: self.head,
            set: self.set,
            deals: &self.deals,
            jobs: &self.jobs,
            stale: &self.stale,
            here: &self.here,
            rebuilding: &self.rebuilding,
            claimable: self.claimable,
            unsettled: &self.unsettled,
            takes_deals: self.takes_deals,
            piece_bytes_max: 1 << 20,
        };
        assert_eq!(duties(&view, repairs), expected);
    }
}

fn deal(provider: Address, stage: Stage, piece: u8) -> StorageDeals::Deal {
    StorageDeals::Deal {
        terms: StorageDeals::Terms {
            provider,
            pieceRoot: B256::repeat_byte(piece),
            leafCount: 32,
            duration: 1_000,
            acceptBy: 2_000,
            periodSeconds: u32::try_from(PERIOD).unwrap(),
            readOnlySeconds: 10,
            graceSeconds: 10,
            noticeSeconds: 10,
            pricePerSecond: 1,
            class: B256::ZERO,
            region: B256::ZERO,
            group: B256::repeat_byte(9),
        },
        client: Address::repeat_byte(7),
        state: stage as u8,
        missed: 0,
        start: ORIGIN,
        end: ORIGIN + 1_000,
        closedAt: 0,
        firstPeriod: 1,
        nextPeriod: 3,
        lastProven: 0,
        railId: U256::ZERO,
        pieceIndex: U256::ZERO,
    }
}

#[test]
fn a_period_is_opened_once_and_proven_when_its_seed_is_known() {
    let mut world = World::new().deal(0, ME, Stage::Active).here(0);
    world.check(true, &[]);
    world.set.is_proven = false;
    world.check(true, &[Duty::Prove { period: 4, block: 90 }]);
    world.head = 90;
    world.check(true, &[]);
    world.set.opened_periods = 4;
    world.check(true, &[Duty::Open { period: 4 }]);
    // Nothing that is owed now: an opening would be refused.
    World { set: world.set, ..World::new() }.check(true, &[]);
    World { set: world.set, ..World::new().deal(0, ME, Stage::Ended) }.check(true, &[]);
}

#[test]
fn a_piece_that_is_owed_and_gone_is_made_again_once() {
    let mut world = World::new().deal(0, ME, Stage::Grace);
    world.check(false, &[Duty::Rebuild { deal: 0 }]);
    world.rebuilding.insert(B256::repeat_byte(0));
    world.check(false, &[]);
    World::new().deal(0, OTHER, Stage::Active).check(true, &[]);
}

#[test]
fn only_what_nobody_is_owed_is_erased() {
    World::new().deal(0, ME, Stage::Ended).here(0).check(true, &[Duty::Erase { deal: 0 }]);
    World::new().deal(0, ME, Stage::Lost).here(0).check(true, &[Duty::Erase { deal: 0 }]);
    // Its object may have to be repaired from it.
    World::new().deal(0, ME, Stage::Lost).here(0).job(0, JOB_OPEN, Address::ZERO, 0).check(true, &[]);
    for stage in [Stage::Active, Stage::Notice, Stage::Proposed] {
        let mut world = World::new().deal(0, ME, Stage::Ended).deal(1, ME, stage).here(0);
        world.deals.get_mut(&1).unwrap().terms.pieceRoot = B256::repeat_byte(0);
        world.check(true, &[]);
    }
    let mut late = World::new().deal(0, ME, Stage::Ended).deal(1, ME, Stage::Proposed).here(0);
    let proposed = late.deals.get_mut(&1).unwrap();
    (proposed.terms.pieceRoot, proposed.terms.acceptBy) = (B256::repeat_byte(0), late.now - 1);
    late.check(true, &[Duty::Erase { deal: 0 }]);
}

#[test]
fn what_the_ledger_does_not_know_is_told_by_one_after_the_other() {
    let mut world = World::new().deal(0, OTHER, Stage::Active);
    world.stale.insert(0, world.now - PERIOD);
    world.check(true, &[Duty::Poke { deal: 0 }]);
    world.check(false, &[]);
    world.stale.insert(0, world.now + 1);
    world.check(true, &[]);
    // The provider itself is first.
    let mut own = World::new().deal(0, ME, Stage::Active).here(0);
    own.stale.insert(0, own.now);
    own.check(false, &[Duty::Poke { deal: 0 }]);
}

#[test]
fn a_lost_piece_is_for_those_who_have_no_other_first() {
    let mut world = World::new().deal(0, OTHER, Stage::Lost).job(0, JOB_OPEN, Address::ZERO, 0);
    world.deals.get_mut(&0).unwrap().closedAt = world.now - PERIOD;
    world.check(true, &[Duty::Take { job: 0 }]);
    world.check(false, &[]);
    let mut holder = World { now: world.now, ..World::new() }
        .deal(0, OTHER, Stage::Lost)
        .deal(1, ME, Stage::Active)
        .here(1);
    holder = holder.job(0, JOB_OPEN, Address::ZERO, 0);
    holder.deals.get_mut(&0).unwrap().closedAt = holder.now - PERIOD;
    holder.check(true, &[]);
    holder.deals.get_mut(&0).unwrap().closedAt = holder.now - 4 * PERIOD;
    holder.check(true, &[Duty::Take { job: 0 }]);
    holder.takes_deals = false;
    holder.check(true, &[]);
    // Two at once would be two pieces of one object in one place.
    let mut two = World::new().deal(0, OTHER, Stage::Lost).deal(1, OTHER, Stage::Lost);
    two = two.job(0, JOB_OPEN, Address::ZERO, 0).job(1, JOB_OPEN, Address::ZERO, 0);
    two.check(true, &[Duty::Take { job: 0 }]);
    two = two.deal(2, ME, Stage::Proposed).here(2).job(0, JOB_TAKEN, ME, 2);
    two.deals.get_mut(&1).unwrap().closedAt = two.now - PERIOD;
    two.check(true, &[Duty::Accept { deal: 2 }]);
    // Who lost it cannot take it, and what ends soon pays nobody.
    let mut own = World::new().deal(0, ME, Stage::Lost).job(0, JOB_OPEN, Address::ZERO, 0);
    own.check(true, &[]);
    own.deals.get_mut(&0).unwrap().terms.provider = OTHER;
    own.deals.get_mut(&0).unwrap().end = own.now + PERIOD;
    own.check(true, &[]);
}

#[test]
fn a_taken_job_goes_from_bytes_to_deal_to_proof_to_money() {
    let taken =
        |stage: Stage| World::new().deal(0, OTHER, Stage::Lost).deal(1, ME, stage).job(0, JOB_TAKEN, ME, 1);
    taken(Stage::Proposed).check(true, &[Duty::Rebuild { deal: 1 }]);
    taken(Stage::Proposed).here(1).check(true, &[Duty::Accept { deal: 1 }]);
    let mut running = taken(Stage::Active).here(1);
    running.check(true, &[Duty::Complete { job: 0, period: 4 }]);
    running.deals.get_mut(&1).unwrap().firstPeriod = 5;
    running.check(true, &[]);
    let mut paid = World::new();
    paid.claimable = true;
    paid.check(true, &[Duty::Claim]);
    // Somebody else's job that was not done in time is for others.
    let mut late = World::new().deal(0, OTHER, Stage::Lost).job(0, JOB_TAKEN, OTHER, 1);
    late.check(true, &[]);
    late.now += 30 + PERIOD + 1;
    late.set.opened_periods = late.set.clock.period_at(late.now).unwrap() + 1;
    late.check(true, &[Duty::TimeOut { job: 0 }]);
    // A proposal of a client waits for the client's bytes.
    World::new().deal(0, ME, Stage::Proposed).check(true, &[]);
}

#[test]
fn pay_is_collected() {
    let mut world = World::new().deal(0, ME, Stage::Active).here(0);
    world.unsettled.insert(0);
    world.check(true, &[Duty::Settle { deal: 0 }]);
}
