//! Puts marshal and simplex together around an application; the same for the real and the simulated network.
//!
//! All state of consensus lies in partitions named after the validator; `start` picks up where the last run ended.

use crate::{application::App, block::Block};
use commonware_broadcast::buffered;
use commonware_consensus::{
    Reporter,
    marshal::{
        self, Update,
        core::Actor as MarshalActor,
        resolver::p2p as marshal_resolver,
        standard::{Deferred, Standard},
    },
    simplex::{
        self,
        config::{ForwardPolicy, SkipPolicy},
        elector,
        scheme::Scheme,
    },
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::certificate::ConstantProvider;
use commonware_cryptography::{Digested, Digestible as _, ed25519::PublicKey, sha256::Digest};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{
    archive::{self, prunable},
    translator::TwoCap,
};
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize};
use rand::CryptoRng;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

const MAILBOX_MAX: NonZeroUsize = NZUsize!(1_024);
const BUFFER_BYTES: NonZeroUsize = NZUsize!(1 << 20);
const CERTIFICATION_TIMEOUT: Duration = Duration::from_secs(2);
/// Views whose votes are kept, so that slow peers can still be answered.
const VIEWS_KEPT: ViewDelta = ViewDelta::new(256);
const ITEMS_PER_SECTION: NonZeroU64 = NZU64!(1_024);
const TIMEOUT_RETRY: Duration = Duration::from_secs(1);
/// A leader that was silent for this much longer than any healthy view takes is skipped without waiting for it.
const SKIP_MARGIN: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
const FETCH_RETRY: Duration = Duration::from_millis(100);
/// Blocks fetched at once by a validator that was away.
const REPAIR_MAX: NonZeroUsize = NZUsize!(64);
const UNACKNOWLEDGED_MAX: NonZeroUsize = NZUsize!(16);

/// A channel of the network: one end to send, one to receive.
pub(crate) type Wire<S, R> = (S, R);

pub(crate) struct Wires<S, R> {
    pub(crate) votes: Wire<S, R>,
    pub(crate) certificates: Wire<S, R>,
    pub(crate) resolver: Wire<S, R>,
    pub(crate) broadcast: Wire<S, R>,
    pub(crate) backfill: Wire<S, R>,
}

pub(crate) struct Plan<C, L, P, B, M> {
    pub(crate) me: PublicKey,
    pub(crate) scheme: C,
    pub(crate) elector: L,
    /// Told of final blocks: the application, or something around it.
    pub(crate) reporter: M,
    pub(crate) genesis: Digested<Block>,
    pub(crate) leader_timeout: Duration,
    pub(crate) peers: P,
    pub(crate) blocker: B,
    pub(crate) partition: String,
}

/// Starts all parts as children of `context`; the handle is the engine's.
pub(crate) async fn start<E, C, L, P, B, M, S, R>(
    context: &E,
    plan: Plan<C, L, P, B, M>,
    app: App<C>,
    wires: Wires<S, R>,
) -> Result<Handle<()>, archive::Error>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    C: Scheme<Digest, PublicKey = PublicKey>,
    L: elector::Config<C>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    M: Reporter<Activity = Update<Block>>,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let Plan { me, scheme, elector, reporter, genesis, leader_timeout, peers, blocker, partition } = plan;
    let cache = CacheRef::new(NZU16!(16_384), NZUsize!(1_000));
    let (broadcast, buffer) =
        buffered::Engine::new(context.child("broadcast"), broadcast_config(me.clone(), peers.clone()));
    broadcast.start(wires.broadcast);
    let resolver = marshal_resolver::init(
        context.child("resolver"),
        resolver_config(me, peers, blocker.clone()),
        wires.backfill,
    );
    let epocher = FixedEpocher::new(NZU64!(u64::MAX));
    let digest = genesis.inner().digest();
    let certificates = archive(&partition, "certificates", &cache, scheme.certificate_codec_config());
    let certificates = prunable::Archive::init(context.child("certificates"), certificates).await?;
    let blocks =
        prunable::Archive::init(context.child("blocks"), archive(&partition, "blocks", &cache, ())).await?;
    let (marshal, mailbox, _): (MarshalActor<_, Standard<Block>, _, _, _, _, _>, _, _) = MarshalActor::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal_config(scheme.clone(), epocher.clone(), genesis, partition.clone(), cache.clone()),
    )
    .await;
    let certification_timeout = leader_timeout.saturating_add(CERTIFICATION_TIMEOUT);
    let deferred = Deferred::new(context.child("deferred"), app, mailbox, epocher);
    marshal.start(reporter, buffer, resolver);
    let engine = simplex::Engine::new(
        context.child("engine"),
        simplex::Config {
            scheme,
            elector,
            blocker,
            automaton: deferred.clone(),
            relay: deferred.clone(),
            reporter: deferred,
            track_historical_votes: false,
            strategy: Sequential,
            partition: format!("{partition}-simplex"),
            mailbox_size: MAILBOX_MAX,
            epoch: Epoch::zero(),
            floor: simplex::Floor::Genesis(digest),
            replay_buffer: BUFFER_BYTES,
            write_buffer: BUFFER_BYTES,
            page_cache: cache,
            leader_timeout,
            certification_timeout,
            timeout_retry: TIMEOUT_RETRY,
            view_retention: VIEWS_KEPT,
            skip: SkipPolicy::Enabled {
                timeout: certification_timeout.saturating_add(SKIP_MARGIN),
                budget: simplex::SkipBudget::Participants,
            },
            fetch_timeout: NZDuration!(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            forward: ForwardPolicy::Disabled,
        },
    );
    Ok(engine.start(wires.votes, wires.certificates, wires.resolver))
}

fn broadcast_config<P>(me: PublicKey, peers: P) -> buffered::Config<PublicKey, (), P, Sequential>
where
    P: Provider<PublicKey = PublicKey>,
{
    buffered::Config {
        public_key: me,
        mailbox_size: MAILBOX_MAX,
        deque_size: 16,
        priority: true,
        codec_config: (),
        peer_provider: peers,
        strategy: Sequential,
    }
}

fn resolver_config<P, B>(me: PublicKey, peers: P, blocker: B) -> marshal_resolver::Config<PublicKey, P, B>
where
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    marshal_resolver::Config {
        public_key: me,
        peer_provider: peers,
        blocker,
        mailbox_size: MAILBOX_MAX,
        fetch_timeout: NZDuration!(FETCH_TIMEOUT),
        fetch_retry_delay: FETCH_RETRY,
        priority_requests: false,
        priority_responses: false,
    }
}

type MarshalConfig<C> =
    marshal::Config<ConstantProvider<C, Epoch>, FixedEpocher, Sequential, Block, Digested<Block>>;

fn marshal_config<C>(
    scheme: C,
    epocher: FixedEpocher,
    genesis: Digested<Block>,
    partition: String,
    cache: CacheRef,
) -> MarshalConfig<C>
where
    C: Scheme<Digest, PublicKey = PublicKey>,
{
    marshal::Config {
        provider: ConstantProvider::new(scheme),
        epocher,
        start: marshal::Start::Genesis(genesis),
        partition_prefix: partition,
        mailbox_size: MAILBOX_MAX,
        view_retention: VIEWS_KEPT,
        prunable_items_per_section: ITEMS_PER_SECTION,
        page_cache: cache,
        replay_buffer: BUFFER_BYTES,
        key_write_buffer: BUFFER_BYTES,
        value_write_buffer: BUFFER_BYTES,
        block_codec_config: (),
        max_repair: REPAIR_MAX,
        max_pending_acks: UNACKNOWLEDGED_MAX,
        strategy: Sequential,
    }
}

fn archive<C>(partition: &str, name: &str, cache: &CacheRef, codec_config: C) -> prunable::Config<TwoCap, C> {
    prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{partition}-{name}-metadata"),
        key_partition: format!("{partition}-{name}-key"),
        key_page_cache: cache.clone(),
        value_partition: format!("{partition}-{name}-value"),
        compression: None,
        codec_config,
        items_per_section: ITEMS_PER_SECTION,
        key_write_buffer: BUFFER_BYTES,
        value_write_buffer: BUFFER_BYTES,
        replay_buffer: BUFFER_BYTES,
    }
}
