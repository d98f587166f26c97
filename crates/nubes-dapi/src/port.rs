//! What the composition root plugs in besides the ports of `nubes-base`.

use async_trait::async_trait;
use axum::{Router, body::Body};
use cid::Cid;
use http::{Request, Response};
use serde_json::Value;
use std::fmt;

/// Serves files from content-addressed storage.
///
/// Law: answers GET, HEAD and OPTIONS, by range and conditionally, and never fails otherwise than by an error response.
#[async_trait]
pub trait Sites: Send + Sync + fmt::Debug {
    /// Answers `request` with what is at its path below `root`.
    async fn serve(&self, root: &Cid, origin: Origin<'_>, request: Request<Body>) -> Response<Body>;

    /// Answers a request for `/ipfs/CID/path` or `/ipns/NAME/path`, whatever its method. `domain` is the base domain, with
    /// its port, by which the node was asked: there browsers are sent to the content's own host.
    async fn serve_path(&self, domain: Option<&str>, request: Request<Body>) -> Response<Body>;

    /// Answers a request to the host `NAME.ipns.GATEWAY`.
    async fn serve_name(&self, name: &str, gateway: &str, request: Request<Body>) -> Response<Body>;

    /// Answers a request to a host that [`Sites::has_domain`].
    async fn serve_domain(&self, host: &str, request: Request<Body>) -> Response<Body>;

    /// Whether something is known, or can be found out, that the domain `host` points to.
    async fn has_domain(&self, host: &str) -> bool;
}

/// The host on which a root is served. Each has its own origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The host names the content, below `gateway`: what it says holds for ever.
    Content { gateway: &'a str },
    /// The host names an app: its content holds until its next deployment, so caches have to ask.
    App { host: &'a str },
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

    /// Whether requests for `path` go there, unless a longer one does.
    pub fn covers(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.path.trim_end_matches('/'));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}
