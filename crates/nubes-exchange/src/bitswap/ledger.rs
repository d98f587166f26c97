//! What others want from this node.

use super::{
    FAULTS_MAX, Found, LOADS_MAX, LOADS_PER_PEER_MAX, Outbox, Peer, QUEUED_BYTES_MAX,
    QUEUED_BYTES_PER_PEER_MAX, SMALL_BLOCK_BYTES_MAX, THEIR_WANTS_MAX, outbox,
};
use crate::message::{Block, Entry, Kind, Presence, Want};
use cid::Cid;
use std::{collections::BTreeMap, ops::Bound};

#[derive(Debug, Default)]
pub(super) struct Ledgers {
    peers: BTreeMap<Peer, Ledger>,
    /// Look-ups that run, of peers that left too.
    loads: usize,
    /// Whose turn it was last.
    served: Option<Peer>,
}

/// One peer's wants, and what is on its way to it.
#[derive(Debug, Default)]
struct Ledger {
    wants: BTreeMap<Cid, Owed>,
    /// Wants to look up, in the order in which they came.
    queue: BTreeMap<u64, Cid>,
    next_place: u64,
    loads: usize,
    sending_bytes: usize,
    faults: u32,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    want: Want,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued(u64),
    /// Looked up for this: a presence, or the block.
    Loading(Kind),
    /// Not here; owed when it comes.
    Missing,
}

impl Ledgers {
    pub(super) fn connect(&mut self, peer: Peer) {
        self.peers.insert(peer, Ledger::default());
    }

    pub(super) fn disconnect(&mut self, peer: Peer) {
        self.peers.remove(&peer);
    }

    pub(super) fn receive(&mut self, peer: Peer, full: bool, entries: Vec<Entry>, outbox: &mut Outbox) {
        let Some(ledger) = self.peers.get_mut(&peer) else { return };
        if full {
            ledger.wants.clear();
            ledger.queue.clear();
        }
        for entry in entries {
            match entry {
                Entry::Cancel(cid) => ledger.cancel(&cid),
                Entry::Want(want) if ledger.is_full_for(&want) => refuse(&want, outbox),
                Entry::Want(want) => ledger.want(want),
            }
        }
    }

    /// The next look-up: peers take turns, and only those have one for whose answers there is room.
    pub(super) fn next_load(&mut self, outboxes: &BTreeMap<Peer, Outbox>) -> Option<(Peer, Cid, u64)> {
        if self.loads >= LOADS_MAX {
            return None;
        }
        let waiting = |peer: &Peer| outboxes.get(peer).map_or(0, Outbox::block_bytes);
        let total: usize = self.peers.iter().map(|(peer, ledger)| ledger.sending_bytes + waiting(peer)).sum();
        if total >= QUEUED_BYTES_MAX {
            return None;
        }
        let after = self.served.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.peers.range((after, Bound::Unbounded));
        let peer = *later.chain(self.peers.iter()).find(|(peer, ledger)| ledger.has_turn(waiting(peer)))?.0;
        let (cid, bytes_max) = self.peers.get_mut(&peer)?.start_load()?;
        self.served = Some(peer);
        self.loads += 1;
        Some((peer, cid, bytes_max))
    }

    pub(super) fn loaded(&mut self, peer: Peer, cid: &Cid, found: Found, outbox: &mut Outbox) {
        if let Some(ledger) = self.peers.get_mut(&peer) {
            ledger.loads = ledger.loads.saturating_sub(1);
            ledger.answer(cid, found, outbox);
        }
    }

    /// A look-up has ended, whoever it was for.
    pub(super) const fn load_ended(&mut self) {
        self.loads = self.loads.saturating_sub(1);
    }

    pub(super) fn is_loading(&self, peer: Peer) -> bool {
        self.peers.get(&peer).is_some_and(|ledger| ledger.loads > 0)
    }

    pub(super) fn stored(&mut self, cids: &[Cid]) {
        for ledger in self.peers.values_mut() {
            for cid in cids {
                ledger.look_again(cid);
            }
        }
    }

    pub(super) fn sending(&mut self, peer: Peer, bytes: usize) {
        if let Some(ledger) = self.peers.get_mut(&peer) {
            ledger.sending_bytes += bytes;
        }
    }

    pub(super) fn sent(&mut self, peer: Peer, bytes: usize) {
        if let Some(ledger) = self.peers.get_mut(&peer) {
            ledger.sending_bytes = ledger.sending_bytes.saturating_sub(bytes);
        }
    }

    /// Counts faults; true once, when they are too many.
    pub(super) fn blame(&mut self, peer: Peer, faults: usize) -> bool {
        let Some(ledger) = self.peers.get_mut(&peer) else { return false };
        let before = ledger.faults;
        ledger.faults = before.saturating_add(u32::try_from(faults).unwrap_or(u32::MAX));
        before < FAULTS_MAX && ledger.faults >= FAULTS_MAX
    }
}

impl Ledger {
    fn is_full_for(&self, want: &Want) -> bool {
        self.wants.len() >= THEIR_WANTS_MAX && !self.wants.contains_key(&want.cid)
    }

    fn want(&mut self, want: Want) {
        // Asked again while its look-up runs: the running one answers both.
        let state = match self.wants.get(&want.cid).map(|owed| owed.state) {
            Some(state @ (State::Queued(_) | State::Loading(_))) => state,
            Some(State::Missing) | None => self.enqueue(want.cid),
        };
        self.wants.insert(want.cid, Owed { want, state });
    }

    fn cancel(&mut self, cid: &Cid) {
        if let Some(Owed { state: State::Queued(place), .. }) = self.wants.remove(cid) {
            self.queue.remove(&place);
        }
    }

    fn enqueue(&mut self, cid: Cid) -> State {
        let place = self.next_place;
        self.next_place += 1;
        self.queue.insert(place, cid);
        State::Queued(place)
    }

    fn look_again(&mut self, cid: &Cid) {
        if self.wants.get(cid).is_some_and(|owed| owed.state == State::Missing) {
            let state = self.enqueue(*cid);
            self.wants.entry(*cid).and_modify(|owed| owed.state = state);
        }
    }

    fn has_turn(&self, waiting_bytes: usize) -> bool {
        !self.queue.is_empty()
            && self.loads < LOADS_PER_PEER_MAX
            && self.sending_bytes + waiting_bytes < QUEUED_BYTES_PER_PEER_MAX
    }

    fn start_load(&mut self) -> Option<(Cid, u64)> {
        let (_, cid) = self.queue.pop_first()?;
        let owed = self.wants.get_mut(&cid)?;
        owed.state = State::Loading(owed.want.kind);
        self.loads += 1;
        Some((cid, bytes_max(owed.want.kind)))
    }

    fn answer(&mut self, cid: &Cid, found: Found, outbox: &mut Outbox) {
        let Some(&Owed { want, state: State::Loading(looked_up) }) = self.wants.get(cid) else { return };
        match (found, looked_up, want.kind) {
            (Found::Content(bytes), ..) => outbox.give(Block::stored(*cid, bytes)),
            (Found::Longer, Kind::Have, Kind::Have) => outbox.tell(*cid, Presence::Have),
            // Meanwhile the peer asks for the block.
            (Found::Longer, Kind::Have, Kind::Block) => {
                let state = self.enqueue(*cid);
                self.wants.insert(*cid, Owed { want, state });
                return;
            }
            (Found::Missing, ..) | (Found::Longer, Kind::Block, _) => {
                refuse(&want, outbox);
                self.wants.insert(*cid, Owed { want, state: State::Missing });
                return;
            }
        }
        self.wants.remove(cid);
    }
}

const fn bytes_max(kind: Kind) -> u64 {
    match kind {
        Kind::Have => SMALL_BLOCK_BYTES_MAX,
        Kind::Block => outbox::BLOCK_BYTES_MAX,
    }
}

fn refuse(want: &Want, outbox: &mut Outbox) {
    if want.send_dont_have {
        outbox.tell(want.cid, Presence::DontHave);
    }
}
