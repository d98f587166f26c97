//! 4xxx: compute.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(4001, "function stopped", "The function trapped, threw, or returned no response.", "See `nubes logs` for its last words."),
];
