//! What waits to be said to one peer, cut into messages of a good size.

use crate::message::{Block, Entry, ITEMS_MAX, MESSAGE_BYTES_MAX, Message, Presence, item_weight};
use cid::Cid;
use std::{collections::VecDeque, mem};

/// A message that has reached this weight is sent without waiting for more.
const MESSAGE_BYTES_TARGET: usize = 2 << 20;
/// Left free in a message for its own frame.
const FRAME_BYTES: usize = 64;
/// Longest block that fits into a message.
pub(super) const BLOCK_BYTES_MAX: u64 = (MESSAGE_BYTES_MAX - 1024) as u64;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    full: VecDeque<(Message, usize)>,
    open: Message,
    weight: usize,
    /// Bytes of all blocks here.
    block_bytes: usize,
    greeted: bool,
}

impl Outbox {
    pub(super) fn ask(&mut self, entry: Entry) {
        self.make_room(item_weight(entry.cid()), self.open.entries.len());
        self.open.entries.push(entry);
    }

    pub(super) fn tell(&mut self, cid: Cid, presence: Presence) {
        self.make_room(item_weight(&cid), self.open.presences.len());
        self.open.presences.push((cid, presence));
    }

    pub(super) fn give(&mut self, block: Block) {
        self.make_room(block.weight(), self.open.blocks.len());
        self.block_bytes += block.bytes().len();
        self.open.blocks.push(block);
    }

    /// Bytes of blocks that wait here.
    pub(super) const fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// The next message and its weight. While more comes, only a message that has asked for something or is long enough.
    pub(super) fn next(&mut self, more_comes: bool) -> Option<(Message, usize)> {
        let waits = more_comes && self.weight < MESSAGE_BYTES_TARGET && self.open.entries.is_empty();
        if self.full.is_empty() && !waits && !self.open.is_empty() {
            self.close();
        }
        let (mut message, weight) = self.full.pop_front()?;
        // The first list is the whole list: what the peer remembers of an earlier connection is over.
        message.full = !mem::replace(&mut self.greeted, true);
        self.block_bytes -= message.blocks.iter().map(|block| block.bytes().len()).sum::<usize>();
        Some((message, weight))
    }

    fn make_room(&mut self, weight: usize, items: usize) {
        if self.weight + weight + FRAME_BYTES > MESSAGE_BYTES_MAX || items >= ITEMS_MAX {
            self.close();
        }
        self.weight += weight;
    }

    fn close(&mut self) {
        self.full.push_back((mem::take(&mut self.open), mem::take(&mut self.weight)));
    }
}
