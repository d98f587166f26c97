//! A network of machines with links that lose, reorder and break: what must hold whatever happens.

use crate::bitswap::*;
use crate::message::{Entry, Kind, Message, Version};
use bytes::Bytes;
use cid::Cid;
use nubes_base::Timestamp;
use nubes_testkit::blocks::raw;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const BLOCKS: usize = 12;
/// Trouble ends after this many steps; then everything must arrive.
const TROUBLED_STEPS: usize = 400;
const STEPS_MAX: usize = 20_000;

#[derive(Clone, Debug)]
struct Plan {
    machines: usize,
    /// Which machine has which block: bit by block.
    has: Vec<u16>,
    wants: Vec<u16>,
    seed: u64,
    /// Of 256.
    loss: u8,
    breaks: u8,
}

fn plans() -> impl Strategy<Value = Plan> {
    (2..=6_usize).prop_flat_map(|machines| {
        let bits = || prop::collection::vec(0..1_u16 << BLOCKS, machines);
        (bits(), bits(), any::<u64>(), 0..100_u8, 0..10_u8).prop_map(
            move |(has, wants, seed, loss, breaks)| Plan { machines, has, wants, seed, loss, breaks },
        )
    })
}

fn content(index: usize) -> Vec<u8> {
    // Every third block is longer than what is sent without being asked for.
    let length = if index.is_multiple_of(3) { 3000 } else { 50 };
    vec![u8::try_from(index).unwrap(); length]
}

struct Machine {
    bitswap: Bitswap,
    store: BTreeMap<Cid, Bytes>,
    wanted: BTreeSet<Cid>,
    /// What each peer has been asked for and not given.
    asked: BTreeMap<Peer, BTreeMap<Cid, Kind>>,
}

/// The number by which a machine knows another on one connection.
type Links = BTreeMap<(usize, usize), Peer>;

struct Network {
    machines: Vec<Machine>,
    links: Links,
    /// Messages on their way: from, the sender's and the receiver's number of the link, bytes.
    wire: VecDeque<(usize, usize, Peer, Peer, Bytes)>,
    next_peer: u64,
    now_ms: u64,
    random: u64,
    journal: Vec<String>,
}

impl Network {
    fn new(plan: &Plan) -> Self {
        let chosen = |bits: u16| {
            (0..BLOCKS).filter(move |index| bits >> index & 1 == 1).map(|index| raw(content(index)))
        };
        let machines = (0..plan.machines).map(|at| Machine {
            bitswap: Bitswap::default(),
            store: chosen(plan.has[at]).collect(),
            wanted: chosen(plan.wants[at] & !plan.has[at]).map(|(cid, _)| cid).collect(),
            asked: BTreeMap::new(),
        });
        Self {
            machines: machines.collect(),
            links: BTreeMap::new(),
            wire: VecDeque::new(),
            next_peer: 0,
            now_ms: 0,
            random: plan.seed | 1,
            journal: Vec::new(),
        }
    }

    /// xorshift64: any sequence will do, if it is the same for the same seed.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn connect(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            self.next_peer += 1;
            self.links.insert((from, to), Peer(self.next_peer));
        }
        for (from, to) in [(one, other), (other, one)] {
            let peer = self.links[&(from, to)];
            self.machines[from].asked.insert(peer, BTreeMap::new());
            self.handle(from, Event::Connected(peer));
        }
    }

    fn disconnect(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            let Some(peer) = self.links.remove(&(from, to)) else { continue };
            self.machines[from].asked.remove(&peer);
            self.handle(from, Event::Disconnected(peer));
        }
    }

    fn handle(&mut self, at: usize, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let effects = self.machines[at].bitswap.handle(Timestamp::from_unix_ms(self.now_ms), event);
            for effect in effects {
                self.journal.push(format!("{at} {effect:?}"));
                self.carry_out(at, effect, &mut events);
            }
        }
    }

    fn carry_out(&mut self, at: usize, effect: Effect, events: &mut VecDeque<Event>) {
        match effect {
            Effect::Send { peer, message, bytes } => {
                let link = self.links.iter().find(|((from, _), own)| *from == at && **own == peer);
                let ((_, to), _) = link.expect("nothing is sent to who is not connected");
                let (to, back) = (*to, self.links[&(*to, at)]);
                self.check_asked(at, peer, &message);
                let encoded = Bytes::from(message.encode(Version::V1_2));
                assert!(encoded.len() <= bytes, "a message is not longer than its weight");
                self.wire.push_back((at, to, peer, back, encoded));
                events.push_back(Event::Sent { peer, bytes });
            }
            Effect::Load { peer, cid, bytes_max } => {
                let found = match self.machines[at].store.get(&cid) {
                    None => Found::Missing,
                    Some(bytes) if bytes.len() as u64 > bytes_max => Found::Longer,
                    Some(bytes) => Found::Content(bytes.clone()),
                };
                events.push_back(Event::Loaded { peer, cid, found });
            }
            Effect::Deliver(block) => {
                let (cid, bytes) = block.into_parts();
                let machine = &mut self.machines[at];
                assert!(machine.wanted.remove(&cid), "what is delivered was wanted, once");
                machine.store.insert(cid, bytes);
                events.push_back(Event::Stored(vec![cid]));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Law: nobody is sent what they did not ask for.
    fn check_asked(&mut self, at: usize, peer: Peer, message: &Message) {
        let asked = self.machines[at].asked.get_mut(&peer).unwrap();
        for block in &message.blocks {
            let kind = asked.remove(block.cid()).expect("a block is sent to who asked for it, once");
            assert!(kind == Kind::Block || block.bytes().len() as u64 <= SMALL_BLOCK_BYTES_MAX);
        }
        for (cid, _) in &message.presences {
            assert!(asked.contains_key(cid), "an answer goes to who asked");
        }
    }

    fn deliver(&mut self, index: usize) {
        let Some((_, to, sender, back, bytes)) = self.wire.remove(index) else { return };
        if self.links.get(&(to, self.peer_of(to, back))) != Some(&back) {
            return;
        }
        let message = Message::decode(bytes).unwrap();
        let asked = self.machines[to].asked.get_mut(&back).unwrap();
        if message.full {
            asked.clear();
        }
        for entry in &message.entries {
            match entry {
                Entry::Want(want) => _ = asked.insert(want.cid, want.kind),
                Entry::Cancel(cid) => _ = asked.remove(cid),
            }
        }
        let _ = sender;
        self.handle(to, Event::Received(back, message));
    }

    fn peer_of(&self, at: usize, peer: Peer) -> usize {
        let link = self.links.iter().find(|((from, _), own)| *from == at && **own == peer);
        link.map_or(usize::MAX, |((_, to), _)| *to)
    }

    fn step(&mut self, plan: &Plan, troubled: bool) {
        if self.wire.is_empty() {
            self.now_ms += 1000;
            for at in 0..self.machines.len() {
                self.handle(at, Event::TimePassed);
            }
            return;
        }
        let index = usize::try_from(self.random(self.wire.len() as u64)).unwrap();
        if troubled && self.random(256) < u64::from(plan.loss) {
            self.wire.remove(index);
            return;
        }
        if troubled && self.random(256) < u64::from(plan.breaks) {
            let (one, other) = (self.wire[index].0, self.wire[index].1);
            self.disconnect(one, other);
            self.connect(one, other);
            return;
        }
        self.deliver(index);
    }

    fn start(plan: &Plan) -> Self {
        let mut network = Self::new(plan);
        for one in 0..plan.machines {
            for other in one + 1..plan.machines {
                network.connect(one, other);
            }
        }
        for at in 0..plan.machines {
            for cid in network.machines[at].wanted.clone() {
                network.handle(at, Event::Wanted { session: Session(at as u64), cid });
            }
        }
        network
    }

    /// Wanted blocks that somebody has.
    fn missing(&self) -> usize {
        let has = |cid: &&Cid| self.machines.iter().any(|machine| machine.store.contains_key(*cid));
        self.machines.iter().map(|machine| machine.wanted.iter().filter(has).count()).sum()
    }

    fn run(plan: &Plan) -> Self {
        let mut network = Self::start(plan);
        for step in 0..STEPS_MAX {
            if network.missing() == 0 && network.wire.is_empty() {
                break;
            }
            network.step(plan, step < TROUBLED_STEPS);
        }
        network
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_wanted_block_that_a_peer_has_arrives(plan in plans()) {
        let network = Network::run(&plan);
        prop_assert_eq!(network.missing(), 0);
    }

    #[test]
    fn equal_events_give_equal_effects(plan in plans()) {
        prop_assert_eq!(Network::run(&plan).journal, Network::run(&plan).journal);
    }
}

#[test]
fn without_trouble_a_block_crosses_the_wire_once_per_machine() {
    let plan = Plan {
        machines: 4,
        has: vec![0, 0, 0xfff, 0xfff],
        wants: vec![0xfff, 0xfff, 0, 0],
        seed: 7,
        loss: 0,
        breaks: 0,
    };
    let network = Network::run(&plan);
    assert_eq!(network.missing(), 0);
    let sent: usize = network.journal.iter().map(|line| line.matches("Block {").count()).sum();
    let delivered = network.journal.iter().filter(|line| line.contains("Deliver")).count();
    assert_eq!(delivered, 2 * BLOCKS);
    // Small blocks are sent by everybody who is asked whether they have them.
    assert!(sent < 3 * 2 * BLOCKS + delivered, "{sent}");
}
