//! The IPFS HTTP gateway: the path, trustless, subdomain, `DNSLink` and `_redirects` specifications, for the front door.
//!
//! [`Gateway::serve_path`] answers `/ipfs/CID/path` and `/ipns/NAME/path`. [`Gateway::serve`] answers for any root, so that
//! the front door can serve `CID.ipfs.HOST`, `NAME.ipns.HOST` and `NAME.HOST` from the same code; which root a host means is
//! its business.
//!
//! | asked for | answer |
//! |---|---|
//! | a file | its bytes, by range if wanted, typed by the name's extension, else by what the bytes look like |
//! | a directory without `/` | 301 to the path with `/` |
//! | a directory with `/` | its `index.html`, else a listing |
//! | DAG-JSON, DAG-CBOR, JSON, CBOR | the block as it is; as a page for browsers |
//! | a symbolic link | the path that it points to |
//! | `format=raw`, `Accept: application/vnd.ipld.raw` | the block |
//! | `format=car`, `Accept: application/vnd.ipld.car` | a CAR: path, then `dag-scope=all`, `entity` or `block`; `entity-bytes`, `car-dups` |
//! | `format=tar` | files and directories as an archive |
//! | `format=ipns-record` | the signed record of a name |
//! | a path that is not there, in a site with an origin of its own | what the site's `_redirects` says |
//!
//! There, a site's `_headers` adds headers to files, pages and listings, not to blocks and archives, and text is compressed for
//! who takes that.
//!
//! Headers: `Etag` by CID, so that `If-None-Match` costs no read; `Cache-Control` immutable for immutable roots;
//! `X-Ipfs-Path`, `X-Ipfs-Roots`; CORS open to all, since content is public and carries no credentials. Blocks are never
//! converted from one codec to another (IPIP-524). Of several ranges the first is sent.

mod address;
mod answer;
mod conditions;
mod deny;
mod encoding;
mod format;
pub mod headers;
mod links;
mod listing;
mod names;
mod rebuild;
mod redirects;

pub(crate) use answer::archive::archive;
pub use deny::{DenyList, DenyListError, FILE_BYTES_MAX as DENY_LIST_BYTES_MAX};
pub use links::Links;
pub use names::Names;
pub use rebuild::Rebuilds;

use crate::flights::Flights;
use crate::ipns::Name;
use crate::problem::Problem;
use crate::segments::GetError;
use crate::store::Store;
use crate::unixfs::{Kind, NodeError, ReadError, Resolved, resolve};
use answer::Answer;
use axum::response::{IntoResponse, Response};
use cid::Cid;
use encoding::Compressed;
use format::Format;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use lru::LruCache;
use names::Found;
use nubes_base::Clock;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use redirects::Outcome;
use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Paths whose resolution is remembered.
const PATHS_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
/// A longer path is resolved each time.
const REMEMBERED_PATH_BYTES_MAX: usize = 512;
/// Sites whose `_headers` are remembered. Each is bounded itself.
const SITES_MAX: NonZeroUsize = NonZeroUsize::new(512).unwrap();
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

/// What an address begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    Content(Cid),
    Name(Name),
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(cid) => write!(f, "/ipfs/{cid}"),
            Self::Name(name) => write!(f, "/ipns/{name}"),
        }
    }
}

/// On which kind of host the content is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On one that serves all content, below `/ipfs/` and `/ipns/`.
    Shared,
    /// On one of its own below the gateway `gateway`, which may have a port.
    Below { gateway: String },
    /// On one that is named after the site.
    Own { host: String },
}

/// What is asked for: a path below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub root: Root,
    /// As in the URL, percent-encoded; slashes at its ends do not matter.
    pub path: String,
    /// Of a root that is content; a name says itself how long it holds.
    pub caching: Caching,
    pub place: Place,
}

/// Serves a store over HTTP; clones share the memory of resolved paths.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    names: Names,
    /// None: what is not here is not brought.
    rebuilds: Option<Rebuilds>,
    clock: Arc<dyn Clock>,
    deny: Option<DenyList>,
    // A lock and not a task: it is held for one look-up per request.
    paths: Mutex<Paths>,
    /// Paths that are being resolved.
    lookups: Flights<(Cid, String), Arc<Target>>,
    // A lock for the same reason.
    headers: Mutex<SiteHeaders>,
    compressed: Compressed,
}

type Paths = LruCache<(Cid, String), Arc<Target>>;
/// By root and prefix; none if the site has no such file.
type SiteHeaders = LruCache<(Cid, String), Option<Arc<headers::Rules>>>;

/// A resolved path with the headers that depend on nothing else.
#[derive(Debug)]
struct Target {
    resolved: Resolved,
    etag: HeaderValue,
    roots: HeaderValue,
    /// What its first bytes look like.
    sniffed: OnceLock<HeaderValue>,
    /// How often something had been removed from the store: what was here before may be gone.
    removals: u64,
    /// The newest deny list that is known not to have it; zero at first.
    permitted_by: AtomicU64,
}

impl Gateway {
    /// A gateway to `store`, and to what `rebuilds` bring there. What `deny` lists is not served.
    pub fn new(
        store: Store,
        names: Names,
        rebuilds: Option<Rebuilds>,
        clock: Arc<dyn Clock>,
        deny: Option<DenyList>,
    ) -> Self {
        let paths = Mutex::new(LruCache::new(PATHS_MAX));
        let headers = Mutex::new(LruCache::new(SITES_MAX));
        let (lookups, compressed) = (Flights::new(), Compressed::new());
        Self {
            inner: Arc::new(Inner {
                store,
                names,
                rebuilds,
                clock,
                deny,
                paths,
                lookups,
                headers,
                compressed,
            }),
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
        if format == Format::IpnsRecord {
            return self.record_of(site, parts);
        }
        let found = self.locate(&site.root, &site.caching).await?;
        let mut response = self.answer_or_bring(site, parts, &found, format).await?;
        if site.place == Place::Shared || !matches!(format, Format::Content | Format::Ipld(_)) {
            return Ok(response);
        }
        if let Some(rules) = Box::pin(self.headers_of(&found)).await?
            && !response.headers().contains_key(header::LOCATION)
        {
            rules.apply(&site.path, response.headers_mut());
        }
        Ok(response)
    }

    /// What is not all here is brought first, if somebody keeps it.
    async fn answer_or_bring(
        &self,
        site: &Site,
        parts: &Parts,
        found: &Found,
        format: Format,
    ) -> Result<Response, Problem> {
        let answer = self.answer_at(site, parts, found, format).await;
        let is_missing = matches!(&answer, Err(problem) if problem.is_missing_block());
        match &self.inner.rebuilds {
            Some(rebuilds) if is_missing && !only_if_cached(parts) => {
                if Box::pin(rebuilds.bring(&self.inner.store, &found.root)).await? {
                    return Box::pin(self.answer_at(site, parts, found, format)).await;
                }
                answer
            }
            _ => answer,
        }
    }

    async fn answer_at(
        &self,
        site: &Site,
        parts: &Parts,
        found: &Found,
        format: Format,
    ) -> Result<Response, Problem> {
        let path = format!("{}{}", found.prefix, site.path.trim_start_matches('/'));
        match self.permitted(found.root, &path).await {
            Ok(target) => {
                self.content(&Answer::new(self, site, parts, &found.caching, &target), format).await
            }
            Err(Lookup::Read(ReadError::NoEntry { cid, name }))
                if format == Format::Content && site.place != Place::Shared =>
            {
                let redirected = Box::pin(self.redirected(site, parts, found)).await?;
                redirected.ok_or_else(|| ReadError::NoEntry { cid, name }.into())
            }
            Err(Lookup::Read(ReadError::Block(GetError::NotFound { cid }))) if only_if_cached(parts) => {
                let detail = format!("block {cid} is not stored here");
                Err(Problem::new(StatusCode::PRECONDITION_FAILED, 3027, detail))
            }
            Err(failed) => Err(failed.into()),
        }
    }

    fn record_of(&self, site: &Site, parts: &Parts) -> Result<Response, Problem> {
        match &site.root {
            Root::Name(name) => answer::record(parts, name, &self.record(name)?, self.inner.clock.now()),
            Root::Content(cid) => Err(format::unavailable(&format!("ipns-record of {cid}"))),
        }
    }

    // Boxed is what is asked for rarely: each future is as large as the largest it may wait for, and is moved for each request.
    async fn content(&self, answer: &Answer<'_>, format: Format) -> Result<Response, Problem> {
        let cid = answer.target.resolved.cid;
        match (format, answer.target.resolved.kind) {
            (Format::Raw, _) => answer.raw().await,
            (Format::Car(selection), _) => Box::pin(answer.car(selection)).await,
            (Format::Tar, _) => Box::pin(answer.tar()).await,
            (Format::Ipld(wanted), kind) => Box::pin(answer.ipld(Some(wanted), kind)).await,
            (_, Kind::Other { .. }) => Box::pin(answer.ipld(None, answer.target.resolved.kind)).await,
            (_, Kind::File { size }) => answer.file(size).await,
            (_, Kind::Symlink) => Box::pin(answer.symlink(cid)).await,
            (_, Kind::Directory) if !answer.parts.uri.path().ends_with('/') => {
                Ok(answer.redirect_to_directory())
            }
            (_, Kind::Directory) => Box::pin(self.directory(answer)).await,
        }
    }

    async fn directory(&self, answer: &Answer<'_>) -> Result<Response, Problem> {
        let target = match self.permitted(answer.target.resolved.cid, INDEX).await {
            Ok(target) => target,
            Err(Lookup::Read(ReadError::NoEntry { .. })) => return answer.listing().await,
            Err(failed) => return Err(failed.into()),
        };
        match target.resolved.kind {
            // The tag is the directory's: that is what the address names.
            Kind::File { size } => answer.with_body(&target, INDEX).file(size).await,
            _ => answer.listing().await,
        }
    }

    /// What the site's `_redirects` says of a path that is not there.
    async fn redirected(
        &self,
        site: &Site,
        parts: &Parts,
        found: &Found,
    ) -> Result<Option<Response>, Problem> {
        let rules = match self.resolve(found.root, &format!("{}{}", found.prefix, redirects::FILE)).await {
            Ok(target) => redirects::read(&self.inner.store, &target.resolved).await?,
            Err(Lookup::Read(ReadError::NoEntry { .. })) => return Ok(None),
            Err(failed) => return Err(failed.into()),
        };
        let Some(outcome) = redirects::apply(&rules, &site.path) else { return Ok(None) };
        match outcome {
            Outcome::Location { status, to } => Ok(Some(answer::location(status, &to)?)),
            Outcome::Page { status, path } => {
                let path = format!("{}{}", found.prefix, path.trim_start_matches('/'));
                let target = self.permitted(found.root, &path).await?;
                let answer = Answer::new(self, site, parts, &found.caching, &target);
                let response = match target.resolved.kind {
                    Kind::File { size } => answer.with_status(status).file(size).await?,
                    _ => self.content(&answer, Format::Content).await?,
                };
                Ok(Some(response))
            }
        }
    }

    /// What the site's `_headers` says. What is known of a root holds for ever.
    async fn headers_of(&self, found: &Found) -> Result<Option<Arc<headers::Rules>>, Problem> {
        let key = (found.root, found.prefix.clone());
        if let Some(known) = self.inner.headers.lock().get(&key) {
            return Ok(known.clone());
        }
        let mut faults = Vec::new();
        let rules = match self.resolve(found.root, &format!("{}{}", found.prefix, headers::FILE)).await {
            Ok(target) => {
                let (rules, found) = headers::read(&self.inner.store, &target.resolved).await?;
                faults = found;
                Some(Arc::new(rules))
            }
            // Neither a file alone nor a block of another codec has files in it.
            Err(Lookup::Read(
                ReadError::NoEntry { .. }
                | ReadError::NotADirectory { .. }
                | ReadError::InsideNode { .. }
                | ReadError::Node(NodeError::Codec { .. }),
            )) => None,
            Err(failed) => return Err(failed.into()),
        };
        if key.1.len() <= REMEMBERED_PATH_BYTES_MAX {
            let is_first = self.inner.headers.lock().put(key, rules.clone()).is_none();
            for fault in faults.iter().filter(|_| is_first) {
                tracing::warn!(root = %found.root, file = headers::FILE, %fault, "storage.site");
            }
        }
        Ok(rules)
    }

    /// What a path leads to, unless the deny list has it, or something on the way to it.
    async fn permitted(&self, root: Cid, path: &str) -> Result<Arc<Target>, Lookup> {
        let Some(deny) = &self.inner.deny else { return self.resolve(root, path).await };
        let rules = deny.current().await;
        let target = match self.resolve(root, path).await {
            Ok(target) if target.permitted_by.load(Ordering::Relaxed) == rules.generation => {
                return Ok(target);
            }
            Ok(target) => target,
            // What is not here can be denied, too.
            Err(_) if rules.deny(&[root], &names(path)?) => return Err(Lookup::Denied { root }),
            Err(failed) => return Err(failed),
        };
        let (roots, mut names) = (&target.resolved.roots, names(path)?);
        let mut denied = rules.deny(roots, &names);
        if target.resolved.kind == Kind::Directory {
            // The index is served for its directory.
            names.push(INDEX.to_owned());
            denied |= rules.deny(roots, &names);
        }
        if denied {
            return Err(Lookup::Denied { root });
        }
        target.permitted_by.store(rules.generation, Ordering::Relaxed);
        Ok(target)
    }

    async fn resolve(&self, root: Cid, path: &str) -> Result<Arc<Target>, Lookup> {
        let key = (root, path.to_owned());
        let removals = self.inner.store.removals();
        if let Some(known) = self.inner.paths.lock().get(&key)
            && known.removals == removals
        {
            return Ok(Arc::clone(known));
        }
        let names = names(path)?;
        let find = async {
            let resolved = resolve(&self.inner.store, root, &names).await?;
            let target = Arc::new(Target::new(resolved, removals)?);
            if path.len() <= REMEMBERED_PATH_BYTES_MAX {
                self.inner.paths.lock().put(key.clone(), Arc::clone(&target));
            }
            Ok(target)
        };
        Box::pin(self.inner.lookups.join(&key, find)).await
    }
}

/// Why a path leads nowhere.
enum Lookup {
    Path { what: &'static str },
    Denied { root: Cid },
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
            Lookup::Denied { root } => Self::new(
                StatusCode::GONE,
                3028,
                format!("this path of {root} is on this gateway's deny list"),
            ),
            Lookup::Read(error) => error.into(),
        }
    }
}

fn only_if_cached(parts: &Parts) -> bool {
    let directives =
        parts.headers.get_all(header::CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    directives.flat_map(|list| list.split(',')).any(|directive| directive.trim() == "only-if-cached")
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
    fn new(resolved: Resolved, removals: u64) -> Result<Self, Lookup> {
        let roots: Vec<String> = resolved.roots.iter().map(ToString::to_string).collect();
        let header =
            |text: String| HeaderValue::try_from(text).map_err(|_| Lookup::Path { what: "no header value" });
        let etag = header(format!("\"{}\"", resolved.cid))?;
        let (roots, permitted_by) = (header(roots.join(","))?, AtomicU64::new(0));
        Ok(Self { etag, roots, resolved, sniffed: OnceLock::new(), removals, permitted_by })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("store", &self.inner.store).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
