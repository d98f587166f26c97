//! Roots that are being fetched for somebody who waits, and that have no pin yet.

use cid::Cid;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// How often each root is sheltered; clones share it.
// A lock because a shelter ends wherever its future is dropped; it is held for a look-up.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelters(Arc<Mutex<BTreeMap<Cid, usize>>>);

/// Keeps what is below a root alive until it is dropped.
#[derive(Debug)]
pub(super) struct Shelter {
    shelters: Shelters,
    root: Cid,
}

impl Shelters {
    pub(super) fn open(&self, root: Cid) -> Shelter {
        *self.0.lock().entry(root).or_default() += 1;
        Shelter { shelters: self.clone(), root }
    }

    pub(super) fn roots(&self) -> Vec<Cid> {
        self.0.lock().keys().copied().collect()
    }
}

impl Drop for Shelter {
    fn drop(&mut self) {
        let mut roots = self.shelters.0.lock();
        if let Some(times) = roots.get_mut(&self.root) {
            *times -= 1;
            if *times == 0 {
                roots.remove(&self.root);
            }
        }
    }
}
