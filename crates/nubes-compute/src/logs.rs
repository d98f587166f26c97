//! What functions print: the last lines of each app, and a stream of new ones.

use futures_util::{Stream, StreamExt};
use nubes_base::{AppName, Timestamp};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::Arc,
};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// Lines kept of one app.
pub const LINES_MAX: usize = 1_000;
/// Apps whose lines are kept; the one that was silent longest makes room.
pub const APPS_MAX: usize = 1_000;
/// A longer line is cut.
pub const LINE_BYTES_MAX: usize = 8 << 10;
/// Lines that a slow follower may fall behind before it loses some.
const FOLLOWER_LINES_MAX: usize = 4_096;

/// New lines of all apps.
pub type LogFollower = Pin<Box<dyn Stream<Item = LogLine> + Send>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    pub app: AppName,
    pub function: String,
    pub level: LogLevel,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Clones share the lines.
#[derive(Clone, Debug)]
pub struct Logs {
    // Guests print from any thread, one line at a time.
    lines: Arc<Mutex<BTreeMap<AppName, VecDeque<LogLine>>>>,
    news: broadcast::Sender<LogLine>,
}

impl Logs {
    pub(crate) fn new() -> Self {
        let (news, _) = broadcast::channel(FOLLOWER_LINES_MAX);
        Self { lines: Arc::default(), news }
    }

    pub(crate) fn add(&self, mut line: LogLine) {
        let mut end = line.text.len().min(LINE_BYTES_MAX);
        while !line.text.is_char_boundary(end) {
            end -= 1;
        }
        line.text.truncate(end);
        let mut lines = self.lines.lock();
        if lines.len() >= APPS_MAX && !lines.contains_key(&line.app) {
            let quiet = lines.iter().min_by_key(|(_, kept)| kept.back().map(|line| line.at)).map(|(app, _)| app.clone());
            quiet.map(|app| lines.remove(&app));
        }
        let kept = lines.entry(line.app.clone()).or_default();
        if kept.len() >= LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(line.clone());
        // Nobody may be following.
        let _ = self.news.send(line);
    }

    /// The newest `count` lines of `app`, oldest first.
    pub fn tail(&self, app: &AppName, count: usize) -> Vec<LogLine> {
        let lines = self.lines.lock();
        let Some(kept) = lines.get(app) else { return Vec::new() };
        kept.iter().skip(kept.len().saturating_sub(count)).cloned().collect()
    }

    pub fn follow(&self) -> LogFollower {
        // A follower that is too slow misses lines; they are still in the tail.
        BroadcastStream::new(self.news.subscribe()).filter_map(|line| std::future::ready(line.ok())).boxed()
    }
}
