//! Looks over the machines' shoulders and keeps book of what they promised.

use super::{Outcome, SimulationError, cluster::Ended};
use crate::machine::{EthBlock, MachineError, Slot, StateMachine};
use alloy_primitives::B256;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Notify;

/// The book of one run, which outlives every validator in it.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Mutex<Book>>);

// Shared by the machines of all validators, which consensus calls synchronously: there is no task to ask.
#[derive(Debug)]
struct Book {
    finals: BTreeMap<u64, B256>,
    seats: Vec<Seat>,
    violation: Option<SimulationError>,
}

#[derive(Clone, Debug, Default)]
struct Seat {
    lives: u32,
    durable: u64,
}

impl Watch {
    pub(super) fn new(validators: u32) -> Self {
        let seats = (0..validators).map(|_| Seat::default()).collect();
        Self(Arc::new(Mutex::new(Book { finals: BTreeMap::new(), seats, violation: None })))
    }

    /// The first thing that went wrong.
    pub(super) fn violation(&self) -> Option<SimulationError> {
        self.0.lock().violation.take()
    }

    pub(super) fn is_violated(&self) -> bool {
        self.0.lock().violation.is_some()
    }

    pub(super) fn accuse(&self, violation: SimulationError) {
        self.0.lock().violation.get_or_insert(violation);
    }

    /// Counts the lives of a validator.
    pub(super) fn next_life(&self, validator: usize) -> u32 {
        let mut book = self.0.lock();
        let Some(seat) = book.seats.get_mut(validator) else { return 0 };
        let life = seat.lives;
        seat.lives += 1;
        life
    }

    pub(super) fn watched(&self, validator: usize, machine: Arc<dyn StateMachine>) -> Watched {
        let head = machine.head().0;
        let durable = self.0.lock().seats.get(validator).map_or(0, |seat| seat.durable);
        if head < durable {
            self.accuse(SimulationError::Lost { validator, durable, head });
        }
        Watched { validator, machine, watch: self.clone() }
    }

    fn made_final(&self, validator: usize, height: u64, hash: B256) {
        let mut book = self.0.lock();
        if let Some(seat) = book.seats.get_mut(validator) {
            seat.durable = seat.durable.max(height);
        }
        let one = *book.finals.entry(height).or_insert(hash);
        if one != hash {
            book.violation.get_or_insert(SimulationError::Fork { height, one, other: hash });
        }
    }

    pub(super) fn outcome(&self, ended: Ended) -> Outcome {
        let book = self.0.lock();
        Outcome {
            auditor: ended.auditor,
            heights: book.seats.iter().map(|seat| seat.durable).collect(),
            hashes: book.finals.values().copied().collect(),
            crashes: ended.crashes,
        }
    }
}

/// A machine whose promises are written down.
#[derive(Debug)]
pub(super) struct Watched {
    validator: usize,
    machine: Arc<dyn StateMachine>,
    watch: Watch,
}

impl StateMachine for Watched {
    fn genesis(&self) -> EthBlock {
        self.machine.genesis()
    }

    fn head(&self) -> (u64, B256) {
        self.machine.head()
    }

    fn knows(&self, hash: &B256) -> bool {
        self.machine.knows(hash)
    }

    fn build(&self, slot: &Slot) -> Result<EthBlock, MachineError> {
        self.machine.build(slot)
    }

    fn execute(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        self.machine.execute(block, hash)
    }

    fn finalize(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        self.machine.finalize(block, hash)?;
        self.watch.made_final(self.validator, block.header.number, hash);
        Ok(())
    }

    fn has_work(&self, parent: &B256) -> bool {
        self.machine.has_work(parent)
    }

    fn work(&self) -> &Notify {
        self.machine.work()
    }

    fn hear(&self, batch: Bytes) {
        self.machine.hear(batch);
    }
}
