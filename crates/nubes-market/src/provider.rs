//! A provider's side of the market.
//!
//! The [`Agent`] follows final blocks. Each changes the `book`, what is known of deals and jobs; from the book and the
//! time follow duties, see [`duty`]; each duty is one transaction, or one piece made again. Nothing is remembered that
//! the ledger does not know: an agent that is killed at any moment reads the book anew and goes on.
//!
//! | event | duty |
//! |---|---|
//! | a period began | open it, so that its challenge gets a block |
//! | the challenge's block is final | record its seed and prove, in one transaction |
//! | a piece that is owed is not here | make it from its siblings |
//! | another provider's period ended unproven | say so (`poke`): it loses pay and stake |
//! | a deal is lost and a job open | take it, make the piece, accept the replacement, prove, complete, claim |
//! | a deal ended | erase the piece, and settle its rail |
//!
//! What can go wrong: a transaction that others were faster with is refused, which costs nothing; the duty is looked at
//! again with the next block. Watchers wait in an order that depends on deal and watcher, so that not all of them come at once.

mod act;
mod book;
pub mod duty;
mod join;
#[cfg(test)]
mod tests;

pub use join::{JoinError, Offer, join};

use crate::{account::Account, ledger::Market};
use act::Act;
use alloy_primitives::B256;
use book::Book;
use duty::Duty;
use futures_util::{FutureExt, StreamExt};
use nubes_base::{
    chain,
    port::{FinalBlock, Pieces},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A duty that failed is not tried again for so many seconds of the ledger's time.
const RETRY_SECONDS: u64 = 5;

/// What an agent does besides keeping its own promises.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Whether it watches others and repairs what they lose, for the bounties.
    pub repairs: bool,
}

/// A provider that keeps its promises.
#[derive(Debug)]
pub struct Agent {
    account: Arc<Account>,
    pieces: Arc<dyn Pieces>,
    habits: Habits,
    book: Book,
    waits: BTreeMap<Duty, u64>,
    rebuilds: JoinSet<B256>,
    worked_at: u64,
}

impl Agent {
    pub fn new(account: Arc<Account>, pieces: Arc<dyn Pieces>, habits: Habits) -> Self {
        let market = Market::new(account.ledger().clone());
        let book = Book::new(market, account.address());
        Self { account, pieces, habits, book, waits: BTreeMap::new(), rebuilds: JoinSet::new(), worked_at: 0 }
    }

    /// Works until `stop`. A transaction that was sent is waited for.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut blocks = self.account.ledger().follow();
        loop {
            let block = tokio::select! {
                () = stop.cancelled() => break,
                block = blocks.next() => block,
                Some(done) = self.rebuilds.join_next() => {
                    self.note_rebuild(done);
                    continue;
                }
            };
            let Some(mut block) = block else { break };
            self.book.note(&block);
            // Behind: look at all that is there before anything is done.
            while let Some(Some(next)) = blocks.next().now_or_never() {
                self.book.note(&next);
                block = next;
            }
            // The ledger counts seconds, and duties follow from its time.
            if self.worked_at < block.timestamp {
                self.worked_at = block.timestamp;
                self.work(&block, &stop).await;
            }
        }
        self.rebuilds.shutdown().await;
    }

    async fn work(&mut self, block: &FinalBlock, stop: &CancellationToken) {
        let now = block.timestamp;
        if let Err(error) = self.book.refresh(now, &*self.pieces, self.habits.repairs).await {
            tracing::warn!(error = chain(&error), "the market cannot be read");
            return;
        }
        self.waits.retain(|_, until| now < *until);
        for duty in duty::duties(&self.book.view(block), self.habits.repairs) {
            if stop.is_cancelled() {
                return;
            }
            if self.waits.contains_key(&duty) {
                continue;
            }
            self.waits.insert(duty, now + RETRY_SECONDS);
            match duty {
                Duty::Rebuild { deal } => self.rebuild(deal).await,
                duty => self.perform(duty).await,
            }
        }
    }

    async fn perform(&mut self, duty: Duty) {
        let act = Act { account: &self.account, pieces: &*self.pieces, book: &self.book };
        let done = act.perform(duty).await;
        if done.is_ok() {
            self.book.done(duty);
        }
        tell(duty, &done);
    }

    /// Fetching takes time, in which proofs are due: it runs beside.
    async fn rebuild(&mut self, deal: u64) {
        let Some(missing) = self.book.missing_piece(deal).await else { return };
        if !self.book.begin_rebuild(missing.root) {
            return;
        }
        tracing::info!(deal, siblings = missing.siblings.len(), "making a piece again");
        let pieces = Arc::clone(&self.pieces);
        self.rebuilds.spawn(async move {
            let root = missing.root;
            let done = pieces.rebuild(missing).await;
            if let Err(error) = &done {
                tracing::warn!(deal, error = chain(error), "the piece was not made again");
            }
            root
        });
    }

    fn note_rebuild(&mut self, done: Result<B256, tokio::task::JoinError>) {
        match done {
            Ok(root) => self.book.end_rebuild(root),
            Err(error) => tracing::error!(%error, "making a piece again broke off"),
        }
    }
}

fn tell(duty: Duty, done: &Result<(), act::ActError>) {
    let error = done.as_ref().err();
    // Somebody was faster, or the block was.
    let is_fine = error.is_none_or(act::ActError::is_refusal);
    let error = error.map(|error| chain(error));
    if is_fine {
        tracing::debug!(?duty, refused = error, "duty");
    } else {
        tracing::warn!(?duty, error, "a duty was not done");
    }
}
