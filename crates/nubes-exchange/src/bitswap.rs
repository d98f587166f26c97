//! Bitswap as a pure machine: `handle(now, event) -> effects`. No sockets, no store, no clock.
//!
//! **Our wants.** A want belongs to one or more sessions (one download each). With no better knowledge every connected peer is
//! asked whether it has the block (want-have); the first that has it, or the least busy of several, is asked for the block
//! (want-block). A peer that gave something in a session is asked for the block at once, which saves a round trip. A peer that
//! says it lacks the block, or is silent for [`BLOCK_TIMEOUT`] while nothing at all comes from it, loses the want to another;
//! when nobody is left, all are asked again every [`ASK_TIMEOUT`]. A block that came is cancelled with everybody else.
//!
//! **Their wants.** Each peer has a ledger of at most [`THEIR_WANTS_MAX`] wants. They are looked up in turns, one peer after
//! the other, and only while there is room for the answers: per peer and in total. A want-have of a small block is answered
//! with the block. A want that cannot be met stays, and is met when the block comes.
//!
//! | what goes wrong | what is done |
//! |---|---|
//! | a message or an answer is lost | asked again after the timeout |
//! | a peer goes away | its wants are dropped; ours go to others |
//! | a block nobody asked for, or with an unknown hash | dropped; after [`FAULTS_MAX`] of them the peer is disconnected |
//! | more wants than fit | answered "do not have" as far as the peer asked for an answer |
//!
//! Laws:
//! - A wanted block that a connected peer has and sends arrives, whatever else is lost.
//! - Nothing is sent that was not asked for, and nothing twice for one request.
//! - Memory is bounded by the constants below, whatever peers send.
//! - Equal events at equal times give equal effects.

mod ledger;
mod outbox;
#[cfg(test)]
mod tests;
mod wants;

use crate::message::{Block, Message};
use bytes::Bytes;
use cid::Cid;
use ledger::Ledgers;
use nubes_base::Timestamp;
use outbox::Outbox;
use std::{collections::BTreeMap, time::Duration};
use wants::Wants;

/// Peers that are talked to at once.
pub const PEERS_MAX: usize = 256;
/// Blocks that this node wants at once.
pub const OUR_WANTS_MAX: usize = 4096;
/// Wants of one peer that are remembered.
pub const THEIR_WANTS_MAX: usize = 4096;
/// Blocks that came lately, so that a second copy on its way is not held against its sender.
pub const RECENT_BLOCKS_MAX: usize = 4096;
/// Look-ups in the store at once, for all peers and for one.
pub const LOADS_MAX: usize = 32;
pub const LOADS_PER_PEER_MAX: usize = 8;
/// Bytes of answers that wait for one peer before nothing more is looked up for it, and the same for all peers.
pub const QUEUED_BYTES_PER_PEER_MAX: usize = 8 << 20;
pub const QUEUED_BYTES_MAX: usize = 128 << 20;
/// A block up to this size is sent when only its presence was asked for: the answer is hardly longer.
pub const SMALL_BLOCK_BYTES_MAX: u64 = 1024;
/// Faults after which a peer is disconnected.
pub const FAULTS_MAX: u32 = 64;
/// A peer from which nothing came for this long while it owes a block loses the want to another.
pub const BLOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// When nobody has a block, all are asked again after this.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A connected peer. Numbers are given by the caller and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer(pub u64);

/// A download: wants of one session learn from each other who has blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    Connected(Peer),
    Disconnected(Peer),
    Received(Peer, Message),
    /// A message of this weight was written, or lost with its stream.
    Sent {
        peer: Peer,
        bytes: usize,
    },
    /// The answer to [`Effect::Load`].
    Loaded {
        peer: Peer,
        cid: Cid,
        found: Found,
    },
    /// Blocks came into the store.
    Stored(Vec<Cid>),
    Wanted {
        session: Session,
        cid: Cid,
    },
    Unwanted {
        session: Session,
        cid: Cid,
    },
    SessionEnded(Session),
    /// At least every second while something is wanted.
    TimePassed,
}

/// What a look-up in the store gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Missing,
    /// There, and longer than the look-up allowed.
    Longer,
    Content(Bytes),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the message and answer [`Event::Sent`] with `bytes`.
    Send { peer: Peer, message: Message, bytes: usize },
    /// Read the block if it has at most `bytes_max` bytes and answer [`Event::Loaded`].
    Load { peer: Peer, cid: Cid, bytes_max: u64 },
    /// A block that was wanted.
    Deliver(Block),
    /// [`OUR_WANTS_MAX`] blocks are wanted already.
    Refused { session: Session, cid: Cid },
    /// The peer does not keep to the protocol.
    Disconnect(Peer),
}

/// All of this node's bitswap.
#[derive(Debug, Default)]
pub struct Bitswap {
    wants: Wants,
    ledgers: Ledgers,
    outboxes: BTreeMap<Peer, Outbox>,
}

impl Bitswap {
    /// Whether [`Event::TimePassed`] has something to do.
    pub fn is_waiting(&self) -> bool {
        !self.wants.is_empty()
    }

    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Connected(peer) => self.connect(now, peer, &mut effects),
            Event::Disconnected(peer) => self.disconnect(now, peer),
            Event::Received(peer, message) => self.receive(now, peer, message, &mut effects),
            Event::Sent { peer, bytes } => self.ledgers.sent(peer, bytes),
            Event::Loaded { peer, cid, found } => {
                self.ledgers.load_ended();
                if let Some(outbox) = self.outboxes.get_mut(&peer) {
                    self.ledgers.loaded(peer, &cid, found, outbox);
                }
            }
            Event::Stored(cids) => self.ledgers.stored(&cids),
            Event::Wanted { session, cid } => {
                if !self.wants.add(now, session, cid, &mut self.outboxes) {
                    effects.push(Effect::Refused { session, cid });
                }
            }
            Event::Unwanted { session, cid } => self.wants.remove(session, &cid, &mut self.outboxes),
            Event::SessionEnded(session) => self.wants.end(session, &mut self.outboxes),
            Event::TimePassed => self.wants.time_passed(now, &mut self.outboxes),
        }
        self.load(&mut effects);
        self.send(&mut effects);
        effects
    }

    fn connect(&mut self, now: Timestamp, peer: Peer, effects: &mut Vec<Effect>) {
        if self.outboxes.len() >= PEERS_MAX {
            effects.push(Effect::Disconnect(peer));
            return;
        }
        self.outboxes.insert(peer, Outbox::default());
        self.ledgers.connect(peer);
        self.wants.connect(now, peer, &mut self.outboxes);
    }

    fn disconnect(&mut self, now: Timestamp, peer: Peer) {
        self.outboxes.remove(&peer);
        self.ledgers.disconnect(peer);
        self.wants.disconnect(now, peer, &mut self.outboxes);
    }

    fn receive(&mut self, now: Timestamp, peer: Peer, message: Message, effects: &mut Vec<Effect>) {
        if !self.outboxes.contains_key(&peer) {
            return;
        }
        let mut faults = message.unreadable_blocks;
        for block in message.blocks {
            match self.wants.block(now, peer, block.cid(), &mut self.outboxes) {
                wants::Came::Wanted => effects.push(Effect::Deliver(block)),
                wants::Came::Late => {}
                wants::Came::Unwanted => faults += 1,
            }
        }
        for (cid, presence) in &message.presences {
            self.wants.presence(now, peer, (cid, *presence), &mut self.outboxes);
        }
        if let Some(outbox) = self.outboxes.get_mut(&peer) {
            self.ledgers.receive(peer, message.full, message.entries, outbox);
        }
        if self.ledgers.blame(peer, faults) {
            effects.push(Effect::Disconnect(peer));
        }
    }

    fn load(&mut self, effects: &mut Vec<Effect>) {
        while let Some((peer, cid, bytes_max)) = self.ledgers.next_load(&self.outboxes) {
            effects.push(Effect::Load { peer, cid, bytes_max });
        }
    }

    fn send(&mut self, effects: &mut Vec<Effect>) {
        for (peer, outbox) in &mut self.outboxes {
            // Answers wait for each other, so that many small blocks travel in one message; requests do not wait.
            let more_comes = self.ledgers.is_loading(*peer);
            while let Some((message, bytes)) = outbox.next(more_comes) {
                self.ledgers.sending(*peer, bytes);
                effects.push(Effect::Send { peer: *peer, message, bytes });
            }
        }
    }
}
