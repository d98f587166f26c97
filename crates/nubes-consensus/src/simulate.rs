//! A committee in one thread of virtual time: lossy links, partitions, crashes; the same seed gives the same run.
//!
//! The engine is the real one, only clock, network and disk are simulated. A crash takes the machine's memory away:
//! the factory is asked for a machine again and must give one that has nothing but what its last one made durable.
//! Before a block becomes durable, the simulated disk takes a random time, in which a crash may come.
//!
//! Checked without being asked for:
//! - no two validators make different blocks final at one height,
//! - what [`StateMachine::finalize`] made durable is there after a crash,
//! - no machine fails.

mod cluster;
mod watch;

use crate::{
    keys::{CommitteeError, VALIDATORS_MAX},
    machine::{MachineError, StateMachine},
};
use alloy_primitives::B256;
use cluster::{Cluster, Ordered, Threshold};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};
use watch::Watch;

/// Longest run in virtual time. A run that takes longer has stalled.
pub const TIME_MAX: Duration = Duration::from_mins(10);

/// What happens in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    pub seed: u64,
    pub validators: u32,
    /// The run ends when every validator runs and has made this height final.
    pub blocks: u64,
    pub certificates: Certificates,
    pub links: Links,
    /// Must not overlap: the end of each heals all links.
    pub partitions: Vec<Partition>,
    pub crashes: Crashes,
}

impl Scenario {
    /// Four validators with good links, none of which ever fails.
    pub const fn calm(seed: u64, blocks: u64) -> Self {
        let links =
            Links { latency: Duration::from_millis(10), jitter: Duration::from_millis(5), loss_percent: 0 };
        let certificates = Certificates::Ed25519;
        Self {
            seed,
            validators: 4,
            blocks,
            certificates,
            links,
            partitions: Vec::new(),
            crashes: Crashes::None,
        }
    }
}

/// How votes are signed and leaders are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// Cheap, leaders take turns: for many seeds.
    Ed25519,
    /// As in the real network.
    Threshold,
}

/// What messages between any two validators suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    pub latency: Duration,
    pub jitter: Duration,
    pub loss_percent: u8,
}

/// A time in which `group` and the others do not hear each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub from: Duration,
    pub until: Duration,
    pub group: Vec<usize>,
}

/// Who stops without warning, and when it is back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crashes {
    None,
    /// `count` random validators, again and again.
    Random {
        every: Duration,
        downtime: Duration,
        count: usize,
    },
    /// One validator, at a time.
    Once {
        validator: usize,
        at: Duration,
        downtime: Duration,
    },
}

/// What a run led to. Two runs of one scenario are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Digest of every event in the run.
    pub auditor: String,
    /// Final height of each validator.
    pub heights: Vec<u64>,
    /// Final blocks from height 1 on.
    pub hashes: Vec<B256>,
    pub crashes: u64,
}

/// Why a run is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error("two blocks are final at height {height}: {one} and {other}")]
    Fork { height: u64, one: B256, other: B256 },
    #[error("validator {validator} had made height {durable} final, and starts again at {head}")]
    Lost { validator: usize, durable: u64, head: u64 },
    #[error("the machine of validator {validator} failed")]
    Machine {
        validator: usize,
        #[source]
        source: MachineError,
    },
    /// The caller's own check.
    #[error("check failed: {what}")]
    Check { what: String },
    /// Virtual time is up, or the simulator itself panicked.
    #[error("the run did not end: {what}")]
    Stalled { what: String },
    /// The simulator saw something that is not a law of ours.
    #[error("the simulator stopped: {what}")]
    Simulator { what: String },
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    #[error("no such scenario: {what}")]
    Scenario { what: &'static str },
}

/// Makes the machine of a validator, by its index, for one of its lives, counted from 0.
type Make = dyn Fn(usize, u32) -> Arc<dyn StateMachine> + Send + Sync;
/// Looks at the machines of all running validators whenever a block became final.
type Check = dyn Fn(&[Arc<dyn StateMachine>]) -> Result<(), String> + Send + Sync;

/// What the caller brings along.
#[derive(Clone)]
struct Subject {
    make: Arc<Make>,
    check: Arc<Check>,
}

/// Runs `scenario`.
///
/// `make` gives the machine of a validator, by its index, for one of its lives, counted from 0. `check` looks at the
/// machines of all running validators whenever a block became final, and at the end.
pub fn run(
    scenario: &Scenario,
    make: impl Fn(usize, u32) -> Arc<dyn StateMachine> + Send + Sync + 'static,
    check: impl Fn(&[Arc<dyn StateMachine>]) -> Result<(), String> + Send + Sync + 'static,
) -> Result<Outcome, SimulationError> {
    valid(scenario)?;
    let subject = Subject { make: Arc::new(make), check: Arc::new(check) };
    let watch = Watch::new(scenario.validators);
    // The simulator panics when time is up and when a task does.
    let ended = panic::catch_unwind(AssertUnwindSafe(|| match scenario.certificates {
        Certificates::Ed25519 => {
            Ok(cluster::run(Cluster::<Ordered>::new(scenario, subject, watch.clone())?, scenario))
        }
        Certificates::Threshold => {
            Ok(cluster::run(Cluster::<Threshold>::new(scenario, subject, watch.clone())?, scenario))
        }
    }));
    if let Some(violation) = watch.violation() {
        return Err(violation);
    }
    match ended {
        Ok(Ok(Ok(ended))) => Ok(watch.outcome(ended)),
        Ok(Ok(Err(what))) => Err(SimulationError::Simulator { what }),
        Ok(Err(source)) => Err(SimulationError::Committee(source)),
        Err(payload) => Err(SimulationError::Stalled { what: words(payload.as_ref()) }),
    }
}

fn valid(scenario: &Scenario) -> Result<(), SimulationError> {
    let refuse = |what| Err(SimulationError::Scenario { what });
    let exists =
        |validator: usize| u32::try_from(validator).is_ok_and(|validator| validator < scenario.validators);
    if !(1..=VALIDATORS_MAX).contains(&scenario.validators) {
        return refuse("too few or too many validators");
    }
    if scenario.links.loss_percent > 100 {
        return refuse("more than all messages lost");
    }
    if scenario.partitions.iter().any(|cut| cut.from >= cut.until || !cut.group.iter().copied().all(exists)) {
        return refuse("a partition of nobody or of no time");
    }
    match scenario.crashes {
        Crashes::Once { validator, .. } if !exists(validator) => refuse("a crash of nobody"),
        Crashes::Random { every, .. } if every.is_zero() => refuse("crashes all the time"),
        _ => Ok(()),
    }
}

/// What a panic said.
fn words(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
