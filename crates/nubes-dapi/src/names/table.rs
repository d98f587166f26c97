//! What is known of names, and when it stops being true. A pure machine.
//!
//! A name's slot is made when somebody asks for it and filled by whoever asked first. A block that changes
//! the name takes the slot out of the table: those who hold it still get its answer, which was true when they
//! asked; who asks from now on gets a new slot. An answer therefore never outlives the block that makes it
//! wrong.

use super::{Head, Outcome};
use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolEvent;
use lru::LruCache;
use nubes_base::{
    AppName, Timestamp,
    app::RECORD_KEY,
    port::{FinalBlock, Log},
};
use nubes_contracts::{NAME_REGISTRY, NameRegistry, PublicResolver, node_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, LazyLock},
};
use tokio::sync::OnceCell;

static RECORD_KEY_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(RECORD_KEY));

/// One answer of the ledger about one name, given or awaited.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) node: B256,
    /// Of a preview: that of its app, with which it begins anew. Otherwise the same.
    pub(crate) app_node: B256,
    pub(crate) generation: u64,
    pub(crate) outcome: OnceCell<Outcome>,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// Blocks are followed from now on.
    Attached,
    Block(FinalBlock),
    /// Blocks are not followed any more.
    Detached,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// An app has changed: find out to what.
    Resolve(AppName),
    /// A name has got a record, and only the record says which name.
    Meet(Announcement),
}

/// A record as a log tells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) node: B256,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct Table {
    apps: LruCache<AppName, Arc<Slot>>,
    others: LruCache<AppName, Arc<Slot>>,
    head: Option<Head>,
    generation: u64,
}

impl Table {
    pub(crate) fn new(apps_max: NonZeroUsize, others_max: NonZeroUsize) -> Self {
        Self { apps: LruCache::new(apps_max), others: LruCache::new(others_max), head: None, generation: 0 }
    }

    pub(crate) const fn head(&self) -> Option<Head> {
        self.head
    }

    pub(crate) fn apps_known(&self) -> usize {
        self.apps.len()
    }

    /// The slot to read the answer from, or to fill.
    pub(crate) fn slot(&mut self, name: &AppName) -> Arc<Slot> {
        if let Some(slot) = self.apps.get(name).or_else(|| self.others.get(name)) {
            return Arc::clone(slot);
        }
        self.generation = self.generation.saturating_add(1);
        let (node, app_node) = (node_of(&name.on_ledger()), node_of(name.app()));
        let slot = Slot { node, app_node, generation: self.generation, outcome: OnceCell::new() };
        let slot = Arc::new(slot);
        // Without blocks nobody would tell when the answer stops being true.
        if self.head.is_some() {
            self.others.put(name.clone(), Arc::clone(&slot));
        }
        slot
    }

    /// Keeps the answer of `slot`, unless a block has overtaken it or it may change without a block. Tells
    /// whether it did.
    pub(crate) fn settle(&mut self, name: &AppName, slot: &Arc<Slot>, outcome: &Outcome) -> bool {
        if !self.others.peek(name).is_some_and(|held| Arc::ptr_eq(held, slot)) {
            return false;
        }
        if outcome.as_ref().is_err_and(|error| error.is_lasting()) {
            return true;
        }
        self.others.pop(name);
        if outcome.is_ok() {
            self.apps.put(name.clone(), Arc::clone(slot));
        }
        outcome.is_ok()
    }

    pub(crate) fn step(&mut self, now: Timestamp, event: &Event) -> Vec<Effect> {
        match event {
            Event::Attached => self.restart(Some(Head { number: None, moved_at: now })),
            Event::Detached => self.restart(None),
            Event::Block(block) => {
                self.head = Some(Head { number: Some(block.number), moved_at: now });
                self.apply(touched(&block.logs))
            }
        }
    }

    fn restart(&mut self, head: Option<Head>) -> Vec<Effect> {
        self.apps.clear();
        self.others.clear();
        self.head = head;
        Vec::new()
    }

    fn apply(&mut self, mut touched: BTreeMap<B256, Option<String>>) -> Vec<Effect> {
        if touched.is_empty() {
            return Vec::new();
        }
        let is_touched =
            |slot: &Slot| touched.contains_key(&slot.node) || touched.contains_key(&slot.app_node);
        self.others.retain(|_, slot| !is_touched(slot));
        let mut effects = Vec::new();
        let mut known = BTreeSet::new();
        self.apps.retain(|name, slot| {
            let changed = is_touched(slot);
            if changed {
                effects.push(Effect::Resolve(name.clone()));
                known.insert(slot.node);
            }
            !changed
        });
        touched.retain(|node, _| !known.contains(node));
        let met = touched.into_iter().filter_map(|(node, text)| text.map(|text| Announcement { node, text }));
        effects.extend(met.map(Effect::Meet));
        effects
    }
}

/// The names that the logs change, with their new record if they tell it.
///
/// A name may have a resolver of its own, so records count whoever reports them. A false report costs its
/// author a transaction and this node one look at the ledger.
fn touched(logs: &[Log]) -> BTreeMap<B256, Option<String>> {
    let mut touched = BTreeMap::new();
    for log in logs {
        let (Some(event), Some(node)) = (log.topics.first(), log.topics.get(1)) else { continue };
        let is_resolver = *event == NameRegistry::NewResolver::SIGNATURE_HASH && log.address == NAME_REGISTRY;
        // Who takes a name that has expired may keep its resolver, which then only says that it forgot all records.
        if is_resolver || *event == PublicResolver::VersionChanged::SIGNATURE_HASH {
            touched.entry(*node).or_insert(None);
        } else if *event == PublicResolver::TextChanged::SIGNATURE_HASH
            && log.topics.get(2) == Some(&RECORD_KEY_HASH)
        {
            let text = PublicResolver::TextChanged::decode_raw_log(log.topics.iter().copied(), &log.data);
            touched.insert(*node, text.ok().map(|event| event.value).filter(|text| !text.is_empty()));
        }
    }
    touched
}

#[cfg(test)]
mod tests;
