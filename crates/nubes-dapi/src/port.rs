//! What the composition root plugs in besides the ports of `nubes-base`.

use async_trait::async_trait;
use axum::{Router, body::Body};
use cid::Cid;
use futures_util::stream::BoxStream;
use http::{Request, Response};
use nubes_base::AppName;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Serves files from content-addressed storage.
///
/// Law: answers GET, HEAD and OPTIONS for anything below `root`, by range and conditionally, and never fails
/// otherwise than by an error response.
#[async_trait]
pub trait Sites: Send + Sync + fmt::Debug {
    /// Answers `request` with what is at `path` below `root`. `path` begins with `/` and is percent-encoded
    /// as it came.
    async fn serve(&self, root: &Cid, path: &str, request: Request<Body>, caching: Caching)
    -> Response<Body>;
}

/// For how long the answer stays true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// The host names the content: for ever.
    Immutable,
    /// The host names an app: until its next deployment, so caches have to ask.
    Revalidate,
}

/// What functions print.
///
/// Law: `follow` gives every line that is printed after the call, unless the reader is too slow for the
/// source.
pub trait LogSource: Send + Sync + fmt::Debug {
    /// The newest lines of `app`, oldest first, at most `lines_max`.
    fn tail(&self, app: &AppName, lines_max: usize) -> Vec<LogLine>;

    /// Lines of all apps from now on.
    fn follow(&self) -> BoxStream<'static, LogLine>;
}

/// One line that a function printed. Its JSON is what `/api/v1/apps/NAME/logs` sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
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

/// A router of another layer below a path of the node's own host.
#[derive(Clone, Debug)]
pub struct Mount {
    pub(crate) path: String,
    pub(crate) router: Router,
    pub(crate) openapi_paths: Option<Value>,
}

impl Mount {
    /// Everything at and below `path` goes to `router`, unchanged: its routes begin with `path`. The longest
    /// path wins.
    pub fn new(path: impl Into<String>, router: Router) -> Self {
        Self { path: path.into(), router, openapi_paths: None }
    }

    /// Adds the `paths` object of an `OpenAPI` document to the node's own document.
    #[must_use]
    pub fn described(mut self, openapi_paths: Value) -> Self {
        self.openapi_paths = Some(openapi_paths);
        self
    }

    pub(crate) fn covers(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.path.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}
