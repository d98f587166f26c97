//! Reads every block and compares it with its hash and its header.

use super::files::{self, Segments};
use super::index::{Index, Location};
use super::{Damage, GetError, Place};
use crate::block::{self, RAW};
use cid::Cid;
use multihash::Multihash;

/// Damaged blocks that are named in a [`Scrub`]; the rest is only counted.
pub const DAMAGES_MAX: usize = 10_000;

/// Blocks that are read before others get their turn, and before a shutdown is heard.
const PART_BLOCKS: usize = 256;

/// The outcome of reading everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    pub blocks: u64,
    pub bytes: u64,
    pub damaged_blocks: u64,
    /// The first [`DAMAGES_MAX`] of them.
    pub damaged: Vec<Damage>,
}

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    scrub: Scrub,
    /// The last one that was looked at.
    after: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum Part {
    Next(Progress),
    Done(Scrub),
}

/// Looks at the next blocks.
pub(super) fn part(index: &Index, segments: &Segments, progress: Progress) -> Result<Part, GetError> {
    let Progress { mut scrub, after } = progress;
    let page = index.page(after.as_deref(), PART_BLOCKS).map_err(|source| GetError::Index { source })?;
    let Some((last, _)) = page.last() else { return Ok(Part::Done(scrub)) };
    let after = Some(last.clone());
    for (multihash, location) in page {
        scrub.blocks += 1;
        scrub.bytes += u64::from(location.length);
        if let Some(damage) = check(segments, &multihash, location) {
            scrub.damaged_blocks += 1;
            if scrub.damaged.len() < DAMAGES_MAX {
                scrub.damaged.push(damage);
            }
        }
    }
    Ok(Part::Next(Progress { scrub, after }))
}

fn check(segments: &Segments, multihash: &[u8], location: Location) -> Option<Damage> {
    let Location { segment, offset, .. } = location;
    let hash = Multihash::from_bytes(multihash).unwrap_or_default();
    let header =
        segments.open_to_read(segment).and_then(|file| files::header_at(&*file, offset)).ok().flatten();
    // Without a header the codec is unknown; as a raw block the content can still be asked for.
    let cid = header.as_ref().map_or_else(|| Cid::new_v1(RAW, hash), |header| header.cid);
    let damage = |cid, what| Some(Damage { cid, place: Place::Segment { segment, offset }, what });
    let Ok(bytes) = segments.payload(location) else { return damage(cid, "the record cannot be read") };
    if block::hashes_to(&hash, &bytes) != Ok(true) {
        return damage(Cid::new_v1(cid.codec(), hash), "the payload does not match the hash");
    }
    match header {
        Some(header) if *header.cid.hash() == hash => None,
        _ => damage(cid, "the header is damaged; the payload is whole"),
    }
}
