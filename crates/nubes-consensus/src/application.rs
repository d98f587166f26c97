//! Turns consensus' questions (propose? verify? final!) into calls of the [`StateMachine`].
//!
//! Execution happens here, inside propose and verify: a certificate over a block is a certificate over its state root.
//! A slow execution runs on the runtime's blocking threads, so that votes keep flowing.
//!
//! Idle pacing: a leader with nothing to do waits for a transaction or for the heartbeat, whichever comes first. The
//! heartbeat is shorter than the leader timeout, so that waiting never looks like being dead.

use crate::{
    block::{BLOCK_BYTES_MAX, Block, BlockContext, commitment, hash_of},
    machine::{MachineError, Slot, StateMachine},
};
use alloy_primitives::B256;
use commonware_actor::Feedback;
use commonware_consensus::{
    Application, Heightable as _, Reporter,
    marshal::{Update, ancestry::Ancestry},
};
use commonware_cryptography::certificate::Scheme;
use commonware_cryptography::{Digested, Digestible as _, Hasher as _, Sha256, ed25519::PublicKey};
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact, channel::mpsc};
use futures::StreamExt as _;
use std::{
    marker::PhantomData,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tracing::{error, warn};

/// What the finalizer is told.
pub(crate) enum Event {
    /// A final block, and the acknowledgement that consensus waits for.
    Final(Digested<Block>, Exact),
    /// A question of consensus met a failure that ends the engine.
    Failed(MachineError),
}

/// Ancestors that may be executed to answer one question: what a restarted validator has to catch up on above its
/// final head, which the certification depth of simplex keeps far below this.
const CATCH_UP_BLOCKS_MAX: usize = 256;

pub(crate) struct App<S> {
    machine: Arc<dyn StateMachine>,
    heartbeat: Duration,
    events: mpsc::UnboundedSender<Event>,
    scheme: PhantomData<fn() -> S>,
}

impl<S> Clone for App<S> {
    fn clone(&self) -> Self {
        Self {
            machine: Arc::clone(&self.machine),
            heartbeat: self.heartbeat,
            events: self.events.clone(),
            scheme: PhantomData,
        }
    }
}

impl<S> App<S> {
    pub(crate) fn new(
        machine: Arc<dyn StateMachine>,
        heartbeat: Duration,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self { machine, heartbeat, events, scheme: PhantomData }
    }

    /// Makes the machine know `newest`, executing as many of its ancestors as that takes.
    async fn reach<E: Spawner>(
        &self,
        rt: &E,
        newest: Digested<Block>,
        ancestry: &mut impl Ancestry<Block>,
    ) -> Result<(), MachineError> {
        let knows = |block: &Digested<Block>| self.machine.knows(&block.inner().hash());
        let mut at = newest.clone();
        let mut chain = vec![newest];
        // Below the head nothing is ever known again.
        while !knows(&at) && at.height().get() > self.machine.head().0 && chain.len() <= CATCH_UP_BLOCKS_MAX {
            let parent = at.inner().eth().header.parent_hash;
            at = ancestry.next().await.ok_or(MachineError::UnknownParent { parent })?;
            chain.push(at.clone());
        }
        // Searched from the newest: while ancestors were fetched, the head may have moved up among them.
        let parent = at.inner().eth().header.parent_hash;
        let base = chain.iter().position(knows).ok_or(MachineError::UnknownParent { parent })?;
        chain.truncate(base + 1);
        chain.reverse();
        for pair in chain.windows(2) {
            let [parent, child] = pair else { continue };
            if child.inner().eth().header.mix_hash != seed_after(parent.inner()) {
                let what = "the seed does not follow from the parent".to_owned();
                return Err(MachineError::Invalid { hash: child.inner().hash(), what });
            }
            let (machine, block) = (Arc::clone(&self.machine), child.inner().clone());
            self.escalate(blocking(rt, move || machine.execute(block.eth(), block.hash())).await)?;
        }
        Ok(())
    }

    /// A failed store ends the engine, whoever meets it first.
    fn escalate<T>(&self, result: Result<T, MachineError>) -> Result<T, MachineError> {
        match result {
            Err(error @ MachineError::Store { .. }) => {
                // Refused only when the finalizer has stopped, and the engine with it.
                let _ = self.events.send(Event::Failed(error));
                Err(MachineError::Stopped)
            }
            result => result,
        }
    }

    /// Lets the machine build the block of `slot`.
    async fn build<E: Spawner>(&self, rt: &E, context: BlockContext, slot: Slot) -> Option<Digested<Block>> {
        let machine = Arc::clone(&self.machine);
        let eth = match self.escalate(blocking(rt, move || machine.build(&slot)).await) {
            Ok(eth) => eth,
            Err(error) => {
                warn!(%error, "no block was built");
                return None;
            }
        };
        let block = Block::new(context, eth);
        let bytes = block.rlp_bytes();
        if bytes > BLOCK_BYTES_MAX {
            // Nobody could decode it, and a peer that sends such a thing is blocked.
            error!(bytes, "the machine built a block that is too large");
            return None;
        }
        let digest = block.digest();
        Some(Digested::precomputed(block, digest))
    }

    /// Waits for work, at most until the heartbeat is due.
    async fn pace<E: Clock>(&self, rt: &E, parent: &B256) {
        let heartbeat = rt.sleep(self.heartbeat);
        futures::pin_mut!(heartbeat);
        loop {
            // Registered before the check, so that a transaction arriving in between is not missed.
            let arrival = self.machine.work().notified();
            futures::pin_mut!(arrival);
            arrival.as_mut().enable();
            if self.machine.has_work(parent) {
                return;
            }
            let waited = futures::future::select(arrival, heartbeat.as_mut()).await;
            if matches!(waited, futures::future::Either::Right(_)) {
                return;
            }
        }
    }
}

/// Runs `work` where it may take its time.
pub(crate) async fn blocking<E, T>(rt: &E, work: impl FnOnce() -> T + Send + 'static) -> T
where
    E: Spawner,
    T: From<Cancelled> + Send + 'static,
{
    let handle = rt.child("execution").shared(true).spawn(move |_| async move { work() });
    handle.await.unwrap_or_else(|_| T::from(Cancelled))
}

/// The runtime is shutting down.
pub(crate) struct Cancelled;

impl From<Cancelled> for () {
    fn from(_: Cancelled) -> Self {}
}

impl<T> From<Cancelled> for Result<T, MachineError> {
    fn from(_: Cancelled) -> Self {
        Err(MachineError::Stopped)
    }
}

impl<E, S> Application<E> for App<S>
where
    E: rand::Rng + Spawner + Metrics + Clock + Storage,
    S: Scheme<PublicKey = PublicKey> + 'static,
{
    type SigningScheme = S;
    type Context = BlockContext;
    type Block = Block;
    type Input = ();

    async fn propose(
        &mut self,
        (rt, context): (E, BlockContext),
        mut ancestry: impl Ancestry<Block>,
        (): (),
    ) -> Option<Digested<Block>> {
        let parent = ancestry.next().await?;
        let (hash, seed) = (parent.inner().hash(), seed_after(parent.inner()));
        if let Err(error) = self.reach(&rt, parent, &mut ancestry).await {
            warn!(%error, "nothing to build on");
            return None;
        }
        self.pace(&rt, &hash).await;
        let timestamp = rt.current().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let slot = Slot { parent: hash, context: commitment(&context), seed, timestamp };
        self.build(&rt, context, slot).await
    }

    async fn verify(&mut self, (rt, _): (E, BlockContext), mut ancestry: impl Ancestry<Block>) -> bool {
        let Some(block) = ancestry.next().await else { return false };
        let height = block.height().get();
        match self.reach(&rt, block, &mut ancestry).await {
            Ok(()) => true,
            Err(error @ MachineError::Invalid { .. }) => {
                warn!(%error, height, "rejected a block");
                false
            }
            Err(error) => {
                // Not proven invalid: this validator abstains, the others decide.
                warn!(%error, height, "cannot verify a block");
                std::future::pending().await
            }
        }
    }
}

/// The seed (PREVRANDAO) of the block after `parent`. Everybody can check it. It is unpredictable only as far as the
/// parent's hash is: a leader can still choose among the blocks it could have built.
fn seed_after(parent: &Block) -> B256 {
    let digest =
        Sha256::hash(&[b"nubes seed", parent.hash().as_slice(), commitment(parent.context_ref()).as_slice()]);
    hash_of(&digest)
}

impl<S: Scheme + 'static> Reporter for App<S> {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        if let Update::Block(block, ack) = update {
            // Refused only when the finalizer has stopped; then nothing is acknowledged and all comes again.
            let _ = self.events.send(Event::Final(block, ack));
        }
        Feedback::Ok
    }
}

/// Makes final blocks durable with `settle`, in order, and acknowledges each only then.
///
/// Returns at the first failure: a validator that cannot keep what is final must stop.
pub(crate) async fn finalize<F>(
    mut events: mpsc::UnboundedReceiver<Event>,
    mut settle: impl FnMut(Digested<Block>) -> F + Send,
) -> MachineError
where
    F: Future<Output = Result<(), MachineError>> + Send,
{
    while let Some(event) = events.recv().await {
        let (block, ack) = match event {
            Event::Final(block, ack) => (block, ack),
            Event::Failed(error) => return error,
        };
        let height = block.height().get();
        if let Err(error) = settle(block).await {
            error!(%error, height, "a final block cannot be kept");
            return error;
        }
        ack.acknowledge();
    }
    MachineError::Stopped
}

/// Makes one block final in the machine, where it may take its time.
pub(crate) async fn settle<E: Spawner>(
    rt: &E,
    machine: Arc<dyn StateMachine>,
    block: Digested<Block>,
) -> Result<(), MachineError> {
    blocking(rt, move || machine.finalize(block.inner().eth(), block.inner().hash())).await
}
