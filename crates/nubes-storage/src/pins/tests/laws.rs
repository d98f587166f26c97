use super::{leaf, notes};
use crate::pins::{
    META_ENTRIES_MAX, Mode, NAME_CHARS_MAX, ORIGINS_MAX, Pin, PinError, PinId, Pins, Status, Wish, WishError,
};
use cid::Cid;
use nubes_base::{Clock, Timestamp};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A clock that stands still, as one that was set back does.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(1_000)
    }
}

#[derive(Clone, Debug)]
enum Change {
    Add { cid: usize, mode: Mode, status: Status },
    Ensure { cid: usize, mode: Mode, name: Option<String>, status: Status },
    Replace { pin: usize, cid: usize },
    Settle { pin: usize, status: Status },
    Remove { pin: usize },
    RemoveCid { cid: usize },
    Reopen,
}

fn change() -> impl Strategy<Value = Change> {
    let mode = || prop_oneof![Just(Mode::Recursive), Just(Mode::Direct)];
    let status = || prop::sample::select(Status::ALL.to_vec());
    prop_oneof![
        (0..4_usize, mode(), status()).prop_map(|(cid, mode, status)| Change::Add { cid, mode, status }),
        (0..4_usize, mode(), prop::option::of("[a-c]"), status())
            .prop_map(|(cid, mode, name, status)| Change::Ensure { cid, mode, name, status }),
        (0..8_usize, 0..4_usize).prop_map(|(pin, cid)| Change::Replace { pin, cid }),
        (0..8_usize, status()).prop_map(|(pin, status)| Change::Settle { pin, status }),
        (0..8_usize).prop_map(|pin| Change::Remove { pin }),
        (0..4_usize).prop_map(|cid| Change::RemoveCid { cid }),
        Just(Change::Reopen),
    ]
}

fn cid(number: usize) -> Cid {
    *leaf(&number.to_string()).cid()
}

fn open(path: &Path) -> Pins {
    Pins::open(path, Arc::new(Still)).unwrap()
}

/// What the table should hold.
#[derive(Default)]
struct Model {
    pins: BTreeMap<PinId, Pin>,
    last: Option<PinId>,
}

impl Model {
    fn nth(&self, pin: usize) -> PinId {
        self.pins.keys().nth(pin).copied().unwrap_or(PinId(7))
    }

    fn added(&mut self, pin: Pin) {
        assert!(self.last.is_none_or(|last| last < pin.id), "ids rise");
        self.last = Some(pin.id);
        assert!(self.pins.insert(pin.id, pin).is_none(), "an id is given once");
    }

    fn apply(&mut self, pins: &Pins, change: Change) {
        match change {
            Change::Add { cid: number, mode, status } => {
                self.added(pins.add(Wish::new(cid(number), mode), status).unwrap());
            }
            Change::Ensure { cid: number, mode, name, status } => {
                let wish = Wish::new(cid(number), mode).named(name).unwrap();
                self.ensure(pins, &wish, status);
            }
            Change::Replace { pin, cid: number } => {
                let id = self.nth(pin);
                let made = pins.replace(id, Wish::new(cid(number), Mode::Recursive), Status::Queued).unwrap();
                assert_eq!(made.is_some(), self.pins.remove(&id).is_some());
                if let Some(pin) = made {
                    self.added(pin);
                }
            }
            Change::Settle { pin, status } => {
                let (id, details) = (self.nth(pin), Some("because".to_owned()));
                let known = self.pins.get_mut(&id);
                assert_eq!(pins.settle(id, status, details.clone()).unwrap(), known.is_some());
                if let Some(pin) = known {
                    (pin.status, pin.details) = (status, details);
                }
            }
            Change::Remove { pin } => {
                let id = self.nth(pin);
                assert_eq!(pins.remove(id).unwrap(), self.pins.remove(&id).is_some());
            }
            Change::RemoveCid { cid: number } => {
                let removed = pins.remove_cid(&cid(number)).unwrap();
                let before = self.pins.len();
                self.pins.retain(|_, pin| *pin.wish.cid() != cid(number));
                assert_eq!(removed.len(), before - self.pins.len());
            }
            Change::Reopen => {}
        }
    }

    fn ensure(&mut self, pins: &Pins, wish: &Wish, status: Status) {
        let cid = *wish.cid();
        let of = |mode| self.pins.values().find(move |pin| *pin.wish.cid() == cid && pin.wish.mode() == mode);
        let (known, recursive) = (of(wish.mode()).cloned(), of(Mode::Recursive).is_some());
        let pin = pins.ensure(wish.clone(), status);
        if wish.mode() == Mode::Direct && recursive {
            assert!(matches!(pin, Err(PinError::Recursive { .. })));
            return;
        }
        let pin = pin.unwrap();
        let Some(known) = known else { return self.added(pin) };
        assert_eq!(known.id, pin.id, "no second pin of the same kind");
        assert_eq!(pin.wish.name(), wish.name().or(known.wish.name()));
        let kept = match (known.status, status) {
            (_, Status::Pinned) => Status::Pinned,
            (Status::Failed, new) => new,
            (old, _) => old,
        };
        assert_eq!(pin.status, kept);
        self.pins.insert(pin.id, pin);
    }

    fn check(&self, pins: &Pins) {
        let mut all = Vec::new();
        pins.newest_first(|pin| {
            all.push(pin);
            true
        })
        .unwrap();
        assert!(all.iter().eq(self.pins.values().rev()));
        let waiting: Vec<_> =
            self.pins.values().filter(|pin| pin.status.is_waiting()).map(|pin| pin.id).collect();
        assert_eq!(pins.waiting(usize::MAX, |_| true).unwrap(), waiting);
        for number in 0..4 {
            let of: Vec<_> =
                self.pins.values().filter(|pin| *pin.wish.cid() == cid(number)).cloned().collect();
            assert_eq!(pins.of(&cid(number)).unwrap(), of);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_table_is_what_was_done_to_it(changes in prop::collection::vec(change(), 0..24)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pins.redb");
        let (mut pins, mut model) = (open(&path), Model::default());
        for change in changes {
            if matches!(change, Change::Reopen) {
                drop(pins);
                pins = open(&path);
            }
            model.apply(&pins, change);
            model.check(&pins);
        }
    }
}

#[test]
fn everything_that_was_wished_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pins.redb");
    let wish = Wish::new(cid(1), Mode::Recursive).named(Some("café".to_owned())).unwrap();
    let wish = wish.with_origins(vec!["/ip4/192.0.2.1/tcp/1".to_owned()]).unwrap();
    let wish = wish.with_meta(notes(&[("app", "blog"), ("", "empty")])).unwrap();
    let pin = open(&path).add(wish, Status::Pinning).unwrap();
    assert_eq!(open(&path).get(pin.id).unwrap(), Some(pin));
}

#[test]
fn wishes_over_the_limits_are_refused() {
    let wish = || Wish::new(cid(1), Mode::Recursive);
    let name = |chars| Some("é".repeat(chars));
    assert!(wish().named(name(NAME_CHARS_MAX)).is_ok());
    assert_eq!(wish().named(name(NAME_CHARS_MAX + 1)), Err(WishError::Name));
    let origins = |count| vec!["/p2p/x".to_owned(); count];
    assert!(wish().with_origins(origins(ORIGINS_MAX)).is_ok());
    assert_eq!(wish().with_origins(origins(ORIGINS_MAX + 1)), Err(WishError::Origins));
    assert_eq!(wish().with_origins(vec!["x".repeat(2000)]), Err(WishError::Origins));
    let meta = |count: usize| (0..count).map(|at| (at.to_string(), String::new())).collect();
    assert!(wish().with_meta(meta(META_ENTRIES_MAX)).is_ok());
    assert_eq!(wish().with_meta(meta(META_ENTRIES_MAX + 1)), Err(WishError::Meta));
    assert_eq!(wish().with_meta(notes(&[("x", &"y".repeat(70_000))])), Err(WishError::Meta));
}
