//! A ledger that says what it is told to say, and the law of ledgers.

use crate::must;
use alloy_primitives::{Address, Bytes, U256, keccak256};
use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use nubes_base::port::{CallError, FinalBlock, FinalReceipt, Ledger, Log, Prepared, SubmitError};
use parking_lot::Mutex;
use std::{collections::BTreeMap, io, sync::Arc};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, mpsc};

/// Answers calls from a table and makes blocks on demand. A contract without an answer returns nothing.
#[derive(Debug, Default)]
pub struct FakeLedger {
    // A lock because the port takes `&self`; held for a map operation.
    state: Mutex<State>,
    gate: Arc<RwLock<()>>,
}

#[derive(Debug, Default)]
struct State {
    answers: BTreeMap<(Address, Bytes), Bytes>,
    otherwise: BTreeMap<Address, Bytes>,
    is_unreachable: bool,
    calls: usize,
    blocks: Vec<FinalBlock>,
    followers: Vec<mpsc::UnboundedSender<FinalBlock>>,
}

impl FakeLedger {
    /// `answer` is what `to` returns for `data`, from now on.
    pub fn set_answer(&self, to: Address, data: Bytes, answer: Bytes) {
        self.state.lock().answers.insert((to, data), answer);
    }

    /// `answer` is what `to` returns for all other data.
    pub fn set_otherwise(&self, to: Address, answer: Bytes) {
        self.state.lock().otherwise.insert(to, answer);
    }

    /// Whether calls and transactions fail as if no node answered.
    pub fn set_unreachable(&self, is_unreachable: bool) {
        self.state.lock().is_unreachable = is_unreachable;
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.state.lock().calls
    }

    /// Until the guard is dropped, calls take the answer of their moment but do not return.
    pub async fn hold_calls(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// Makes a final block with these logs.
    pub fn finalize(&self, logs: Vec<Log>) -> FinalBlock {
        let mut state = self.state.lock();
        let number = (state.blocks.len() as u64).saturating_add(1);
        // No real header: the number, so that equal blocks have equal hashes.
        let header = Bytes::from(number.to_be_bytes());
        let block = FinalBlock { number, hash: keccak256(&header), timestamp: number, header, logs };
        state.blocks.push(block.clone());
        state.followers.retain(|follower| follower.send(block.clone()).is_ok());
        block
    }

    /// Ends all streams of blocks, as a ledger that stops does.
    pub fn drop_followers(&self) {
        self.state.lock().followers.clear();
    }
}

#[async_trait]
impl Ledger for FakeLedger {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, CallError> {
        let answer = {
            let mut state = self.state.lock();
            state.calls = state.calls.saturating_add(1);
            if state.is_unreachable {
                return Err(CallError::Unreachable {
                    source: io::Error::from(io::ErrorKind::ConnectionRefused).into(),
                });
            }
            let answer = state.answers.get(&(to, data)).or_else(|| state.otherwise.get(&to));
            answer.cloned().unwrap_or_default()
        };
        drop(self.gate.read().await);
        Ok(answer)
    }

    async fn submit(&self, transaction: Bytes) -> Result<FinalReceipt, SubmitError> {
        if self.state.lock().is_unreachable {
            return Err(SubmitError::Unreachable {
                source: io::Error::from(io::ErrorKind::ConnectionRefused).into(),
            });
        }
        let block = self.finalize(Vec::new());
        let transaction = keccak256(&transaction);
        Ok(FinalReceipt {
            transaction,
            block: block.number,
            success: true,
            gas_used: 21_000,
            fee: U256::ZERO,
            contract: None,
            logs: Vec::new(),
        })
    }

    fn follow(&self) -> BoxStream<'static, FinalBlock> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state.lock().followers.push(sender);
        stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }).boxed()
    }

    async fn block(&self, number: u64) -> Result<Option<FinalBlock>, CallError> {
        let state = self.state.lock();
        Ok(state.blocks.iter().find(|block| block.number == number).cloned())
    }

    async fn prepare(&self, _: Address, _: Address, _: Bytes) -> Result<Prepared, CallError> {
        Ok(Prepared { chain_id: 1, nonce: 0, gas: 21_000, gas_price: 1 })
    }
}

/// The law of [`Ledger`], as assertions. `transactions` are valid, in this order.
pub async fn ledger_laws(ledger: &dyn Ledger, transactions: Vec<Bytes>) {
    let mut blocks = ledger.follow();
    let mut last: Option<FinalBlock> = None;
    for transaction in transactions {
        let receipt = must(ledger.submit(transaction).await);
        // Other blocks may come in between; the receipt's own comes, and none is left out or repeated.
        while last.as_ref().is_none_or(|block| block.number < receipt.block) {
            let Some(block) = blocks.next().await else { unreachable!("blocks come without end") };
            let number = last.as_ref().map_or(block.number, |last| last.number.saturating_add(1));
            assert_eq!(block.number, number, "blocks come in order, each once");
            assert_eq!(keccak256(&block.header), block.hash, "a block's header is the one that was hashed");
            assert_eq!(must(ledger.block(number).await).as_ref(), Some(&block), "a block stays what it was");
            last = Some(block);
        }
    }
    let next = last.map_or(0, |block| block.number.saturating_add(1_000_000));
    assert_eq!(must(ledger.block(next).await), None, "a block that is not yet is none");
}

#[cfg(test)]
mod tests {
    use super::{FakeLedger, ledger_laws};

    #[tokio::test]
    async fn the_fake_keeps_the_law() {
        ledger_laws(&FakeLedger::default(), vec![vec![1].into(), vec![2].into(), vec![3].into()]).await;
    }
}
