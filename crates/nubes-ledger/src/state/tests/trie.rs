//! Random histories, partly final and partly in layers, against `alloy_trie`'s builder of whole tries.

use super::{block, genesis};
use crate::state::{Account, Changes, Layer, NodeStore, Store, StoredBlock, View, apply};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof, root};
use proptest::{collection::vec, prelude::*};
use redb::backends::InMemoryBackend;
use std::{collections::BTreeMap, sync::Arc};

/// Few enough that accounts and slots are met again.
const ACCOUNTS: u8 = 12;
const SLOTS: u8 = 10;

#[derive(Clone, Debug)]
enum Op {
    Balance(u8, u64),
    /// Zero deletes the slot.
    Slot(u8, u8, u64),
    /// Of an account without storage, the only kind that can go since Cancun.
    Delete(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..ACCOUNTS, any::<u64>()).prop_map(|(account, balance)| Op::Balance(account, balance)),
        (0..ACCOUNTS, 0..SLOTS, prop_oneof![Just(0), Just(1), any::<u64>()])
            .prop_map(|(account, slot, value)| Op::Slot(account, slot, value)),
        (0..ACCOUNTS).prop_map(Op::Delete),
    ]
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    balance: U256,
    slots: BTreeMap<U256, U256>,
}

type Model = BTreeMap<Address, Known>;

fn address(name: u8) -> Address {
    Address::with_last_byte(name)
}

fn step(model: &mut Model, op: &Op) -> Option<(Address, Option<(U256, U256)>)> {
    match *op {
        Op::Balance(name, balance) => {
            model.entry(address(name)).or_default().balance = U256::from(balance);
            Some((address(name), None))
        }
        Op::Slot(name, slot, value) => {
            let (slot, value) = (U256::from(slot), U256::from(value));
            let slots = &mut model.entry(address(name)).or_default().slots;
            if value.is_zero() {
                slots.remove(&slot);
            } else {
                slots.insert(slot, value);
            }
            Some((address(name), Some((slot, value))))
        }
        Op::Delete(name) => {
            if model.get(&address(name)).is_some_and(|known| !known.slots.is_empty()) {
                return None;
            }
            model.remove(&address(name));
            Some((address(name), None))
        }
    }
}

fn root_of(model: &Model) -> B256 {
    root::state_root_unhashed(model.iter().map(|(address, known)| (*address, whole(known))))
}

fn whole(known: &Known) -> TrieAccount {
    let slots = known.slots.iter().map(|(slot, value)| (B256::from(*slot), *value));
    TrieAccount {
        nonce: 1,
        balance: known.balance,
        storage_root: root::storage_root_unhashed(slots),
        code_hash: KECCAK256_EMPTY,
    }
}

struct History {
    store: Store,
    layers: Vec<Arc<Layer>>,
    head: Arc<StoredBlock>,
    model: Model,
    past: Vec<(B256, Model)>,
}

impl History {
    fn new() -> Self {
        let (block, changes) = genesis();
        let store = Store::with_backend(InMemoryBackend::new(), &block, &changes).unwrap();
        Self { store, layers: Vec::new(), head: Arc::new(block), model: Model::new(), past: Vec::new() }
    }

    fn view(&self) -> View {
        View::new(self.layers.iter().rev().cloned().collect(), self.store.snapshot().unwrap())
    }

    fn nodes(&self) -> NodeStore {
        self.view().nodes()
    }

    /// Applies `ops` as one block; it becomes final with all before it, or stays a layer.
    fn advance(&mut self, ops: &[Op], becomes_final: bool) {
        let view = self.view();
        let mut changes = Changes::default();
        let touched: Vec<_> = ops.iter().filter_map(|op| step(&mut self.model, op)).collect();
        for (address, slot) in touched {
            changes.storage.extend(slot.map(|(slot, value)| ((address, slot), value)));
            let storage_root =
                view.account(&address).unwrap().map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            let account = self.model.get(&address).map(|known| Account {
                nonce: 1,
                balance: known.balance,
                storage_root,
                code_hash: KECCAK256_EMPTY,
            });
            changes.accounts.insert(address, account);
        }
        let root = apply(view.nodes(), self.head.block.header.state_root, &mut changes).unwrap();
        assert_eq!(root, root_of(&self.model));
        self.head = Arc::new(block(self.head.number() + 1, self.head.hash, root));
        self.layers.push(Arc::new(Layer { stored: Arc::clone(&self.head), changes }));
        self.past.push((root, self.model.clone()));
        if becomes_final {
            for layer in self.layers.drain(..) {
                self.store.commit(&layer.stored, &layer.changes).unwrap();
            }
        }
    }
}

fn check_flat(history: &History) {
    let view = history.view();
    for name in 0..ACCOUNTS {
        let known = history.model.get(&address(name));
        let account = view.account(&address(name)).unwrap();
        assert_eq!(account.map(|account| account.balance), known.map(|known| known.balance));
        assert_eq!(account.map(|account| account.storage_root), known.map(|known| whole(known).storage_root));
        for slot in (0..SLOTS).map(U256::from) {
            let value = known.and_then(|known| known.slots.get(&slot)).copied().unwrap_or_default();
            assert_eq!(view.storage(&address(name), &slot).unwrap(), value);
        }
    }
}

/// Reads and proves every account and slot of an old state, also those that are not there.
fn check_proofs(history: &History, root: B256, model: &Model) {
    let slots: Vec<_> = (0..SLOTS).map(U256::from).collect();
    for address in (0..=ACCOUNTS).map(address) {
        let known = model.get(&address);
        let read = history.nodes().account(root, &address).unwrap();
        assert_eq!(read.map(|account| account.balance), known.map(|known| known.balance));
        let proof = history.nodes().prove(root, &address, &slots).unwrap();
        let expected = known.map(|known| alloy_rlp::encode(whole(known)));
        verify_proof(root, Nibbles::unpack(keccak256(address)), expected, &proof.nodes).unwrap();
        for (slot, value, nodes) in &proof.storage {
            let key = Nibbles::unpack(keccak256(B256::from(*slot)));
            let expected = known.and_then(|known| known.slots.get(slot));
            assert_eq!(*value, expected.copied().unwrap_or_default());
            verify_proof(proof.account.storage_root, key, expected.map(alloy_rlp::encode), nodes).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_values_and_proofs_are_those_of_the_whole_trie(
        blocks in vec((vec(op(), 0..12), any::<bool>()), 1..8), old: prop::sample::Index
    ) {
        let mut history = History::new();
        for (ops, becomes_final) in &blocks {
            history.advance(ops, *becomes_final);
        }
        check_flat(&history);
        let (root, model) = &history.past[old.index(history.past.len())];
        check_proofs(&history, *root, model);
    }
}

#[test]
fn a_state_that_becomes_empty_has_the_empty_root() {
    let mut history = History::new();
    history.advance(&[Op::Balance(1, 1), Op::Balance(2, 2), Op::Slot(1, 1, 1)], true);
    history.advance(&[Op::Slot(1, 1, 0)], false);
    history.advance(&[Op::Delete(1), Op::Delete(2)], true);
    assert_eq!(history.head.block.header.state_root, EMPTY_ROOT_HASH);
    history.advance(&[Op::Balance(3, 3)], true);
    check_flat(&history);
}

#[test]
fn siblings_share_a_parent_and_nothing_else() {
    let mut history = History::new();
    history.advance(&[Op::Balance(1, 1), Op::Slot(1, 1, 1)], true);
    let (view, root) = (history.view(), history.head.block.header.state_root);
    let before = view.account(&address(1)).unwrap().unwrap();
    let sibling = |value: u64| {
        let mut changes = Changes::default();
        changes.accounts.insert(address(1), Some(before));
        changes.storage.insert((address(1), U256::ONE), U256::from(value));
        let root = apply(view.nodes(), root, &mut changes).unwrap();
        let stored = Arc::new(block(2, history.head.hash, root));
        View::new(vec![Arc::new(Layer { stored, changes })], history.store.snapshot().unwrap())
    };
    let (left, right) = (sibling(2), sibling(0));
    assert_eq!(left.storage(&address(1), &U256::ONE).unwrap(), U256::from(2));
    assert_eq!(right.storage(&address(1), &U256::ONE).unwrap(), U256::ZERO);
    assert_eq!(view.storage(&address(1), &U256::ONE).unwrap(), U256::ONE);
}
