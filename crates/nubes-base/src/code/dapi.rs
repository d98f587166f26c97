//! 5xxx: front door.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[
    entry(5001, "no such app", "No app of this name is on the ledger.", "Check the name, or deploy the app."),
];
