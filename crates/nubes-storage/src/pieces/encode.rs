//! From an object to its pieces, stripe by stripe: memory is a stripe, not an object.

use super::coding::Layout;
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};
use std::io;

/// Takes the cells of the pieces, each piece's in order.
pub trait Sink {
    fn cell(&mut self, piece: usize, bytes: &[u8]) -> io::Result<()>;
}

#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The object is not as long as it was said to be. Measure it first.
    #[error("the object has {bytes} bytes and was to have {expected}")]
    Length { bytes: u64, expected: u64 },
    /// The pieces cannot be written.
    #[error("cannot write the pieces")]
    Write {
        #[source]
        source: io::Error,
    },
    /// The engine refuses its input; a fault of this program.
    #[error("the Reed-Solomon engine refuses")]
    Engine {
        #[source]
        source: reed_solomon_simd::Error,
    },
}

/// Makes the pieces of one object. Give it the bytes as they come, then [`Encoder::finish`].
#[derive(Debug)]
pub struct Encoder<S> {
    layout: Layout,
    sink: S,
    stripe: u64,
    pending: Vec<u8>,
    taken: u64,
}

impl<S: Sink> Encoder<S> {
    pub const fn new(layout: Layout, sink: S) -> Self {
        Self { layout, sink, stripe: 0, pending: Vec::new(), taken: 0 }
    }

    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), EncodeError> {
        self.taken += bytes.len() as u64;
        if self.taken > self.layout.bytes {
            return Err(EncodeError::Length { bytes: self.taken, expected: self.layout.bytes });
        }
        while !bytes.is_empty() {
            let range = self.layout.object_range(self.stripe);
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(length - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == length {
                self.close_stripe()?;
            }
        }
        Ok(())
    }

    fn close_stripe(&mut self) -> Result<(), EncodeError> {
        let cell_bytes = self.layout.cell_bytes(self.stripe);
        self.pending.resize(cell_bytes * self.layout.coding.data(), 0);
        let cells: Vec<&[u8]> = self.pending.chunks_exact(cell_bytes).collect();
        let write = |source| EncodeError::Write { source };
        for (piece, cell) in cells.iter().enumerate() {
            self.sink.cell(piece, cell).map_err(write)?;
        }
        let parity = parity(self.layout, &cells).map_err(|source| EncodeError::Engine { source })?;
        for (piece, cell) in (self.layout.coding.data()..).zip(&parity) {
            self.sink.cell(piece, cell).map_err(write)?;
        }
        self.pending.clear();
        self.stripe += 1;
        Ok(())
    }

    /// Gives the sink back, if the object was whole.
    pub fn finish(self) -> Result<S, EncodeError> {
        if self.taken != self.layout.bytes {
            return Err(EncodeError::Length { bytes: self.taken, expected: self.layout.bytes });
        }
        Ok(self.sink)
    }
}

/// The cells of a stripe behind its data cells.
pub(super) fn parity(layout: Layout, data: &[&[u8]]) -> Result<Vec<Vec<u8>>, reed_solomon_simd::Error> {
    let (count, extra) = (layout.coding.data(), layout.coding.total() - layout.coding.data());
    if extra == 0 {
        return Ok(Vec::new());
    }
    if let [copy] = data {
        return Ok(vec![copy.to_vec(); extra]);
    }
    let bytes = data.first().map_or(0, |cell| cell.len());
    let mut engine = ReedSolomonEncoder::new(count, extra, bytes)?;
    for cell in data {
        engine.add_original_shard(cell)?;
    }
    let result = engine.encode()?;
    Ok(result.recovery_iter().map(<[u8]>::to_vec).collect())
}

/// The data cells of a stripe from any `data` of its cells, given with their pieces' numbers.
pub(super) fn restore(
    layout: Layout,
    cells: &[(usize, &[u8])],
) -> Result<Vec<Vec<u8>>, reed_solomon_simd::Error> {
    let (count, extra) = (layout.coding.data(), layout.coding.total() - layout.coding.data());
    let mut data: Vec<Option<Vec<u8>>> = vec![None; count];
    for (piece, cell) in cells {
        // Each copy is the data.
        let place = if count == 1 { 0 } else { *piece };
        if let Some(slot) = data.get_mut(place) {
            *slot = Some(cell.to_vec());
        }
    }
    if data.iter().any(Option::is_none) {
        let bytes = cells.first().map_or(0, |(_, cell)| cell.len());
        let mut engine = ReedSolomonDecoder::new(count, extra, bytes)?;
        for (piece, cell) in cells {
            match piece.checked_sub(count) {
                None => engine.add_original_shard(*piece, cell)?,
                Some(recovery) => engine.add_recovery_shard(recovery, cell)?,
            }
        }
        let result = engine.decode()?;
        for (piece, cell) in result.restored_original_iter() {
            if let Some(slot) = data.get_mut(piece) {
                *slot = Some(cell.to_vec());
            }
        }
    }
    Ok(data.into_iter().flatten().collect())
}
