//! What this node wants from others.

use super::{ASK_TIMEOUT, BLOCK_TIMEOUT, OUR_WANTS_MAX, Outbox, Peer, RECENT_BLOCKS_MAX, Session};
use crate::message::{Entry, Kind, Presence, Want};
use cid::{Cid, multihash::Multihash};
use nubes_base::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Blocks are wanted by hash: a peer of version 1.0.0 knows nothing else.
type Hash = Multihash<64>;
type Outboxes = BTreeMap<Peer, Outbox>;

#[derive(Debug, Default)]
pub(super) struct Wants {
    wanted: BTreeMap<Hash, Wanted>,
    peers: BTreeMap<Peer, Source>,
    /// Peers that have given or promised something in a session.
    sessions: BTreeMap<Session, BTreeSet<Peer>>,
    recent: Recent,
}

#[derive(Debug)]
struct Wanted {
    cid: Cid,
    sessions: BTreeSet<Session>,
    /// What each peer was told and said; a peer without an entry was not asked.
    standings: BTreeMap<Peer, Standing>,
    /// Who was asked for the block itself, and when.
    held: Option<(Peer, Timestamp)>,
    asked_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Asked,
    Has,
    Lacks,
    /// Its answer is so old that it is asked again; it may still remember the want.
    Old,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    /// Blocks that it owes.
    held: usize,
    heard_at: Timestamp,
}

/// What a block that came was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Wanted,
    /// It came before, from somebody else, or was given up lately.
    Late,
    Unwanted,
}

impl Wants {
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// False if there are too many wants.
    pub(super) fn add(&mut self, now: Timestamp, session: Session, cid: Cid, out: &mut Outboxes) -> bool {
        let hash = *cid.hash();
        let known = self.wanted.contains_key(&hash);
        if !known && self.wanted.len() >= OUR_WANTS_MAX {
            return false;
        }
        let wanted = self.wanted.entry(hash).or_insert_with(|| Wanted::new(cid, now));
        wanted.sessions.insert(session);
        self.sessions.entry(session).or_default();
        if !known {
            self.pursue(now, &hash, out);
        }
        true
    }

    pub(super) fn remove(&mut self, session: Session, cid: &Cid, out: &mut Outboxes) {
        let Some(wanted) = self.wanted.get_mut(cid.hash()) else { return };
        wanted.sessions.remove(&session);
        if wanted.sessions.is_empty() {
            self.settle(cid.hash(), None, out);
        }
    }

    pub(super) fn end(&mut self, session: Session, out: &mut Outboxes) {
        self.sessions.remove(&session);
        let left = self.wanted.values().filter(|wanted| wanted.sessions.contains(&session));
        let left: Vec<Cid> = left.map(|wanted| wanted.cid).collect();
        for cid in left {
            self.remove(session, &cid, out);
        }
    }

    pub(super) fn connect(&mut self, now: Timestamp, peer: Peer, out: &mut Outboxes) {
        self.peers.insert(peer, Source { held: 0, heard_at: now });
        self.pursue_all(now, out);
    }

    pub(super) fn disconnect(&mut self, now: Timestamp, peer: Peer, out: &mut Outboxes) {
        self.peers.remove(&peer);
        for known in self.sessions.values_mut() {
            known.remove(&peer);
        }
        for wanted in self.wanted.values_mut() {
            wanted.standings.remove(&peer);
            wanted.held = wanted.held.filter(|(holder, _)| *holder != peer);
        }
        self.pursue_all(now, out);
    }

    pub(super) fn block(&mut self, now: Timestamp, peer: Peer, cid: &Cid, out: &mut Outboxes) -> Came {
        self.heard(now, peer);
        let Some(wanted) = self.wanted.get(cid.hash()) else {
            return if self.recent.contains(cid.hash()) { Came::Late } else { Came::Unwanted };
        };
        for session in &wanted.sessions {
            self.sessions.entry(*session).or_default().insert(peer);
        }
        self.settle(cid.hash(), Some(peer), out);
        Came::Wanted
    }

    pub(super) fn presence(
        &mut self,
        now: Timestamp,
        peer: Peer,
        (cid, presence): (&Cid, Presence),
        out: &mut Outboxes,
    ) {
        self.heard(now, peer);
        let Some(wanted) = self.wanted.get_mut(cid.hash()) else { return };
        // Only answers count: who was not asked cannot offer itself.
        let Some(standing) = wanted.standings.get_mut(&peer) else { return };
        let has = presence == Presence::Have;
        *standing = if has { Standing::Has } else { Standing::Lacks };
        for session in &wanted.sessions {
            let known = self.sessions.entry(*session).or_default();
            let _ = if has { known.insert(peer) } else { known.remove(&peer) };
        }
        if !has {
            self.release(cid.hash(), peer);
        }
        self.pursue(now, cid.hash(), out);
    }

    pub(super) fn time_passed(&mut self, now: Timestamp, out: &mut Outboxes) {
        let hashes: Vec<Hash> = self.wanted.keys().copied().collect();
        for hash in hashes {
            let Some(wanted) = self.wanted.get_mut(&hash) else { continue };
            if let Some((holder, since)) = wanted.held {
                let heard_at = self.peers.get(&holder).map_or(since, |source| source.heard_at.max(since));
                if now.since(heard_at) < BLOCK_TIMEOUT {
                    continue;
                }
                wanted.standings.insert(holder, Standing::Lacks);
                self.release(&hash, holder);
            } else if now.since(wanted.asked_at) >= ASK_TIMEOUT {
                wanted.standings.values_mut().for_each(|standing| *standing = Standing::Old);
            }
            self.pursue(now, &hash, out);
        }
    }

    fn heard(&mut self, now: Timestamp, peer: Peer) {
        if let Some(source) = self.peers.get_mut(&peer) {
            source.heard_at = now;
        }
    }

    fn pursue_all(&mut self, now: Timestamp, out: &mut Outboxes) {
        let hashes: Vec<Hash> = self.wanted.keys().copied().collect();
        for hash in hashes {
            self.pursue(now, &hash, out);
        }
    }

    /// Asks one peer for the block if there is a good one, and otherwise all that were not asked whether they have it.
    fn pursue(&mut self, now: Timestamp, hash: &Hash, out: &mut Outboxes) {
        let Some(wanted) = self.wanted.get(hash) else { return };
        if wanted.held.is_some() {
            return;
        }
        match self.holder(wanted) {
            Some(peer) => self.hold(now, hash, peer, out),
            None => self.ask_all(now, hash, out),
        }
    }

    /// The least busy peer that said it has the block; or that gave something in the session; or the only one there is.
    fn holder(&self, wanted: &Wanted) -> Option<Peer> {
        let least_busy = |peers: &mut dyn Iterator<Item = Peer>| {
            peers.filter_map(|peer| Some((self.peers.get(&peer)?.held, peer))).min().map(|(_, peer)| peer)
        };
        let having = wanted.standings.iter().filter(|(_, standing)| **standing == Standing::Has);
        let known = wanted.sessions.iter().filter_map(|session| self.sessions.get(session)).flatten();
        let only = self.peers.keys().filter(|_| self.peers.len() == 1);
        least_busy(&mut having.map(|(peer, _)| *peer))
            .or_else(|| least_busy(&mut known.copied().filter(|peer| wanted.may_ask(*peer))))
            .or_else(|| least_busy(&mut only.copied().filter(|peer| wanted.may_ask(*peer))))
    }

    fn hold(&mut self, now: Timestamp, hash: &Hash, peer: Peer, out: &mut Outboxes) {
        let Some(wanted) = self.wanted.get_mut(hash) else { return };
        wanted.held = Some((peer, now));
        wanted.asked_at = now;
        wanted.ask(peer, Kind::Block, out);
        if let Some(source) = self.peers.get_mut(&peer) {
            source.held += 1;
        }
    }

    fn ask_all(&mut self, now: Timestamp, hash: &Hash, out: &mut Outboxes) {
        let Some(wanted) = self.wanted.get_mut(hash) else { return };
        for peer in self.peers.keys() {
            if wanted.may_ask(*peer) {
                wanted.asked_at = now;
                wanted.ask(*peer, Kind::Have, out);
            }
        }
    }

    fn release(&mut self, hash: &Hash, peer: Peer) {
        let Some(wanted) = self.wanted.get_mut(hash) else { return };
        if wanted.held.is_some_and(|(holder, _)| holder == peer) {
            wanted.held = None;
            if let Some(source) = self.peers.get_mut(&peer) {
                source.held = source.held.saturating_sub(1);
            }
        }
    }

    /// Forgets the want and tells everybody who may remember it, except who has just met it.
    fn settle(&mut self, hash: &Hash, giver: Option<Peer>, out: &mut Outboxes) {
        if let Some((holder, _)) = self.wanted.get(hash).and_then(|wanted| wanted.held) {
            self.release(hash, holder);
        }
        let Some(wanted) = self.wanted.remove(hash) else { return };
        for peer in wanted.standings.keys().filter(|peer| Some(**peer) != giver) {
            if let Some(outbox) = out.get_mut(peer) {
                outbox.ask(Entry::Cancel(wanted.cid));
            }
        }
        self.recent.insert(*hash);
    }
}

impl Wanted {
    const fn new(cid: Cid, now: Timestamp) -> Self {
        Self { cid, sessions: BTreeSet::new(), standings: BTreeMap::new(), held: None, asked_at: now }
    }

    fn may_ask(&self, peer: Peer) -> bool {
        matches!(self.standings.get(&peer), None | Some(Standing::Old))
    }

    fn ask(&mut self, peer: Peer, kind: Kind, out: &mut Outboxes) {
        self.standings.insert(peer, Standing::Asked);
        if let Some(outbox) = out.get_mut(&peer) {
            outbox.ask(Entry::Want(Want { cid: self.cid, kind, send_dont_have: true }));
        }
    }
}

/// The last hashes that were settled.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<Hash>,
    hashes: BTreeSet<Hash>,
}

impl Recent {
    fn contains(&self, hash: &Hash) -> bool {
        self.hashes.contains(hash)
    }

    fn insert(&mut self, hash: Hash) {
        if !self.hashes.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > RECENT_BLOCKS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
    }
}
