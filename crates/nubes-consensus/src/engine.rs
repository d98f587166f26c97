//! One validator's engine: network, broadcast, marshal, simplex and the application, on a thread and runtime of its own.

use crate::{
    application::{App, Event, finalize, settle},
    block::{BLOCK_BYTES_MAX, Block},
    gossip,
    keys::{Committee, Peer, ValidatorKeys},
    machine::{MachineError, StateMachine},
    wiring::{self, Wires},
};
use ::tokio::sync::oneshot;
use bytes::Bytes;
use commonware_consensus::simplex::{elector, scheme::bls12381_threshold::vrf};
use commonware_cryptography::{
    ChaCha20Poly1305, Digested, Digestible as _, Sha256, Signer as _,
    bls12381::primitives::variant::MinSig,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_p2p::{
    Address, AddressableManager as _, CheckedSender as _, Recipients, Sender, authenticated::lookup,
};
use commonware_runtime::{
    Clock as _, Metrics as _, Quota, Runner as _, Spawner as _, Supervisor as _, tokio,
};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{
    NZU32, NZUsize, TryCollect as _,
    channel::mpsc,
    ordered::{Map, Quorum as _},
    union,
};
use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, thread, time::Duration};

/// Scheme of the real network: threshold BLS with a verifiable random function for the leader.
type Scheme = vrf::Scheme<PublicKey, MinSig>;

/// How peers prove who they are and agree on the keys of a connection.
type Handshake = Cups<Sake<PrivateKey>, ChaCha20Poly1305>;

/// Messages per second and channel. Mailboxes are allocated up front for quota times peers: a high quota costs memory
/// at start.
pub(crate) const MESSAGES_PER_SECOND_MAX: Quota = Quota::per_second(NZU32!(1_000));
/// Room for a few blocks in one message of the backfill.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 3 * 4 * 1024 * 1024;
const DIAL_FREQUENCY: Duration = Duration::from_millis(100);
/// After an attempt a peer is neither dialled nor accepted for this long. Validators that start together dial each other
/// at once and refuse each other for it, or dial before the other listens: the next try must come well before the first
/// leader proposes, or its proposal is lost and a whole view with it.
const REDIAL_PAUSE: Duration = Duration::from_millis(250);
const HANDSHAKE_AGE_MAX: Duration = Duration::from_secs(10);
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);
/// A validator that starts waits this long for those it expects, then begins with those that are there.
const GATHERING_TIME_MAX: Duration = Duration::from_secs(1);
const GATHERING_CHECK: Duration = Duration::from_millis(10);
const METRICS_QUESTIONS_MAX: usize = 8;
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const WORKER_THREADS: usize = 2;

/// What one validator's engine needs.
#[derive(Debug)]
pub struct Config {
    /// Separates chains: signatures of one namespace mean nothing in another.
    pub namespace: Vec<u8>,
    pub keys: ValidatorKeys,
    pub committee: Committee,
    pub peers: Vec<Peer>,
    pub listen: SocketAddr,
    /// Journal and archives of consensus; the machine keeps its own.
    pub storage: PathBuf,
    pub pacing: Pacing,
}

/// How long consensus waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    /// An idle leader proposes an empty block after this.
    pub heartbeat: Duration,
    /// Without a proposal for this long, the view is given up. Longer than the heartbeat.
    pub leader_timeout: Duration,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    thread: Option<thread::JoinHandle<()>>,
    stop: Option<oneshot::Sender<()>>,
    failed: Option<oneshot::Receiver<MachineError>>,
    gossip: mpsc::Sender<Bytes>,
    metrics: mpsc::Sender<oneshot::Sender<String>>,
}

/// Sends transactions to the other validators.
#[derive(Clone, Debug)]
pub struct Gossip(mpsc::Sender<Bytes>);

impl Gossip {
    /// Queues `batch` for all peers. Full queue: dropped, for peers get transactions from several sides and the sender's
    /// own pool keeps them.
    pub fn send(&self, batch: Bytes) {
        let _ = self.0.try_send(batch);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the heartbeat ({heartbeat:?}) must be shorter than the leader timeout ({leader_timeout:?})")]
    Pacing { heartbeat: Duration, leader_timeout: Duration },
    #[error("the keys do not belong to a member of the committee")]
    NotAMember,
    #[error("a peer is listed twice")]
    DuplicatePeer,
    /// Another program listens there.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("no thread for the engine")]
    Thread {
        #[source]
        source: std::io::Error,
    },
}

impl Engine {
    /// Starts the engine on its own thread. It runs until [`Engine::stop`] or until the machine fails.
    pub fn start(config: Config, machine: Arc<dyn StateMachine>) -> Result<Self, StartError> {
        let Pacing { heartbeat, leader_timeout } = config.pacing;
        if heartbeat >= leader_timeout {
            return Err(StartError::Pacing { heartbeat, leader_timeout });
        }
        let parts = Parts::check(&config)?;
        // The engine's own listener reports no error to us; a port in use is found here.
        std::net::TcpListener::bind(config.listen)
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let (stop, stopped) = oneshot::channel();
        let (fail, failed) = oneshot::channel();
        let (gossip, outgoing) = mpsc::channel(gossip::BATCHES_QUEUED_MAX);
        let (metrics, questions) = mpsc::channel(METRICS_QUESTIONS_MAX);
        let run = move || {
            let runtime = tokio::Config::new()
                .with_storage_directory(config.storage.clone())
                .with_worker_threads(WORKER_THREADS);
            tokio::Runner::new(runtime).start(|context| async move {
                context.child("metrics").spawn(|rt| answer(rt, questions));
                let failure = Box::pin(run(context, (config, parts), machine, outgoing, stopped)).await;
                // Nobody listens any more when the node is stopping anyway.
                let _ = failure.map(|error| fail.send(error));
            });
        };
        let thread = thread::Builder::new().name("consensus".to_owned()).spawn(run);
        let thread = thread.map_err(|source| StartError::Thread { source })?;
        Ok(Self { thread: Some(thread), stop: Some(stop), failed: Some(failed), gossip, metrics })
    }

    pub fn gossip(&self) -> Gossip {
        Gossip(self.gossip.clone())
    }

    /// Counters and histograms in the text format of Prometheus; nothing from an engine that has ended.
    pub async fn metrics(&self) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.metrics.send(reply).await.ok()?;
        answer.await.ok()
    }

    /// Resolves when the engine has failed; never, if it stops in order.
    pub async fn failed(&mut self) -> MachineError {
        let Some(failed) = self.failed.as_mut() else { return std::future::pending().await };
        match failed.await {
            Ok(error) => error,
            // The thread ended without a word: it panicked, and the panic is in the log.
            Err(_) if self.stop.is_some() => MachineError::Stopped,
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops in order and waits for the thread. Blocks; call it where that is allowed.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Checked pieces of the configuration.
struct Parts {
    scheme: Scheme,
    peers: Map<PublicKey, Address>,
}

impl Parts {
    fn check(config: &Config) -> Result<Self, StartError> {
        let Committee { members, sharing } = config.committee.clone();
        // The scheme takes any member's share; it must be the share of the seat that this identity has.
        if members.index(&config.keys.signer.public_key()) != Some(config.keys.share.index) {
            return Err(StartError::NotAMember);
        }
        let scheme = Scheme::signer(&config.namespace, members, sharing, config.keys.share.clone());
        let scheme = scheme.ok_or(StartError::NotAMember)?;
        let peers =
            config.peers.iter().map(|peer| (peer.identity.0.clone(), Address::Symmetric(peer.address)));
        let peers = peers.try_collect().map_err(|_| StartError::DuplicatePeer)?;
        Ok(Self { scheme, peers })
    }
}

async fn run(
    context: tokio::Context,
    (config, parts): (Config, Parts),
    machine: Arc<dyn StateMachine>,
    outgoing: mpsc::Receiver<Bytes>,
    stopped: oneshot::Receiver<()>,
) -> Option<MachineError> {
    let signer = config.keys.signer.clone();
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), network_config(&config));
    let _ = oracle.track(0, parts.peers);
    let mut register = |channel| network.register(channel, MESSAGES_PER_SECOND_MAX);
    let wires = Wires {
        votes: register(0),
        certificates: register(1),
        resolver: register(2),
        broadcast: register(3),
        backfill: register(4),
    };
    let mut transactions = register(5);
    let network = network.start();
    gather(&context, &mut transactions.0, config.peers.len()).await;
    let (events, receiver) = mpsc::unbounded_channel::<Event>();
    let app = App::<Scheme>::new(Arc::clone(&machine), config.pacing.heartbeat, events);
    let leader = config.committee.members.iter().next().cloned().unwrap_or_else(|| signer.public_key());
    let genesis = Block::genesis(machine.genesis(), leader);
    let digest = genesis.digest();
    let plan = wiring::Plan {
        me: signer.public_key(),
        scheme: parts.scheme,
        elector: elector::Random::<Sha256>::new(elector::RandomVersion::V1),
        reporter: app.clone(),
        genesis: Digested::precomputed(genesis, digest),
        leader_timeout: config.pacing.leader_timeout,
        peers: oracle.clone(),
        blocker: oracle,
        partition: "validator".to_owned(),
    };
    let engine = match wiring::start(&context, plan, app, wires).await {
        Ok(engine) => engine,
        Err(source) => return Some(MachineError::Store { source: Box::new(source) }),
    };
    let gossip = context.child("gossip").spawn({
        let machine = Arc::clone(&machine);
        move |rt| gossip::run(rt, machine, transactions, outgoing)
    });
    let finalizer = context.child("finalizer").spawn(move |rt| {
        let rt = Arc::new(rt);
        finalize(receiver, move |block| {
            let (rt, machine) = (Arc::clone(&rt), Arc::clone(&machine));
            async move { settle(rt.as_ref(), machine, block).await }
        })
    });
    ::tokio::select! {
        _ = stopped => {
            // Lets tasks that listen for it end; what they do not write is replayed at the next start.
            let _ = context.stop(0, Some(STOP_TIMEOUT)).await;
            None
        }
        failed = finalizer => Some(failed.unwrap_or(MachineError::Stopped)),
        _ = engine => Some(MachineError::Stopped),
        _ = network => Some(MachineError::Stopped),
        _ = gossip => Some(MachineError::Stopped),
    }
}

fn network_config(config: &Config) -> lookup::Config<Handshake> {
    // Peers may be on the same machine or in a private network.
    let mut network = lookup::Config::local(
        handshake(&config.keys.signer),
        &union(&config.namespace, b"_P2P"),
        config.listen,
        NonZeroUsize::new(config.peers.len()).unwrap_or(NonZeroUsize::MIN),
        MESSAGE_BYTES_MAX,
        NZUsize!(1024),
    );
    network.dial_frequency = DIAL_FREQUENCY;
    network.peer_connection_cooldown = REDIAL_PAUSE;
    // Mailboxes are allocated for each set of peers that may be tracked; here is one committee.
    network.tracked_peer_sets = NZUsize!(1);
    network
}

/// Waits for the others of the committee: what a leader proposes before they are connected is lost, and with it the
/// time until everybody has given up its view.
async fn gather<S: Sender>(rt: &tokio::Context, sender: &mut S, peers: usize) {
    let deadline = rt.current() + GATHERING_TIME_MAX;
    let others = peers.saturating_sub(1);
    while rt.current() < deadline {
        let connected = sender.check(Recipients::All).map_or(0, |checked| checked.recipients().len());
        if connected >= others {
            return;
        }
        rt.sleep(GATHERING_CHECK).await;
    }
}

async fn answer(rt: tokio::Context, mut questions: mpsc::Receiver<oneshot::Sender<String>>) {
    while let Some(reply) = questions.recv().await {
        // Whoever asked may have gone.
        let _ = reply.send(rt.encode());
    }
}

fn handshake(signer: &PrivateKey) -> Handshake {
    let sake = Sake {
        signer: signer.clone(),
        synchrony_bound: CLOCK_SKEW_MAX,
        max_handshake_age: HANDSHAKE_AGE_MAX,
        version: sake::Version::V1,
    };
    Cups::new(sake, cups::Version::V1)
}

const _: () = assert!(BLOCK_BYTES_MAX * 2 < MESSAGE_BYTES_MAX as usize);
