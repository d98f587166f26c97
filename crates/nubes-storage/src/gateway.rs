//! The IPFS HTTP gateway: path and trustless gateway specifications, and sites for the front door.
//!
//! [`Gateway::serve_path`] answers `/ipfs/CID/path`. [`Gateway::serve`] answers for any root, so that the front door can serve
//! `CID.ipfs.HOST` and `NAME.HOST` from the same code; which root a host means is its business.
//!
//! | asked for | answer |
//! |---|---|
//! | a file | its bytes, by range if wanted, typed by the name's extension |
//! | a directory without `/` | 301 to the path with `/` |
//! | a directory with `/` | its `index.html`, else a listing |
//! | `format=raw`, `Accept: application/vnd.ipld.raw` | the block |
//! | `format=car`, `Accept: application/vnd.ipld.car` | a CAR: path, then `dag-scope=all`, `entity` or `block`; `entity-bytes` |
//!
//! Headers: `Etag` by CID, so that `If-None-Match` costs no read; `Cache-Control` immutable for immutable roots;
//! `X-Ipfs-Path`, `X-Ipfs-Roots`; CORS open to all, since content is public and carries no credentials.
//!
//! Not served: `_redirects`, `404.html`, TAR, IPNS records, conversion of DAG-JSON and DAG-CBOR (406), several ranges in
//! one answer (the whole file is sent instead, as RFC 9110 allows), symbolic links (501).

mod answer;
mod conditions;
mod format;
mod listing;

use crate::problem::Problem;
use crate::segments::Store;
use crate::unixfs::{Kind, ReadError, Resolved, resolve};
use answer::Answer;
use axum::response::{IntoResponse, Response};
use cid::Cid;
use format::Format;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use lru::LruCache;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use std::{fmt, num::NonZeroUsize, sync::Arc};

/// Paths whose resolution is remembered.
const PATHS_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
/// A longer path is resolved each time.
const REMEMBERED_PATH_BYTES_MAX: usize = 512;
/// What the path of a path gateway begins with.
const PATH: &str = "/ipfs/";
/// What a browser fetches for a directory.
const INDEX: &str = "index.html";

/// How long a client may keep an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caching {
    /// The root is in the address: the content can never change.
    Immutable,
    /// A name can point elsewhere tomorrow.
    Mutable {
        /// Seconds until a client has to ask again; asking costs no body if nothing changed.
        max_age_s: u32,
    },
}

/// What is asked for: a path below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub root: Cid,
    /// As in the URL, percent-encoded; slashes at its ends do not matter.
    pub path: String,
    pub caching: Caching,
}

/// Serves a store over HTTP; clones share the memory of resolved paths.
#[derive(Clone)]
pub struct Gateway {
    store: Store,
    // A lock and not a task: it is held for one look-up per request.
    paths: Arc<Mutex<Paths>>,
}

type Paths = LruCache<(Cid, String), Arc<Target>>;

/// A resolved path with the headers that depend on nothing else.
#[derive(Debug)]
struct Target {
    resolved: Resolved,
    etag: HeaderValue,
    roots: HeaderValue,
}

impl Gateway {
    pub fn new(store: Store) -> Self {
        Self { store, paths: Arc::new(Mutex::new(LruCache::new(PATHS_MAX))) }
    }

    /// Answers a request for `/ipfs/CID/path`. Of `parts` it reads method, URI and headers.
    pub async fn serve_path(&self, parts: &Parts) -> Response {
        let address = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
        let (cid, path) = address.split_once('/').unwrap_or((address, ""));
        match Cid::try_from(cid) {
            Ok(root) => {
                let site = Site { root, path: path.to_owned(), caching: Caching::Immutable };
                self.serve(&site, parts).await
            }
            Err(error) => Problem::cid(&error).into_response(),
        }
    }

    /// Answers a request for a path below a root. Of `parts` it reads method, query, headers, and the path for redirects.
    pub async fn serve(&self, site: &Site, parts: &Parts) -> Response {
        self.answer(site, parts).await.unwrap_or_else(IntoResponse::into_response)
    }

    async fn answer(&self, site: &Site, parts: &Parts) -> Result<Response, Problem> {
        match parts.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Ok(answer::preflight()),
            _ => {
                let problem =
                    Problem::new(StatusCode::METHOD_NOT_ALLOWED, 3020, format!("{} here", parts.method));
                return Err(
                    problem.with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"))
                );
            }
        }
        let format = Format::wanted(parts)?;
        let target = self.find(site.root, &site.path).await?;
        let answer = Answer { store: &self.store, site, parts, target: &target, file_name: None };
        match format {
            Format::Raw => answer.raw().await,
            Format::Car(selection) => answer.car(selection).await,
            Format::Content => self.content(answer).await,
        }
    }

    async fn content(&self, answer: Answer<'_>) -> Result<Response, Problem> {
        let cid = answer.target.resolved.cid;
        match answer.target.resolved.kind {
            Kind::File { size } => answer.file(size).await,
            Kind::Symlink => Err(ReadError::Symlink { cid }.into()),
            Kind::Other { codec } => {
                Err(ReadError::Node(crate::unixfs::NodeError::Codec { cid, codec }).into())
            }
            Kind::Directory if !answer.parts.uri.path().ends_with('/') => Ok(answer.redirect_to_directory()),
            Kind::Directory => self.directory(answer).await,
        }
    }

    async fn directory(&self, answer: Answer<'_>) -> Result<Response, Problem> {
        let path = answer.site.path.trim_end_matches('/');
        let separator = if path.is_empty() { "" } else { "/" };
        match self.resolve(answer.site.root, &format!("{path}{separator}{INDEX}")).await {
            Ok(target) => match target.resolved.kind {
                Kind::File { size } => {
                    Answer { target: &target, file_name: Some(INDEX), ..answer }.file(size).await
                }
                _ => answer.listing().await,
            },
            Err(Lookup::Read(ReadError::NoEntry { .. })) => answer.listing().await,
            Err(failed) => Err(failed.into()),
        }
    }

    async fn find(&self, root: Cid, path: &str) -> Result<Arc<Target>, Problem> {
        Ok(self.resolve(root, path).await?)
    }

    async fn resolve(&self, root: Cid, path: &str) -> Result<Arc<Target>, Lookup> {
        let key = (root, path.to_owned());
        if let Some(known) = self.paths.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let resolved = resolve(&self.store, root, &names(path)?).await?;
        let target = Arc::new(Target::new(resolved)?);
        if path.len() <= REMEMBERED_PATH_BYTES_MAX {
            self.paths.lock().put(key, Arc::clone(&target));
        }
        Ok(target)
    }
}

/// Why a path leads nowhere.
enum Lookup {
    Path { what: &'static str },
    Read(ReadError),
}

impl From<ReadError> for Lookup {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<Lookup> for Problem {
    fn from(lookup: Lookup) -> Self {
        match lookup {
            Lookup::Path { what } => Self::new(StatusCode::BAD_REQUEST, 3002, what),
            Lookup::Read(error) => error.into(),
        }
    }
}

/// The names of a percent-encoded path.
fn names(path: &str) -> Result<Vec<String>, Lookup> {
    let decode = |name: &str| {
        let name = percent_decode_str(name)
            .decode_utf8()
            .map_err(|_| Lookup::Path { what: "the path is not UTF-8" })?;
        match name.as_ref() {
            "." | ".." => Err(Lookup::Path { what: "the path has `.` or `..` as a name" }),
            name if name.contains('\0') => Err(Lookup::Path { what: "the path has a NUL character" }),
            name => Ok(name.to_owned()),
        }
    };
    path.split('/').filter(|name| !name.is_empty()).map(decode).collect()
}

impl Target {
    fn new(resolved: Resolved) -> Result<Self, Lookup> {
        let roots: Vec<String> = resolved.roots.iter().map(ToString::to_string).collect();
        let header =
            |text: String| HeaderValue::try_from(text).map_err(|_| Lookup::Path { what: "no header value" });
        Ok(Self { etag: header(format!("\"{}\"", resolved.cid))?, roots: header(roots.join(","))?, resolved })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("store", &self.store).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
