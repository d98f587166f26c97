//! What the composition root plugs in besides the ports of `nubes-base`.

use async_trait::async_trait;
use axum::{Router, body::Body};
use cid::Cid;
use http::{Request, Response};
use serde_json::Value;
use std::fmt;

/// Serves files from content-addressed storage.
///
/// Law: answers GET, HEAD and OPTIONS for anything below `root`, by range and conditionally, and never fails
/// otherwise than by an error response.
#[async_trait]
pub trait Sites: Send + Sync + fmt::Debug {
    /// Answers a request for `/ipfs/CID/path`, whatever its method; a path that has no CID gets an error response.
    async fn serve_path(&self, request: Request<Body>) -> Response<Body>;

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
