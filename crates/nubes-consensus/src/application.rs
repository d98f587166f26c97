//! Turns consensus' questions (propose? verify? final!) into calls of the [`StateMachine`].
//!
//! Execution happens here, inside propose and verify: a certificate over a block is a certificate over its state root.
//! A slow execution runs on the runtime's blocking threads, so that votes keep flowing.
//!
//! Idle pacing: a leader with nothing to do waits for a transaction or for the heartbeat, whichever comes first. The
//! heartbeat is shorter than the leader timeout, so that waiting never looks like being dead.

use crate::{
    block::{Block, BlockContext, commitment, hash_of},
    machine::{MachineError, Slot, StateMachine},
};
use alloy_primitives::B256;
use commonware_actor::Feedback;
use commonware_consensus::{
    Application, Heightable as _, Reporter,
    marshal::{Update, ancestry::Ancestry},
};
use commonware_cryptography::{Digested, Digestible as _, Hasher as _, Sha256, ed25519::PublicKey};
use commonware_cryptography::certificate::Scheme;
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact, channel::mpsc};
use futures::StreamExt as _;
use std::{
    marker::PhantomData,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tracing::{error, warn};

/// A final block and the acknowledgement that consensus waits for.
pub(crate) type Final = (Digested<Block>, Exact);

/// Blocks that may be executed to reach an unknown parent in one question: what a restarted validator has to catch up
/// on above its final head, which the certification depth of simplex keeps far below this.
const CATCH_UP_BLOCKS_MAX: usize = 256;

pub(crate) struct App<S> {
    machine: Arc<dyn StateMachine>,
    heartbeat: Duration,
    finals: mpsc::UnboundedSender<Final>,
    scheme: PhantomData<fn() -> S>,
}

impl<S> Clone for App<S> {
    fn clone(&self) -> Self {
        Self {
            machine: Arc::clone(&self.machine),
            heartbeat: self.heartbeat,
            finals: self.finals.clone(),
            scheme: PhantomData,
        }
    }
}

impl<S> App<S> {
    pub(crate) fn new(
        machine: Arc<dyn StateMachine>,
        heartbeat: Duration,
        finals: mpsc::UnboundedSender<Final>,
    ) -> Self {
        Self { machine, heartbeat, finals, scheme: PhantomData }
    }

    /// Makes the machine know `parent`, executing as many of its ancestors as that takes.
    async fn reach<E: Spawner>(&self, rt: &E, parent: Digested<Block>, ancestry: &mut impl Ancestry<Block>) -> Option<()> {
        let mut unknown = Vec::new();
        let mut at = parent;
        while !self.machine.knows(&at.inner().hash()) {
            if unknown.len() == CATCH_UP_BLOCKS_MAX {
                warn!(blocks = unknown.len(), "parent is too far from the final head");
                return None;
            }
            unknown.push(at);
            at = ancestry.next().await?;
        }
        for block in unknown.into_iter().rev() {
            if let Err(error) = self.execute(rt, block.inner().clone()).await {
                warn!(%error, "an ancestor cannot be executed");
                return None;
            }
        }
        Some(())
    }

    async fn execute<E: Spawner>(&self, rt: &E, block: Block) -> Result<(), MachineError> {
        let machine = Arc::clone(&self.machine);
        blocking(rt, move || machine.execute(block.eth(), block.hash())).await
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
async fn blocking<E: Spawner, T: Send + 'static>(rt: &E, work: impl FnOnce() -> T + Send + 'static) -> T
where
    T: From<Cancelled>,
{
    let handle = rt.child("execution").shared(true).spawn(move |_| async move { work() });
    handle.await.unwrap_or_else(|_| T::from(Cancelled))
}

/// The runtime is shutting down.
pub(crate) struct Cancelled;

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
        let hash = parent.inner().hash();
        let seed = seed_after(parent.inner());
        self.reach(&rt, parent, &mut ancestry).await?;
        self.pace(&rt, &hash).await;
        let timestamp = rt.current().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let slot = Slot { parent: hash, context: commitment(&context), seed, timestamp };
        let machine = Arc::clone(&self.machine);
        match blocking(&rt, move || machine.build(&slot)).await {
            Ok(eth) => {
                let block = Block::new(context, eth);
                let digest = block.digest();
                Some(Digested::precomputed(block, digest))
            }
            Err(error) => {
                warn!(%error, "no block was built");
                None
            }
        }
    }

    async fn verify(&mut self, (rt, _): (E, BlockContext), mut ancestry: impl Ancestry<Block>) -> bool {
        let Some(block) = ancestry.next().await else { return false };
        if self.machine.knows(&block.inner().hash()) {
            return true;
        }
        let Some(parent) = ancestry.next().await else { return false };
        if block.inner().eth().header.mix_hash != seed_after(parent.inner()) {
            return false;
        }
        if self.reach(&rt, parent, &mut ancestry).await.is_none() {
            // Not proven invalid: this validator abstains, the others decide.
            return std::future::pending().await;
        }
        match self.execute(&rt, block.inner().clone()).await {
            Ok(()) => true,
            Err(error @ MachineError::Invalid { .. }) => {
                warn!(%error, height = block.height().get(), "rejected a block");
                false
            }
            Err(error) => {
                error!(%error, "cannot verify");
                std::future::pending().await
            }
        }
    }
}

/// The seed (PREVRANDAO) of the block after `parent`. Everybody can check it. It is unpredictable only as far as the
/// parent's hash is: a leader can still choose among the blocks it could have built.
fn seed_after(parent: &Block) -> B256 {
    let digest = Sha256::hash(&[b"nubes seed", parent.hash().as_slice(), commitment(parent.context_ref()).as_slice()]);
    hash_of(&digest)
}

impl<S: Scheme + 'static> Reporter for App<S> {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        if let Update::Block(block, ack) = update {
            // Refused only when the finalizer has stopped; then nothing is acknowledged and all comes again.
            let _ = self.finals.send((block, ack));
        }
        Feedback::Ok
    }
}

/// Makes final blocks durable, in order, and acknowledges each only then.
///
/// Returns at the first failure of the store: a validator that cannot keep what is final must stop.
pub(crate) async fn finalize<E: Spawner>(
    rt: E,
    machine: Arc<dyn StateMachine>,
    mut finals: mpsc::UnboundedReceiver<Final>,
) -> MachineError {
    while let Some((block, ack)) = finals.recv().await {
        let machine = Arc::clone(&machine);
        let (eth, hash) = (Arc::clone(block.inner().eth()), block.inner().hash());
        if let Err(error) = blocking(&rt, move || machine.finalize(&eth, hash)).await {
            error!(%error, height = block.height().get(), "a final block cannot be kept");
            return error;
        }
        ack.acknowledge();
    }
    MachineError::Stopped
}
