//! The engine wired to the simulated network, and a scenario put into the simulator's words.

use super::{Crashes, Links, Partition, Scenario, SimulationError, Subject, TIME_MAX, watch::Watch};
use crate::{
    application::{App, finalize, settle},
    block::Block,
    engine::{MESSAGE_BYTES_MAX, MESSAGES_PER_SECOND_MAX},
    keys::{Committee, CommitteeError, ValidatorKeys, deal_committee},
    machine::{MachineError, StateMachine},
    wiring::{self, Wires},
};
use commonware_consensus::simplex::{
    elector::{self, Random, RandomVersion, RoundRobin},
    scheme::{self, bls12381_threshold::vrf},
};
use commonware_cryptography::{
    Digested, Digestible as _, Sha256, Signer as _, bls12381::primitives::variant::MinSig,
    ed25519::PublicKey, sha256::Digest,
};
use commonware_glue::simulate::{
    action::{Action, Crash, Schedule},
    engine::{ChannelPair, EngineDefinition, InitContext},
    exit::ProcessedHeightAtLeast,
    plan::PlanBuilder,
    processed::ProcessedHeight,
    property::{FinalizationProperty, Property},
    reporter::MonitorReporter,
    tracker::{FinalizationUpdate, ProgressTracker},
};
use commonware_p2p::simulated::{Control, Link, Manager};
use commonware_runtime::{Clock as _, Handle, Quota, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::{Probability, channel::mpsc, probability};
use rand::RngExt as _;
use std::{pin::Pin, sync::Arc, time::Duration};

const NAMESPACE: &[u8] = b"nubes simulation";
const HEARTBEAT: Duration = Duration::from_millis(200);
const LEADER_TIMEOUT: Duration = Duration::from_secs(1);
const CHANNELS: u64 = 5;
/// Longest time that a simulated disk takes for a block. Without it a crash between write and acknowledgement would
/// never come.
const DISK_MS_MAX: u64 = 30;

/// A way to sign votes and to find leaders.
pub(super) trait Signing: Clone + Send + Sync + 'static {
    type Scheme: scheme::Scheme<Digest, PublicKey = PublicKey>;
    type Elector: elector::Config<Self::Scheme>;

    fn scheme(committee: &Committee, keys: &ValidatorKeys) -> Option<Self::Scheme>;
    fn elector() -> Self::Elector;
}

#[derive(Clone)]
pub(super) struct Ordered;

impl Signing for Ordered {
    type Scheme = scheme::ed25519::Scheme;
    type Elector = RoundRobin<Sha256>;

    fn scheme(committee: &Committee, keys: &ValidatorKeys) -> Option<Self::Scheme> {
        Self::Scheme::signer(NAMESPACE, committee.members.clone(), keys.signer.clone())
    }

    fn elector() -> Self::Elector {
        RoundRobin::default()
    }
}

#[derive(Clone)]
pub(super) struct Threshold;

impl Signing for Threshold {
    type Scheme = vrf::Scheme<PublicKey, MinSig>;
    type Elector = Random<Sha256>;

    fn scheme(committee: &Committee, keys: &ValidatorKeys) -> Option<Self::Scheme> {
        let Committee { members, sharing } = committee.clone();
        Self::Scheme::signer(NAMESPACE, members, sharing, keys.share.clone())
    }

    fn elector() -> Self::Elector {
        Random::new(RandomVersion::V1)
    }
}

/// How the simulator ended.
pub(super) struct Ended {
    pub(super) auditor: String,
    pub(super) crashes: u64,
}

#[derive(Clone)]
pub(super) struct Cluster<G: Signing> {
    members: Vec<PublicKey>,
    schemes: Vec<G::Scheme>,
    subject: Subject,
    watch: Watch,
}

impl<G: Signing> Cluster<G> {
    pub(super) fn new(scenario: &Scenario, subject: Subject, watch: Watch) -> Result<Self, CommitteeError> {
        // The committee is the same for all seeds: what varies is what happens to it.
        let (committee, keys) = deal_committee(scenario.validators, [7; 32])?;
        let schemes = keys.iter().filter_map(|keys| G::scheme(&committee, keys)).collect();
        let members = keys.iter().map(|keys| keys.signer.public_key()).collect();
        Ok(Self { members, schemes, subject, watch })
    }

    fn cut(&self, partition: &Partition, links: Links) -> Vec<(Duration, Action<PublicKey>)> {
        let side = |index: usize| partition.group.contains(&index);
        let mut events = Vec::new();
        for (i, from) in self.members.iter().enumerate() {
            for (_, to) in self.members.iter().enumerate().filter(|(j, _)| side(i) != side(*j)) {
                let link = link(Links { loss_percent: 100, ..links });
                let action = Action::UpdateLink { from: from.clone(), to: to.clone(), link };
                events.push((partition.from, action));
            }
        }
        events.push((partition.until, Action::Heal(link(links))));
        events
    }

    fn schedule(&self, scenario: &Scenario) -> Vec<(Duration, Action<PublicKey>)> {
        let cuts = scenario.partitions.iter().flat_map(|partition| self.cut(partition, scenario.links));
        let mut events: Vec<_> = cuts.collect();
        if let Crashes::Once { validator, at, downtime } = scenario.crashes
            && let Some(victim) = self.members.get(validator)
        {
            events.push((at, Action::Crash(victim.clone())));
            events.push((at.saturating_add(downtime), Action::Restart(victim.clone())));
        }
        events.sort_by_key(|(at, _)| *at);
        events
    }
}

fn link(links: Links) -> Link {
    let Links { latency, jitter, loss_percent } = links;
    let success_rate =
        Probability::new(100 - u64::from(loss_percent.min(100)), 100).unwrap_or(probability!(1.0));
    Link { latency, jitter, success_rate }
}

/// Runs the plan. Panics when time is up, as the simulator does.
pub(super) fn run<G: Signing>(cluster: Cluster<G>, scenario: &Scenario) -> Result<Ended, String> {
    let events = cluster.schedule(scenario);
    let mut plan = PlanBuilder::new(cluster)
        .seed(scenario.seed)
        .link(link(scenario.links))
        .exit_condition(ProcessedHeightAtLeast::new(scenario.blocks))
        .timeout(TIME_MAX)
        .finalization_property(Laws)
        .property(Laws);
    if !events.is_empty() {
        plan = plan.crash(Crash::Schedule(Schedule { events }));
    }
    if let Crashes::Random { every, downtime, count } = scenario.crashes {
        plan = plan.crash(Crash::Random { frequency: every, downtime, count });
    }
    let result = plan.build().run()?;
    Ok(Ended { auditor: result.state, crashes: result.crashes })
}

/// One validator, ready to be started.
pub(super) struct Seat<G: Signing> {
    machine: Arc<dyn StateMachine>,
    watch: Watch,
    index: usize,
    scheme: Option<G::Scheme>,
    /// Member that stands in the first block as its leader.
    first: PublicKey,
    me: PublicKey,
    peers: Manager<PublicKey, deterministic::Context>,
    control: Control<PublicKey, deterministic::Context>,
    monitor: mpsc::UnboundedSender<FinalizationUpdate<PublicKey>>,
    channels: Vec<ChannelPair<PublicKey>>,
}

impl<G: Signing> EngineDefinition for Cluster<G> {
    type PublicKey = PublicKey;
    type Engine = (deterministic::Context, Seat<G>);
    type State = Seen;

    fn participants(&self) -> Vec<PublicKey> {
        self.members.clone()
    }

    fn channels(&self) -> Vec<(u64, Quota)> {
        (0..CHANNELS).map(|channel| (channel, MESSAGES_PER_SECOND_MAX)).collect()
    }

    fn max_message_size(&self) -> u32 {
        MESSAGE_BYTES_MAX
    }

    async fn init(&self, ctx: InitContext<'_, PublicKey>) -> (Self::Engine, Seen) {
        let index = ctx.index;
        let life = self.watch.next_life(index);
        let machine = (self.subject.make)(index, life);
        let seen =
            Seen { machine: Arc::clone(&machine), subject: self.subject.clone(), watch: self.watch.clone() };
        let seat = Seat {
            machine: Arc::new(self.watch.watched(index, machine)),
            watch: self.watch.clone(),
            index,
            scheme: self.schemes.get(index).cloned(),
            first: ctx.participants.first().unwrap_or(ctx.public_key).clone(),
            me: ctx.public_key.clone(),
            peers: ctx.oracle.manager(),
            control: ctx.oracle.control(ctx.public_key.clone()),
            monitor: ctx.monitor,
            channels: ctx.channels,
        };
        ((ctx.context, seat), seen)
    }

    /// All parts are children of one task: the crash that takes it takes them all.
    fn start((context, seat): Self::Engine) -> Handle<()> {
        context.spawn(move |context| async move {
            let (index, watch) = (seat.index, seat.watch.clone());
            let source = seat.run(context).await;
            watch.accuse(SimulationError::Machine { validator: index, source });
        })
    }
}

impl<G: Signing> Seat<G> {
    /// Runs until the machine fails.
    async fn run(self, context: deterministic::Context) -> MachineError {
        let Ok([votes, certificates, resolver, broadcast, backfill]) = <[_; 5]>::try_from(self.channels)
        else {
            return MachineError::Stopped;
        };
        let Some(scheme) = self.scheme else { return MachineError::Stopped };
        let (events, receiver) = mpsc::unbounded_channel();
        let app = App::<G::Scheme>::new(Arc::clone(&self.machine), HEARTBEAT, events);
        let genesis = Block::genesis(self.machine.genesis(), self.first);
        let digest = genesis.digest();
        let plan = wiring::Plan {
            me: self.me.clone(),
            scheme,
            elector: G::elector(),
            reporter: MonitorReporter::new(self.me, self.monitor, app.clone()),
            genesis: Digested::precomputed(genesis, digest),
            leader_timeout: LEADER_TIMEOUT,
            peers: self.peers,
            blocker: self.control,
            partition: format!("validator{}", self.index),
        };
        let wires = Wires { votes, certificates, resolver, broadcast, backfill };
        let _engine = match wiring::start(&context, plan, app, wires).await {
            Ok(engine) => engine,
            Err(source) => return MachineError::Store { source: Box::new(source) },
        };
        let (mut disk, rt, machine) =
            (context.child("disk"), Arc::new(context.child("finalizer")), self.machine);
        finalize(receiver, move |block| {
            let pause = Duration::from_millis(disk.random_range(0..DISK_MS_MAX));
            let (rt, machine) = (Arc::clone(&rt), Arc::clone(&machine));
            async move {
                rt.sleep(pause).await;
                settle(rt.as_ref(), machine, block).await
            }
        })
        .await
    }
}

/// What the simulator sees of a validator.
pub(super) struct Seen {
    machine: Arc<dyn StateMachine>,
    subject: Subject,
    watch: Watch,
}

impl ProcessedHeight for Seen {
    async fn processed_height(&self) -> u64 {
        self.machine.head().0
    }
}

/// The laws of the simulation and the caller's check.
#[derive(Clone)]
struct Laws;

fn check(states: &[&Seen]) -> Result<(), String> {
    let Some(first) = states.first() else { return Ok(()) };
    if first.watch.is_violated() {
        return Err("a law is broken".to_owned());
    }
    let machines: Vec<_> = states.iter().map(|seen| Arc::clone(&seen.machine)).collect();
    (first.subject.check)(&machines).inspect_err(|what| {
        first.watch.accuse(SimulationError::Check { what: what.clone() });
    })
}

type Checked<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

impl FinalizationProperty<Seen> for Laws {
    fn name(&self) -> &'static str {
        "laws"
    }

    fn check<'a>(&'a self, states: &'a [&'a Seen]) -> Checked<'a> {
        Box::pin(async move { check(states) })
    }
}

impl Property<PublicKey, Seen> for Laws {
    fn name(&self) -> &'static str {
        "laws at the end"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, states: &'a [&'a Seen]) -> Checked<'a> {
        Box::pin(async move { check(states) })
    }
}
