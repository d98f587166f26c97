//! What functions print: the last lines of each app, and a stream of new ones.

use futures_util::{StreamExt, stream::BoxStream};
use nubes_base::{
    AppName, Timestamp,
    port::{LogLine, LogSource},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// Lines kept of one app.
pub(crate) const LINES_MAX: usize = 1_000;
/// Text kept of one app.
pub(crate) const APP_BYTES_MAX: usize = 256 << 10;
/// Apps whose lines are kept; the one that was silent longest makes room.
pub(crate) const APPS_MAX: usize = 1_000;
/// A longer line is cut.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 10;
/// Lines that a slow follower may fall behind before it loses some.
const FOLLOWER_LINES_MAX: usize = 4_096;

/// Clones share the lines.
#[derive(Clone, Debug)]
pub struct Logs {
    // Guests print from any thread, one line at a time.
    apps: Arc<Mutex<BTreeMap<AppName, Kept>>>,
    news: broadcast::Sender<LogLine>,
}

/// The last lines of an app.
#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, line: LogLine) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > APP_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.text.len();
        }
    }

    fn newest(&self) -> Option<Timestamp> {
        self.lines.back().map(|line| line.at)
    }
}

impl Logs {
    pub(crate) fn new() -> Self {
        let (news, _) = broadcast::channel(FOLLOWER_LINES_MAX);
        Self { apps: Arc::default(), news }
    }

    pub(crate) fn add(&self, mut line: LogLine) {
        let mut end = line.text.len().min(LINE_BYTES_MAX);
        while !line.text.is_char_boundary(end) {
            end -= 1;
        }
        line.text.truncate(end);
        let mut apps = self.apps.lock();
        if apps.len() >= APPS_MAX && !apps.contains_key(&line.app) {
            let quiet = apps.iter().min_by_key(|(_, kept)| kept.newest()).map(|(app, _)| app.clone());
            quiet.map(|app| apps.remove(&app));
        }
        apps.entry(line.app.clone()).or_default().push(line.clone());
        // Nobody may be following.
        let _ = self.news.send(line);
    }
}

impl LogSource for Logs {
    fn tail(&self, app: &AppName, lines_max: usize) -> Vec<LogLine> {
        let apps = self.apps.lock();
        let Some(Kept { lines, .. }) = apps.get(app) else { return Vec::new() };
        lines.iter().skip(lines.len().saturating_sub(lines_max)).cloned().collect()
    }

    fn follow(&self) -> BoxStream<'static, LogLine> {
        // A follower that is too slow misses lines; they are still in the tail.
        BroadcastStream::new(self.news.subscribe()).filter_map(|line| std::future::ready(line.ok())).boxed()
    }
}

#[cfg(test)]
mod tests;
