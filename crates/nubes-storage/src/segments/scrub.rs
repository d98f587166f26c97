//! Reads every block and compares it with its hash and its header.

use super::files::{self, Segments};
use super::index::{Index, Location};
use super::{Damage, GetError};
use crate::block::{self, RAW};
use cid::Cid;
use multihash::Multihash;

/// Damaged blocks that are named in a [`Scrub`]; the rest is only counted.
pub const DAMAGES_MAX: usize = 10_000;

/// The outcome of reading everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    pub blocks: u64,
    pub bytes: u64,
    pub damaged_blocks: u64,
    /// The first [`DAMAGES_MAX`] of them.
    pub damaged: Vec<Damage>,
}

pub(super) fn run(index: &Index, segments: &Segments) -> Result<Scrub, GetError> {
    let mut scrub = Scrub::default();
    let walked = index.for_each(|multihash, location| {
        scrub.blocks += 1;
        scrub.bytes += u64::from(location.length);
        if let Some(damage) = check(segments, multihash, location) {
            scrub.damaged_blocks += 1;
            if scrub.damaged.len() < DAMAGES_MAX {
                scrub.damaged.push(damage);
            }
        }
    });
    walked.map_err(|source| GetError::Index { source })?;
    Ok(scrub)
}

fn check(segments: &Segments, multihash: &[u8], location: Location) -> Option<Damage> {
    let Location { segment, offset, .. } = location;
    let hash = Multihash::from_bytes(multihash).unwrap_or_default();
    let header =
        segments.open_to_read(segment).and_then(|file| files::header_at(&*file, offset)).ok().flatten();
    // Without a header the codec is unknown; as a raw block the content can still be asked for.
    let cid = header.as_ref().map_or_else(|| Cid::new_v1(RAW, hash), |header| header.cid);
    let damage = |cid, what| Some(Damage { cid, segment, offset, what });
    let Ok(bytes) = segments.payload(location) else { return damage(cid, "the record cannot be read") };
    if block::hashes_to(&hash, &bytes) != Ok(true) {
        return damage(Cid::new_v1(cid.codec(), hash), "the payload does not match the hash");
    }
    match header {
        Some(header) if *header.cid.hash() == hash => None,
        _ => damage(cid, "the header is damaged; the payload is whole"),
    }
}
