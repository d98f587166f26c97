//! The laws of the store on a disk that fails: random operations, faults at any operation, kills and losses of power.

use super::memory_disk::{Fault, MemoryDisk};
use crate::block::Block;
use crate::segments::{Config, GetError, PutError, Store};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path, sync::Arc};

const CONFIG: Config = Config { segment_bytes_max: 8 << 10, ..super::SMALL };
const DIR: &str = "/store";
/// Restarts that may fail one after the other because of faults.
const RESTARTS_MAX: u32 = 40;

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>),
    Get(u8),
    Fail(u8, Fault),
    Full(bool),
    Restart,
    Kill,
    LosePower(u64),
    LoseIndex,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::sample::select(vec![Fault::Io, Fault::NoSpace, Fault::Short, Fault::Torn]);
    let step = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 1..6).prop_map(Step::Put),
        3 => any::<u8>().prop_map(Step::Get),
        3 => (0..40_u8, fault).prop_map(|(after, fault)| Step::Fail(after, fault)),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        2 => any::<u64>().prop_map(Step::LosePower),
        1 => Just(Step::LoseIndex),
    ];
    prop::collection::vec(step, 1..40)
}

/// Small and large ones, so that both ways of writing are met.
pub(super) fn block(id: u8) -> Block {
    let length = if id.is_multiple_of(32) { 40_000 } else { usize::from(id) * 37 % 900 };
    super::block(format!("block {id} {}", "x".repeat(length)))
}

/// What whoever used the store knows of it.
struct World {
    disk: MemoryDisk,
    store: Option<Store>,
    /// Acknowledged or only tried.
    blocks: BTreeMap<u8, bool>,
    full: bool,
}

impl World {
    fn new() -> Self {
        let mut world =
            Self { disk: MemoryDisk::default(), store: None, blocks: BTreeMap::new(), full: false };
        world.open();
        world
    }

    fn open(&mut self) {
        for attempt in 0..RESTARTS_MAX {
            if attempt + 1 == RESTARTS_MAX {
                self.disk.mend();
            }
            match Store::open_on(Arc::new(self.disk.clone()), Path::new(DIR), CONFIG) {
                Ok(store) => {
                    self.store = Some(store);
                    return;
                }
                // A full disk may keep the store from opening, which writes.
                Err(_) if self.full => self.fill(false),
                Err(error) => assert!(self.disk.fired() > 0, "{error}: {error:?}"),
            }
        }
        panic!("the store does not open again");
    }

    fn fill(&mut self, full: bool) {
        self.disk.set_full(full);
        self.full = full;
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    async fn put(&mut self, ids: &[u8]) {
        match self.store().put_many(ids.iter().map(|id| block(*id)).collect()).await {
            Ok(()) => self.blocks.extend(ids.iter().map(|id| (*id, true))),
            Err(error) => {
                for id in ids {
                    self.blocks.entry(*id).or_insert(false);
                }
                let excused = self.full || self.disk.fired() > 0;
                assert!(excused, "a put failed without a fault: {error:?}");
                let full = matches!(error, PutError::Full { .. });
                assert!(full || self.disk.fired() > 0, "a full disk is not called so: {error:?}");
            }
        }
    }

    async fn get(&self, id: u8) {
        let got = self.store().get(block(id).cid()).await;
        match (got, self.blocks.get(&id)) {
            (Ok(bytes), Some(_)) => assert_eq!(bytes, block(id).bytes(), "wrong bytes"),
            (Ok(_), None) => panic!("block {id} was never put"),
            (Err(GetError::NotFound { .. }), Some(false) | None) => {}
            (Err(GetError::Read { .. } | GetError::Index { .. }), _) if self.disk.fired() > 0 => {}
            (Err(error), known) => panic!("block {id}, known as {known:?}: {error:?}"),
        }
    }

    async fn get_all(&self) {
        for id in self.blocks.keys() {
            self.get(*id).await;
        }
    }

    async fn restart(&mut self, end: impl FnOnce(&MemoryDisk)) {
        end(&self.disk);
        self.store = None;
        self.disk.mend();
        self.open();
        self.get_all().await;
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Put(ids) => self.put(ids).await,
            Step::Get(id) => self.get(*id).await,
            Step::Fail(after, fault) => self.disk.fail_after(u64::from(*after), *fault),
            Step::Full(full) => self.fill(*full),
            Step::Restart => {
                self.store().close().await;
                self.restart(|_| ()).await;
            }
            Step::Kill => self.restart(MemoryDisk::kill).await,
            Step::LosePower(seed) => self.restart(|disk| disk.lose_power(*seed)).await,
            Step::LoseIndex => {
                self.restart(|disk| {
                    disk.kill();
                    disk.remove_file(&Path::new(DIR).join("index.redb"));
                })
                .await;
            }
        }
    }
}

fn run(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new();
        for step in steps {
            world.step(step).await;
        }
        world.fill(false);
        world.restart(MemoryDisk::kill).await;
        let all: Vec<u8> = world.blocks.keys().copied().collect();
        world.put(&all).await;
        assert!(world.blocks.values().all(|acknowledged| *acknowledged), "it writes again");
        world.restart(|disk| disk.lose_power(7)).await;
        assert_eq!(world.store().verify_all().await.unwrap().damaged, []);
    });
}

/// More with `NUBES_SOAK=full`.
fn cases() -> u32 {
    if std::env::var_os("NUBES_SOAK").is_some_and(|soak| soak == "full") { 10_000 } else { 128 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_survives_any_fault(steps in steps()) {
        run(&steps);
    }
}
