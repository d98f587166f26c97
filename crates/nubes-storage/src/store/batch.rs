//! Storing many blocks that come one by one, with bounded memory.

use super::{Store, Ticket};
use crate::block::Block;
use crate::segments::PutError;
use std::{collections::VecDeque, mem};

/// Blocks are handed to the writer in batches of this size.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// A batch of small blocks ends at this number.
const BATCH_BLOCKS_MAX: usize = 4096;
/// Batches that are not durable yet; the caller prepares the next while the writer works on these.
const IN_FLIGHT_MAX: usize = 4;

/// Takes blocks; they are durable when [`Batches::finish`] has returned.
#[derive(Debug)]
pub struct Batches {
    store: Store,
    blocks: Vec<Block>,
    bytes: usize,
    in_flight: VecDeque<Ticket>,
}

impl Batches {
    pub const fn new(store: Store) -> Self {
        Self { store, blocks: Vec::new(), bytes: 0, in_flight: VecDeque::new() }
    }

    /// Takes a block; waits if too much is on its way.
    pub async fn push(&mut self, block: Block) -> Result<(), PutError> {
        self.bytes += block.bytes().len();
        self.blocks.push(block);
        if self.bytes < BATCH_BYTES_MAX && self.blocks.len() < BATCH_BLOCKS_MAX {
            return Ok(());
        }
        self.send().await
    }

    /// Waits until everything is durable.
    pub async fn finish(mut self) -> Result<(), PutError> {
        self.send().await?;
        for ticket in self.in_flight {
            ticket.durable().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), PutError> {
        if self.in_flight.len() >= IN_FLIGHT_MAX
            && let Some(oldest) = self.in_flight.pop_front()
        {
            oldest.durable().await?;
        }
        self.bytes = 0;
        self.in_flight.push_back(self.store.enqueue(mem::take(&mut self.blocks)).await?);
        Ok(())
    }
}
