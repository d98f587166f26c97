//! What functions print, as the other layers see it.

use crate::{app::AppName, time::Timestamp};
use futures_util::stream::BoxStream;
use serde::Serialize;

/// One line that a function printed. Its JSON is what a reader of logs gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    pub app: AppName,
    pub function: String,
    pub level: LogLevel,
    pub text: String,
}

/// How much a line matters to whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Keeps what functions print.
///
/// Law: `follow` gives every line that is printed after the call, unless the reader is too slow for the source.
pub trait LogSource: Send + Sync + std::fmt::Debug {
    /// The newest lines of `app`, oldest first, at most `lines_max`.
    fn tail(&self, app: &AppName, lines_max: usize) -> Vec<LogLine>;

    /// Lines of all apps from now on.
    fn follow(&self) -> BoxStream<'static, LogLine>;
}
