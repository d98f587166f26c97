//! How much a store holds.

use super::{GetError, Store};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub blocks: u64,
    /// Of the segments; blocks that were stored twice, and damaged ones, count too.
    pub bytes_on_disk: u64,
}

impl Store {
    /// Blocks and bytes. Looks at each segment's length.
    pub fn totals(&self) -> Result<Totals, GetError> {
        let blocks = self.inner.index.len().map_err(|source| GetError::Index { source })?;
        let segments = self.inner.segments.list().map_err(|source| GetError::Read { source })?;
        Ok(Totals { blocks, bytes_on_disk: segments.iter().map(|(_, length)| length).sum() })
    }
}
