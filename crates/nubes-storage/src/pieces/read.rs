//! From providers back to the object, or to one of its pieces.
//!
//! Each batch of stripes is asked from as many pieces as are enough, data pieces first. What does not come, or is not
//! true, is asked from the next piece, and who failed comes last from then on. So providers that are gone, damaged or
//! lying cost time and nothing else, as long as enough are left for each stripe.

use super::{
    cells::{CELLS_MAX, decode_cells},
    coding::Layout,
    encode::{parity, restore},
    tree::{LEAF_BYTES, Root},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

/// Stripes that are read at once: with ten data pieces 10 MiB.
const BATCH_STRIPES: u64 = if CELLS_MAX < 16 { CELLS_MAX } else { 16 };

/// Somebody who may have a piece.
#[async_trait]
pub trait CellSource: Send + Sync + fmt::Debug {
    /// The cells `range` of the piece as [`super::encode_cells`] puts them; at most 64 at once.
    async fn cells(&self, root: &Root, range: Range<u64>) -> Result<Bytes, SourceError>;
}

/// The provider did not answer with cells.
#[derive(Debug, thiserror::Error)]
#[error("no answer: {what}")]
pub struct SourceError {
    pub what: String,
}

/// A piece of the object, and somebody who should have it. A piece may be given several times, by several sources.
#[derive(Clone, Debug)]
pub struct Sibling {
    pub index: u8,
    pub root: Root,
    pub source: Arc<dyn CellSource>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Wait until providers come back, or until the pieces are repaired.
    #[error("stripe {stripe}: {have} pieces answered with true cells, {needed} are needed")]
    TooFew { stripe: u64, have: usize, needed: usize },
    /// The cells are true to their roots and yet no stripe: whoever made the deals made them wrong.
    #[error("the pieces do not fit together")]
    Engine {
        #[source]
        source: reed_solomon_simd::Error,
    },
}

/// Reads one object.
#[derive(Debug)]
pub struct ObjectReader {
    layout: Layout,
    siblings: Vec<Sibling>,
    /// How often a sibling failed; the least comes first.
    failures: Vec<u32>,
    next: u64,
}

type Cells = BTreeMap<u64, BTreeMap<u8, Bytes>>;

impl ObjectReader {
    pub fn new(layout: Layout, mut siblings: Vec<Sibling>) -> Self {
        siblings.retain(|sibling| usize::from(sibling.index) < layout.coding.total());
        siblings.sort_by_key(|sibling| sibling.index);
        let failures = vec![0; siblings.len()];
        Self { layout, siblings, failures, next: 0 }
    }

    /// The next part of the object; `None` behind its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let Some(stripes) = self.advance() else { return Ok(None) };
        let cells = self.batch(stripes.clone()).await?;
        let mut out = Vec::new();
        for stripe in stripes {
            let data = self.stripe(&cells, stripe)?;
            let start = out.len();
            out.extend(data.into_iter().flatten());
            let range = self.layout.object_range(stripe);
            out.truncate(start + usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        }
        Ok(Some(out.into()))
    }

    /// The next cells of piece `index`, made from the others; `None` behind its end.
    pub async fn next_of_piece(&mut self, index: u8) -> Result<Option<Bytes>, ReadError> {
        let Some(stripes) = self.advance() else { return Ok(None) };
        let cells = self.batch(stripes.clone()).await?;
        let mut out = Vec::new();
        for stripe in stripes {
            let data = self.stripe(&cells, stripe)?;
            let place = usize::from(index);
            if let Some(cell) = data.get(place) {
                out.extend_from_slice(cell);
                continue;
            }
            let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
            let others = parity(self.layout, &data).map_err(|source| ReadError::Engine { source })?;
            out.extend_from_slice(others.get(place - data.len()).map_or(&[], Vec::as_slice));
        }
        Ok(Some(out.into()))
    }

    fn advance(&mut self) -> Option<Range<u64>> {
        let from = self.next;
        self.next = (from + BATCH_STRIPES).min(self.layout.stripes);
        (from < self.next).then_some(from..self.next)
    }

    fn stripe(&self, cells: &Cells, stripe: u64) -> Result<Vec<Vec<u8>>, ReadError> {
        let none = BTreeMap::new();
        let given = cells.get(&stripe).unwrap_or(&none).iter();
        let given: Vec<(usize, &[u8])> = given
            .map(|(piece, cell)| (usize::from(*piece), cell.as_ref()))
            .take(self.layout.coding.data())
            .collect();
        restore(self.layout, &given).map_err(|source| ReadError::Engine { source })
    }

    /// Enough true cells for each of the stripes.
    async fn batch(&mut self, stripes: Range<u64>) -> Result<Cells, ReadError> {
        let needed = self.layout.coding.data();
        let mut order: Vec<usize> = (0..self.siblings.len()).collect();
        order.sort_by_key(|place| self.failures[*place]);
        let mut order = order.into_iter();
        let mut cells: Cells = stripes.clone().map(|stripe| (stripe, BTreeMap::new())).collect();
        loop {
            let worst = cells.iter().min_by_key(|(_, given)| given.len());
            let Some((stripe, have)) = worst.map(|(stripe, given)| (*stripe, given.len())) else {
                return Ok(cells);
            };
            if needed <= have {
                return Ok(cells);
            }
            let asked: Vec<usize> = order.by_ref().take(needed - have).collect();
            if asked.is_empty() {
                return Err(ReadError::TooFew { stripe, have, needed });
            }
            let answers = join_all(asked.iter().map(|place| self.ask(*place, stripes.clone()))).await;
            for (place, answer) in asked.into_iter().zip(answers) {
                let index = self.siblings[place].index;
                let complete = answer.len() as u64 == stripes.end - stripes.start;
                self.failures[place] = if complete { 0 } else { self.failures[place].saturating_add(1) };
                for (stripe, bytes) in answer {
                    cells.entry(stripe).or_default().insert(index, bytes);
                }
            }
        }
    }

    /// The true ones among the cells that a sibling sends.
    async fn ask(&self, place: usize, stripes: Range<u64>) -> Vec<(u64, Bytes)> {
        let Sibling { root, source, index } = &self.siblings[place];
        let leaves = self.layout.piece_bytes() / LEAF_BYTES as u64;
        let wire = match source.cells(root, stripes.clone()).await {
            Ok(wire) => wire,
            Err(error) => {
                tracing::debug!(piece = index, %error, "a piece was not read");
                return Vec::new();
            }
        };
        let cells = match decode_cells(root, leaves, stripes.clone(), &wire) {
            Ok(cells) => cells,
            Err(error) => {
                tracing::debug!(piece = index, %error, "a piece was not read");
                return Vec::new();
            }
        };
        let cells = stripes.zip(cells);
        cells.filter_map(|(stripe, cell)| cell.ok().map(|bytes| (stripe, bytes))).collect()
    }
}
