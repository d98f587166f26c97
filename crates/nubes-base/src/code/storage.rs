//! 3xxx: storage.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(3001, "malformed CID", "The text is not a content identifier.", "Check for cut-off or mixed-up characters; CIDs look like bafy… or Qm…."),
];
