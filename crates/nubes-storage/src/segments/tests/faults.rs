//! The laws of the store on a disk that fails: random operations, faults at any operation, kills and losses of power.

use super::memory_disk::{Fault, MemoryDisk};
use crate::block::Block;
use crate::segments::disk::{Access, Disk};
use crate::segments::{Config, GetError, MaintainError, PutError, Recovery, Store};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

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
    /// Keeps the blocks whose number has one of these bits.
    Collect(u8),
    Erase(u8),
    Backup,
    /// A byte of a segment changes by itself.
    Rot(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::sample::select(vec![Fault::Io, Fault::NoSpace, Fault::Short, Fault::Torn]);
    let step = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 1..6).prop_map(Step::Put),
        3 => prop::collection::vec(0..20_u8, 1..6).prop_map(Step::Put),
        3 => any::<u8>().prop_map(Step::Get),
        3 => (0..40_u8, fault).prop_map(|(after, fault)| Step::Fail(after, fault)),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        2 => any::<u64>().prop_map(Step::LosePower),
        1 => Just(Step::LoseIndex),
        3 => any::<u8>().prop_map(Step::Collect),
        2 => (0..20_u8).prop_map(Step::Erase),
        1 => Just(Step::Backup),
        1 => any::<u64>().prop_map(Step::Rot),
    ];
    prop::collection::vec(step, 1..40)
}

/// Small and large ones, so that both ways of writing are met.
pub(super) fn block(id: u8) -> Block {
    let length = if id.is_multiple_of(32) { 40_000 } else { usize::from(id) * 37 % 900 };
    super::block(format!("block {id} {}", "x".repeat(length)))
}

/// What whoever used the store knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Kept,
    /// Tried to put it, or to remove it without erasing it.
    Unknown,
    Erased,
    /// Erasing it failed, maybe halfway.
    HalfErased,
}

impl Known {
    /// After a collection that let go of it.
    fn less(self) -> Self {
        if self == Self::Kept { Self::Unknown } else { self }
    }
}

struct World {
    disk: MemoryDisk,
    store: Option<Store>,
    blocks: BTreeMap<u8, Known>,
    full: bool,
    backups: u32,
    /// Damage is no surprise any more; silence and wrong bytes are.
    rotten: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            disk: MemoryDisk::default(),
            store: None,
            blocks: BTreeMap::new(),
            full: false,
            backups: 0,
            rotten: false,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        for attempt in 0..RESTARTS_MAX {
            if attempt + 1 == RESTARTS_MAX {
                self.disk.mend();
            }
            match Store::open_on(Arc::new(self.disk.mount()), Path::new(DIR), CONFIG) {
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
            Ok(()) => self.blocks.extend(ids.iter().map(|id| (*id, Known::Kept))),
            Err(error) => {
                for id in ids {
                    let known = self.blocks.entry(*id).or_insert(Known::Unknown);
                    *known = if *known == Known::Erased { Known::Unknown } else { *known };
                }
                let excused = self.full || self.disk.fired() > 0;
                assert!(excused, "a put failed without a fault: {error:?}");
                let full = matches!(error, PutError::Full { .. });
                assert!(full || self.disk.fired() > 0, "a full disk is not called so: {error:?}");
            }
        }
    }

    async fn get(&self, id: u8) {
        self.get_from(self.store(), id).await;
    }

    async fn get_from(&self, store: &Store, id: u8) {
        match (store.get(block(id).cid()).await, self.blocks.get(&id)) {
            (Ok(bytes), Some(Known::Kept | Known::Unknown | Known::HalfErased)) => {
                assert_eq!(bytes, block(id).bytes(), "wrong bytes");
            }
            (Err(GetError::NotFound { .. }), Some(Known::Unknown | Known::Erased) | None)
            | (Err(GetError::NotFound { .. } | GetError::Corrupt { .. }), Some(Known::HalfErased)) => {}
            (Err(GetError::Corrupt { damage }), Some(Known::Kept | Known::Unknown)) if self.rotten => {
                assert_eq!(damage.cid, *block(id).cid());
            }
            (Err(GetError::NotFound { .. }), Some(Known::Kept)) if self.rotten => {}
            (Err(GetError::Read { .. } | GetError::Index { .. }), _) if self.disk.fired() > 0 => {}
            (got, known) => panic!("block {id}, known as {known:?}: {got:?}"),
        }
    }

    async fn collect(&mut self, bits: u8) {
        let kept: BTreeSet<_> =
            (0..=u8::MAX).filter(|id| id & bits != 0).map(|id| *block(id).cid().hash()).collect();
        let collected = self.store().collect(&|hash| kept.contains(hash)).await;
        for (id, known) in self.blocks.iter_mut().filter(|(id, _)| **id & bits == 0) {
            if collected.is_ok() {
                let got = self.store.as_ref().unwrap().get(block(*id).cid()).await;
                let is_gone = matches!(got, Err(GetError::NotFound { .. }));
                assert!(is_gone || self.disk.fired() > 0, "block {id} was collected: {got:?}");
            }
            *known = known.less();
        }
        self.excused(collected);
    }

    async fn erase(&mut self, id: u8) {
        let erased = self.store().erase(block(id).cid().hash()).await;
        self.blocks.insert(id, if erased.is_ok() { Known::Erased } else { Known::HalfErased });
        self.excused(erased);
    }

    async fn backup(&mut self) {
        self.backups += 1;
        let to = format!("/backup{}", self.backups);
        let done = self.store().backup(Path::new(&to)).await;
        let disk = Arc::new(self.disk.mount());
        match Store::open_on(disk, Path::new(&to), CONFIG) {
            Ok(copy) if done.is_ok() => {
                for id in self.blocks.keys() {
                    self.get_from(&copy, *id).await;
                }
                assert!(
                    self.disk.fired() > 0 || copy.recovery() == &Recovery::default(),
                    "{:?}",
                    copy.recovery()
                );
            }
            Ok(_) => {}
            Err(error) => assert!(done.is_err() || self.full || self.disk.fired() > 0, "{error:?}"),
        }
        self.excused(done);
    }

    fn excused<T>(&self, done: Result<T, MaintainError>) {
        if let Err(error) = done {
            assert!(self.full || self.disk.fired() > 0, "it failed without a fault: {error:?}");
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
            Step::Collect(bits) => self.collect(*bits).await,
            Step::Erase(id) => self.erase(*id).await,
            Step::Backup => self.backup().await,
            Step::Rot(seed) => {
                self.disk.rot(&Path::new(DIR).join("segments"), *seed);
                self.rotten = true;
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
        assert!(world.blocks.values().all(|known| *known == Known::Kept), "it writes again");
        world.restart(|disk| disk.lose_power(7)).await;
        let mut scrub = world.store().verify_all().await.unwrap();
        scrub.damaged.retain(|damage| !(world.rotten && damage.what.contains("payload is whole")));
        assert_eq!(scrub.damaged, []);
        for id in world.blocks.keys() {
            assert_eq!(world.store().get(block(*id).cid()).await.unwrap(), block(*id).bytes());
        }
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

#[test]
fn an_erased_block_does_not_come_back_as_damaged_when_the_index_found_no_room() {
    use Step::{Collect, Erase, Full, Kill, LoseIndex, Put, Restart};
    run(&[
        Put(vec![0]),
        LoseIndex,
        Put(vec![1]),
        Restart,
        Full(true),
        Kill,
        Put(vec![0]),
        Erase(2),
        Restart,
        Collect(74),
        Erase(0),
    ]);
}

#[tokio::test]
async fn a_segment_that_was_only_named_does_not_hide_what_the_one_before_did_not_sync() {
    let mut world = World::new();
    world.put(&[1]).await;
    // A roll that failed after the name was made leaves this.
    let next = Path::new(DIR).join("segments/00000002.seg");
    world.disk.mount().open(&next, Access::Write).unwrap();
    world.disk.fail_after(1, Fault::Io);
    world.put(&[2]).await;
    assert_eq!((world.blocks[&2], world.disk.fired()), (Known::Unknown, 1));
    world.restart(MemoryDisk::kill).await;
    world.put(&[2]).await;
    world.restart(|disk| disk.lose_power(1)).await;
    assert_eq!(world.store().recovery(), &Recovery::default());
}
