//! Who lost a race for an app's state runs again when the others who lost have had their turn.
//!
//! Optimism alone would let a hundred requests for one counter run thousands of times. In line, each runs about twice.

use nubes_base::AppName;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};
use tokio::sync::OwnedMutexGuard;

/// The end of a line, for as long as somebody stands in it.
type Line = Weak<tokio::sync::Mutex<()>>;

#[derive(Debug, Default)]
pub(super) struct Turns {
    // Held for a look-up.
    lines: Mutex<BTreeMap<AppName, Line>>,
}

impl Turns {
    /// Waits for one's turn; it ends when the guard is dropped. First come, first served.
    pub(super) async fn take(&self, app: &AppName) -> OwnedMutexGuard<()> {
        let line = self.line(app);
        line.lock_owned().await
    }

    fn line(&self, app: &AppName) -> Arc<tokio::sync::Mutex<()>> {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get(app).and_then(Weak::upgrade) {
            return line;
        }
        lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::default();
        lines.insert(app.clone(), Arc::downgrade(&line));
        line
    }
}
