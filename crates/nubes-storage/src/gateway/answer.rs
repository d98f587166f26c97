//! The answers: bodies and their headers.

use super::conditions::{self, Wanted};
use super::format::parameter;
use super::{Caching, Site, Target, listing};
use crate::block::RAW;
use crate::car::{self, Selection};
use crate::problem::Problem;
use crate::segments::Store;
use crate::unixfs::{self, File, ReadError};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const IPFS_PATH: HeaderName = HeaderName::from_static("x-ipfs-path");
const IPFS_ROOTS: HeaderName = HeaderName::from_static("x-ipfs-roots");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=29030400, immutable");
/// A listing's HTML can change with the program even if the directory cannot.
const LISTING: HeaderValue =
    HeaderValue::from_static("public, max-age=604800, stale-while-revalidate=2678400");
const OCTETS: &str = "application/octet-stream";
const CAR: HeaderValue = HeaderValue::from_static("application/vnd.ipld.car; version=1; order=dfs; dups=n");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Length, Content-Range, Etag, X-Ipfs-Path, X-Ipfs-Roots, X-Chunked-Output, X-Stream-Output",
);

/// One request and what it leads to.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) store: &'a Store,
    pub(super) site: &'a Site,
    pub(super) parts: &'a Parts,
    pub(super) target: &'a Target,
    /// The file's name if the path does not have it.
    pub(super) file_name: Option<&'static str>,
}

/// The answer to a browser that asks whether another site's script may read.
pub(super) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    let allowed =
        HeaderValue::from_static("Accept, Content-Type, Range, If-None-Match, If-Range, X-Requested-With");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

impl Answer<'_> {
    pub(super) async fn file(self, size: u64) -> Result<Response, Problem> {
        let etag = self.target.etag.clone();
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let mut headers = self.headers(etag.clone());
        headers.insert(header::CONTENT_TYPE, self.content_type());
        self.disposition(&mut headers)?;
        let (range, status) = self.range(&etag, size, &mut headers)?;
        let cid = self.target.resolved.cid;
        let body = if self.parts.method == Method::HEAD {
            Body::empty()
        } else if cid.codec() == RAW {
            let block = self.store.get(&cid).await?;
            Body::from(part(&block, &range))
        } else {
            stream_body(File::known(self.store, cid, size).stream(range)).await?
        };
        Ok(respond(status, headers, body))
    }

    pub(super) async fn raw(self) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let etag = value(format!("\"{cid}.raw\""))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let block = self.store.get(&cid).await?;
        let mut headers = self.headers(etag.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.ipld.raw"));
        headers.insert(header::CONTENT_DISPOSITION, value(format!("attachment; filename=\"{cid}.bin\""))?);
        let (range, status) = self.range(&etag, block.len() as u64, &mut headers)?;
        let body =
            if self.parts.method == Method::HEAD { Body::empty() } else { Body::from(part(&block, &range)) };
        Ok(respond(status, headers, body))
    }

    pub(super) async fn car(self, selection: Selection) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let variant = crc32c::crc32c(format!("{}{selection:?}", self.address()).as_bytes());
        let etag = value(format!("W/\"{cid}.car.{variant:08x}\""))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let mut headers = self.headers(etag);
        headers.insert(header::CONTENT_TYPE, CAR);
        headers.insert(header::CONTENT_DISPOSITION, value(format!("attachment; filename=\"{cid}.car\""))?);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        let body = match self.parts.method {
            Method::HEAD => Body::empty(),
            _ => stream_body(car::export(self.store, &self.target.resolved, selection)).await?,
        };
        Ok(respond(StatusCode::OK, headers, body))
    }

    pub(super) async fn listing(self) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let etag = value(format!("\"DirIndex-nubes-1-{cid}\""))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let names = unixfs::list(self.store, &cid, listing::ENTRIES_MAX).await?;
        let page = listing::page(&self.address(), &cid, &names);
        let mut headers = self.headers(etag);
        if self.site.caching == Caching::Immutable {
            headers.insert(header::CACHE_CONTROL, LISTING);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(listing::POLICY));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(page.len()));
        let body = if self.parts.method == Method::HEAD { Body::empty() } else { Body::from(page) };
        Ok(respond(StatusCode::OK, headers, body))
    }

    pub(super) fn redirect_to_directory(self) -> Response {
        // Slashes in front are cut to one: `//host/` would lead a browser to another host.
        let path = self.parts.uri.path().trim_start_matches(['/', '\\']);
        let query = self.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut headers = self.headers(self.target.etag.clone());
        headers.remove(header::ETAG);
        if let Ok(location) = HeaderValue::try_from(format!("/{path}/{query}")) {
            headers.insert(header::LOCATION, location);
        }
        respond(StatusCode::MOVED_PERMANENTLY, headers, Body::empty())
    }

    fn unchanged(&self, etag: &HeaderValue) -> Option<Response> {
        let known = conditions::is_known(&self.parts.headers, etag.to_str().unwrap_or_default());
        known.then(|| respond(StatusCode::NOT_MODIFIED, self.headers(etag.clone()), Body::empty()))
    }

    fn headers(&self, etag: HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(header::ETAG, etag);
        headers.insert(header::CACHE_CONTROL, self.cache_control());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.insert(IPFS_ROOTS, self.target.roots.clone());
        if let Ok(address) = HeaderValue::try_from(self.address()) {
            headers.insert(IPFS_PATH, address);
        }
        headers
    }

    fn cache_control(&self) -> HeaderValue {
        match self.site.caching {
            Caching::Immutable => IMMUTABLE,
            Caching::Mutable { max_age_s } => {
                let text = format!("public, max-age={max_age_s}, must-revalidate");
                HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("no-cache"))
            }
        }
    }

    /// `/ipfs/ROOT/path`, percent-encoded as it came.
    fn address(&self) -> String {
        let path = self.site.path.trim_start_matches('/');
        let bare = path.is_empty() && !self.parts.uri.path().ends_with('/');
        let separator = if bare { "" } else { "/" };
        format!("/ipfs/{}{separator}{path}", self.site.root)
    }

    /// The name that decides the type: `filename` in the query, else the last of the path.
    fn name(&self) -> String {
        let last = || self.file_name.or_else(|| self.site.path.trim_end_matches('/').rsplit('/').next());
        let decoded = || percent_decode_str(last().unwrap_or_default()).decode_utf8_lossy().into_owned();
        parameter(self.parts, "filename").unwrap_or_else(decoded)
    }

    fn content_type(&self) -> HeaderValue {
        let guess = mime_guess::from_path(self.name()).first_raw().unwrap_or(OCTETS);
        if guess.starts_with("text/") {
            return HeaderValue::try_from(format!("{guess}; charset=utf-8"))
                .unwrap_or(HeaderValue::from_static(OCTETS));
        }
        HeaderValue::from_static(guess)
    }

    fn disposition(&self, headers: &mut HeaderMap) -> Result<(), Problem> {
        let Some(name) = parameter(self.parts, "filename") else { return Ok(()) };
        let kind = match parameter(self.parts, "download").as_deref() {
            Some("true") => "attachment",
            _ => "inline",
        };
        let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
        headers.insert(header::CONTENT_DISPOSITION, value(format!("{kind}; filename*=UTF-8''{name}"))?);
        Ok(())
    }

    /// The range to send and its status; sets the headers that say so.
    fn range(
        &self,
        etag: &HeaderValue,
        size: u64,
        headers: &mut HeaderMap,
    ) -> Result<(std::ops::Range<u64>, StatusCode), Problem> {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        match conditions::wanted(&self.parts.headers, etag.to_str().unwrap_or_default(), size) {
            Wanted::Whole => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
                Ok((0..size, StatusCode::OK))
            }
            Wanted::Part(range) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
                let sent = value(format!("bytes {}-{}/{size}", range.start, range.end - 1))?;
                headers.insert(header::CONTENT_RANGE, sent);
                Ok((range, StatusCode::PARTIAL_CONTENT))
            }
            Wanted::Unsatisfiable => {
                let detail = format!("the range lies outside of {size} bytes");
                let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, 3008, detail);
                Err(problem.with_header(header::CONTENT_RANGE, value(format!("bytes */{size}"))?))
            }
        }
    }
}

/// Waits for the first bytes, so that a missing or damaged block can still become a status.
async fn stream_body(mut parts: BoxStream<'static, Result<Bytes, ReadError>>) -> Result<Body, Problem> {
    let first = parts.try_next().await?;
    Ok(Body::from_stream(stream::iter(first.map(Ok)).chain(parts)))
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn part(block: &Bytes, range: &std::ops::Range<u64>) -> Bytes {
    let position = |at: u64| usize::try_from(at).map_or(block.len(), |at| at.min(block.len()));
    block.slice(position(range.start)..position(range.end))
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, 3002, "not a header value"))
}
