//! Every block that some pin keeps: what a garbage collector must leave alone.

use super::{Met, Mode, PinError, Pins, Walk, WalkError};
use crate::store::Store;
use cid::Cid;
use futures_util::stream::{self, BoxStream, StreamExt};
use multihash::Multihash;

/// Why the live set is not known. Collect nothing.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Pins(#[from] PinError),
    #[error(transparent)]
    Walk(#[from] WalkError),
}

impl Pins {
    /// The multihashes of all blocks in `store` that pins keep, of pins of every status; some come more than once. After an
    /// error nothing follows, and what came before is not the whole set. A damaged block is an error: what only it names is
    /// kept too, and is not known. Adding the block again or removing the pin mends it.
    pub fn live(&self, store: &Store) -> BoxStream<'static, Result<Multihash<64>, LiveError>> {
        match self.roots() {
            Ok((recursive, direct)) => {
                let mut walk = lenient(store.clone(), recursive);
                walk.stops_at_damage = true;
                let below = here(walk).map(|cid| cid.map(|cid| *cid.hash()));
                stream::iter(direct).map(|cid| Ok(*cid.hash())).chain(below).boxed()
            }
            Err(error) => stream::iter([Err(error.into())]).boxed(),
        }
    }

    /// The CIDs of all recursive pins, those that are being made included, and of all direct pins.
    fn roots(&self) -> Result<(Vec<Cid>, Vec<Cid>), PinError> {
        let (mut recursive, mut direct) = (self.sheltered(), Vec::new());
        self.newest_first(|pin| {
            let roots = if pin.wish.mode() == Mode::Recursive { &mut recursive } else { &mut direct };
            roots.push(*pin.wish.cid());
            true
        })?;
        Ok((recursive, direct))
    }
}

/// All blocks at and below `roots` that are here. Each node with links is read once, so the store itself bounds it.
pub(crate) fn blocks_below(store: Store, roots: Vec<Cid>) -> BoxStream<'static, Result<Cid, LiveError>> {
    here(lenient(store, roots))
}

fn lenient(store: Store, roots: Vec<Cid>) -> Walk {
    let mut walk = Walk::new(store, roots, usize::MAX);
    // What was made wrongly keeps nothing alive below it, and must not keep the collector from its work for ever.
    walk.is_strict = false;
    walk
}

fn here(walk: Walk) -> BoxStream<'static, Result<Cid, LiveError>> {
    stream::try_unfold(walk, |mut walk| async move {
        while let Some(met) = walk.next().await? {
            if let Met::Here { cid } = met {
                return Ok(Some((cid, walk)));
            }
        }
        Ok(None)
    })
    .boxed()
}
