//! Laws of the queue under any history.

use super::waiting;
use crate::pool::queue::Queue;
use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

const SENDERS: u8 = 4;
const BASE_FEE: u64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Insert {
        sender: u8,
        nonce: u64,
        fee: u128,
        tip: u128,
    },
    /// The state's nonce of the sender rises by this much.
    Settle {
        sender: u8,
        by: u64,
    },
    Remove(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..SENDERS, 0..10u64, 90..130u128, 0..40u128)
            .prop_map(|(sender, nonce, fee, tip)| Step::Insert { sender, nonce, fee, tip: tip.min(fee) }),
        1 => (0..SENDERS, 0..3u64).prop_map(|(sender, by)| Step::Settle { sender, by }),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
    ]
}

fn address(sender: u8) -> Address {
    Address::repeat_byte(sender + 1)
}

#[derive(Default)]
struct World {
    queue: Queue,
    nonces: BTreeMap<Address, u64>,
    /// What must be in the queue.
    model: BTreeMap<(Address, u64), B256>,
}

impl World {
    fn nonce(&self, sender: &Address) -> u64 {
        self.nonces.get(sender).copied().unwrap_or_default()
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Insert { sender, nonce, fee, tip } => {
                let sender = address(*sender);
                let next = self.nonce(&sender);
                let transaction = waiting(sender, next + nonce, *fee, *tip);
                let hash = *transaction.inner().hash();
                if self.queue.insert(transaction, next).is_ok() {
                    self.model.insert((sender, next + nonce), hash);
                }
            }
            Step::Settle { sender, by } => {
                let sender = address(*sender);
                let next = self.nonce(&sender) + by;
                self.nonces.insert(sender, next);
                self.queue.settle(&[(sender, B256::ZERO)], &|_| next);
                self.model.retain(|(of, nonce), _| *of != sender || *nonce >= next);
            }
            Step::Remove(index) if !self.model.is_empty() => {
                let keys: Vec<_> = self.model.keys().copied().collect();
                let hash = self.model.remove(index.get(&keys)).unwrap();
                self.queue.remove(&hash);
                self.queue.remove(&hash);
            }
            Step::Remove(_) => {}
        }
    }

    fn check(&self) {
        let content = self.queue.content();
        let held: BTreeMap<_, _> = content
            .iter()
            .flat_map(|(sender, queue)| {
                queue.iter().map(|(nonce, held)| ((*sender, *nonce), *held.inner().hash()))
            })
            .collect();
        assert_eq!(held, self.model);
        assert_eq!(self.queue.len(), self.model.len());
        assert!(
            content.values().all(|queue| !queue.is_empty()),
            "a sender without transactions stays behind"
        );
        for ((sender, nonce), hash) in &self.model {
            let found = self.queue.get(hash).unwrap();
            assert_eq!((found.signer(), found.nonce()), (*sender, *nonce));
        }
        let best = self.queue.best(BASE_FEE, &|sender| self.nonce(sender), usize::MAX);
        self.check_order(&best);
        for count in 1..best.len() {
            let fewer = self.queue.best(BASE_FEE, &|sender| self.nonce(sender), count);
            assert!(fewer.iter().zip(&best).all(|(a, b)| a == b) && fewer.len() == count);
        }
    }

    /// Each is the best of what could run at its place, and nothing that could run is left out.
    fn check_order(&self, best: &[Arc<Recovered<TxEnvelope>>]) {
        let mut next = self.nonces.clone();
        for sender in (0..SENDERS).map(address) {
            next.entry(sender).or_default();
        }
        let tip_of = |sender: &Address, nonce: u64| {
            let held = self.model.get(&(*sender, nonce)).and_then(|hash| self.queue.get(hash))?;
            held.effective_tip_per_gas(BASE_FEE)
        };
        for chosen in best {
            let tips = next.iter().filter_map(|(sender, nonce)| tip_of(sender, *nonce));
            let highest = tips.max();
            let sender = chosen.signer();
            assert_eq!(next[&sender], chosen.nonce(), "a nonce is left out");
            assert_eq!(chosen.effective_tip_per_gas(BASE_FEE), highest, "a better one was there");
            *next.get_mut(&sender).unwrap() += 1;
        }
        assert!(
            next.iter().all(|(sender, nonce)| tip_of(sender, *nonce).is_none()),
            "one that can run is left out"
        );
        for (sender, start) in &self.nonces {
            let first_gap =
                (*start..start + 100).find(|nonce| !self.model.contains_key(&(*sender, *nonce))).unwrap();
            assert_eq!(self.queue.next_nonce(sender, *start), first_gap);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn totals_agree_and_the_order_has_neither_gaps_nor_better_ones_left_out(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut world = World::default();
        for step in &steps {
            world.apply(step);
            world.check();
        }
    }
}
