//! 2xxx: ledger.

use super::{Explanation, entry};

pub(super) const ENTRIES: &[Explanation] = &[entry(
    2001,
    "ledger store cannot be opened",
    "The state database is damaged or held by another process.",
    "Stop the other process; if the file is damaged, delete the validator's data folder and let it catch up from its peers.",
)];
