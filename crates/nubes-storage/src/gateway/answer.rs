//! The answers: bodies and their headers.

pub(crate) mod archive;
mod codec;

use super::conditions::{self, Wanted};
use super::encoding::{self, Compressed, Encoding};
use super::format::parameter;
use super::{Caching, Gateway, Place, Site, Target, listing};
use crate::block::RAW;
use crate::car::{self, Selection};
use crate::ipns::{Name, Record};
use crate::problem::Problem;
use crate::store::Store;
use crate::unixfs::{self, File, ReadError};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use cid::Cid;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use nubes_base::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::ops::Range;

const IPFS_PATH: HeaderName = HeaderName::from_static("x-ipfs-path");
const IPFS_ROOTS: HeaderName = HeaderName::from_static("x-ipfs-roots");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=29030400, immutable");
/// A listing's HTML can change with the program even if the directory cannot.
const LISTING: HeaderValue =
    HeaderValue::from_static("public, max-age=604800, stale-while-revalidate=2678400");
const VARY: HeaderValue = HeaderValue::from_static("Accept");
/// Of sites with an origin of their own, which are compressed.
const VARY_OWN: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const CAR: HeaderValue = HeaderValue::from_static("application/vnd.ipld.car; version=1; order=dfs; dups=n");
const CAR_WITH_DUPLICATES: HeaderValue =
    HeaderValue::from_static("application/vnd.ipld.car; version=1; order=dfs; dups=y");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Accept, Content-Type, If-None-Match, If-Range, Range, User-Agent, X-Requested-With",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Length, Content-Range, Etag, X-Ipfs-Path, X-Ipfs-Roots, X-Chunked-Output, X-Stream-Output",
);
/// Bytes of a file that are looked at when its name has no type.
const SNIFFED_BYTES_MAX: u64 = 3_072;
/// A longer file is not read whole to see whether it is JSON.
const JSON_BYTES_MAX: u64 = 256 << 10;

/// One request and what it leads to.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    store: &'a Store,
    compressed: &'a Compressed,
    site: &'a Site,
    pub(super) parts: &'a Parts,
    caching: &'a Caching,
    pub(super) target: &'a Target,
    /// What is sent: the target itself, or the index of the directory that it is.
    body: &'a Target,
    /// The file's name if the path does not have it.
    file_name: Option<&'static str>,
    status: StatusCode,
}

/// The answer to a browser that asks whether another site's script may read.
pub(super) fn preflight() -> Response {
    let mut headers = HeaderMap::new();
    open_to_all(&mut headers);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    respond(StatusCode::NO_CONTENT, headers, Body::empty())
}

/// Sends the client to `location`.
pub(super) fn location(status: StatusCode, location: &str) -> Result<Response, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, value(location.to_owned())?);
    open_to_all(&mut headers);
    Ok(respond(status, headers, Body::empty()))
}

/// The signed record of a name, for who verifies it.
pub(super) fn record(
    parts: &Parts,
    name: &Name,
    record: &Record,
    now: Timestamp,
) -> Result<Response, Problem> {
    let tag = crc32c::crc32c(&record.bytes);
    let mut headers = HeaderMap::new();
    open_to_all(&mut headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.ipfs.ipns-record"));
    let given = parameter(parts, "filename").unwrap_or_else(|| format!("{name}.ipns-record"));
    headers.insert(header::CONTENT_DISPOSITION, disposition("attachment", &given)?);
    headers.insert(header::ETAG, value(format!("\"{name}.{tag:08x}.ipns-record\""))?);
    // Not longer than the record is valid.
    let life = record.valid_until.since(now).as_secs();
    let max_age_s = record.ttl.map_or(life, |ttl| ttl.as_secs().min(life));
    headers.insert(header::CACHE_CONTROL, value(format!("public, max-age={max_age_s}"))?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(record.bytes.len()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let body = if parts.method == Method::HEAD { Body::empty() } else { Body::from(record.bytes.clone()) };
    Ok(respond(StatusCode::OK, headers, body))
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        gateway: &'a Gateway,
        site: &'a Site,
        parts: &'a Parts,
        caching: &'a Caching,
        target: &'a Target,
    ) -> Self {
        let (store, compressed, status) = (&gateway.inner.store, &gateway.inner.compressed, StatusCode::OK);
        Self { store, compressed, site, parts, caching, target, body: target, file_name: None, status }
    }

    pub(super) fn with_body<'b>(self, body: &'b Target, file_name: &'static str) -> Answer<'b>
    where
        'a: 'b,
    {
        Answer { body, file_name: Some(file_name), ..self }
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) async fn file(self, size: u64) -> Result<Response, Problem> {
        let etag = self.target.etag.clone();
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        if let Some(encoding) = self.encoding(size)
            && let Some(compressed) = Box::pin(self.compressed(encoding, size)).await?
        {
            return Ok(compressed);
        }
        let mut headers = self.headers(etag.clone());
        headers.insert(header::CONTENT_TYPE, self.content_type(size).await?);
        self.name_file(&mut headers)?;
        let (range, status) = self.range(&etag, size, &mut headers)?;
        let cid = self.body.resolved.cid;
        let body = if self.parts.method == Method::HEAD {
            Body::empty()
        } else if cid.codec() == RAW {
            let block = self.store.get(&cid).await?;
            Body::from(part(&block, &range))
        } else {
            Box::pin(stream_body(File::known(self.store, cid, size).stream(range))).await?
        };
        Ok(respond(status, headers, body))
    }

    /// How the client wants the file compressed. A part is one of the bytes as they are.
    fn encoding(&self, size: u64) -> Option<Encoding> {
        let fits = self.site.place != Place::Shared && encoding::FILE_BYTES.contains(&size);
        if !fits || self.parts.headers.contains_key(header::RANGE) {
            return None;
        }
        Encoding::wanted(&self.parts.headers)
    }

    /// The file compressed; none if it is better sent as it is.
    async fn compressed(&self, encoding: Encoding, size: u64) -> Result<Option<Response>, Problem> {
        let etag = value(format!("\"{}.{}\"", self.target.resolved.cid, encoding.name()))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(Some(known));
        }
        let media_type = self.content_type(size).await?;
        if !encoding::is_worth(&media_type) {
            return Ok(None);
        }
        let cid = self.body.resolved.cid;
        let read = File::known(self.store, cid, size);
        let read = read.read(*encoding::FILE_BYTES.end());
        let Some(bytes) = self.compressed.get(cid, encoding, read).await? else { return Ok(None) };
        let mut headers = self.headers(etag);
        headers.insert(header::CONTENT_TYPE, media_type);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        self.name_file(&mut headers)?;
        Ok(Some(self.whole(headers, bytes)))
    }

    /// The name under which the client wants to keep the file.
    fn name_file(&self, headers: &mut HeaderMap) -> Result<(), Problem> {
        if let Some(name) = parameter(self.parts, "filename") {
            headers.insert(header::CONTENT_DISPOSITION, self.disposition("inline", &name)?);
        }
        Ok(())
    }

    pub(super) async fn symlink(self, cid: Cid) -> Result<Response, Problem> {
        let etag = self.target.etag.clone();
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let mut headers = self.headers(etag);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("inode/symlink"));
        let target = unixfs::symlink_target(self.store, cid).await?;
        Ok(self.whole(headers, target))
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
        self.attach(&mut headers, &format!("{cid}.bin"))?;
        self.block(&etag, headers, &block)
    }

    pub(super) async fn car(self, selection: Selection) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let variant = crc32c::crc32c(format!("{}{selection:?}", self.address()).as_bytes());
        let etag = value(format!("W/\"{cid}.car.{variant:08x}\""))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let mut headers = self.headers(etag);
        headers.insert(header::CONTENT_TYPE, if selection.duplicates { CAR_WITH_DUPLICATES } else { CAR });
        self.attach(&mut headers, &format!("{cid}.car"))?;
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        let body = match self.parts.method {
            Method::HEAD => Body::empty(),
            _ => stream_body(car::export(self.store, &self.target.resolved, selection)).await?,
        };
        Ok(respond(StatusCode::OK, headers, body))
    }

    pub(super) async fn listing(self) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let etag = value(format!("\"DirIndex-nubes-{}_CID-{cid}\"", listing::VERSION))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let names = unixfs::list(self.store, &cid, listing::ENTRIES_MAX).await?;
        let page = listing::page(self.site, &cid, &names);
        Ok(self.page(etag, page))
    }

    /// A page of the gateway's own making.
    fn page(self, etag: HeaderValue, page: String) -> Response {
        let mut headers = self.headers(etag);
        if *self.caching == Caching::Immutable {
            headers.insert(header::CACHE_CONTROL, LISTING);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(listing::POLICY));
        self.whole(headers, page.into())
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

    /// A block or the part of it that is wanted.
    fn block(self, etag: &HeaderValue, mut headers: HeaderMap, block: &Bytes) -> Result<Response, Problem> {
        let (range, status) = self.range(etag, block.len() as u64, &mut headers)?;
        let body =
            if self.parts.method == Method::HEAD { Body::empty() } else { Body::from(part(block, &range)) };
        Ok(respond(status, headers, body))
    }

    fn whole(self, mut headers: HeaderMap, bytes: Bytes) -> Response {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        let body = if self.parts.method == Method::HEAD { Body::empty() } else { Body::from(bytes) };
        respond(self.status, headers, body)
    }

    fn unchanged(&self, etag: &HeaderValue) -> Option<Response> {
        let known = self.status == StatusCode::OK
            && conditions::is_known(&self.parts.headers, etag.to_str().unwrap_or_default());
        known.then(|| respond(StatusCode::NOT_MODIFIED, self.headers(etag.clone()), Body::empty()))
    }

    fn headers(&self, etag: HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(header::ETAG, etag);
        headers.insert(header::CACHE_CONTROL, self.cache_control());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::VARY, if self.site.place == Place::Shared { VARY } else { VARY_OWN });
        open_to_all(&mut headers);
        headers.insert(IPFS_ROOTS, self.target.roots.clone());
        if let Ok(address) = HeaderValue::try_from(self.address()) {
            headers.insert(IPFS_PATH, address);
        }
        headers
    }

    fn cache_control(&self) -> HeaderValue {
        match self.caching {
            Caching::Immutable => IMMUTABLE,
            Caching::Mutable { max_age_s } => {
                let text = format!("public, max-age={max_age_s}, must-revalidate");
                HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("no-cache"))
            }
        }
    }

    /// `/ipfs/ROOT/path` or `/ipns/NAME/path`, percent-encoded as it came.
    fn address(&self) -> String {
        let path = self.site.path.trim_start_matches('/');
        let bare = path.is_empty() && !self.parts.uri.path().ends_with('/');
        let separator = if bare { "" } else { "/" };
        format!("{}{separator}{path}", self.site.root)
    }

    /// By the name's extension; else by what the first bytes look like.
    async fn content_type(&self, size: u64) -> Result<HeaderValue, Problem> {
        let last = || self.file_name.or_else(|| self.site.path.trim_end_matches('/').rsplit('/').next());
        let decoded = || percent_decode_str(last().unwrap_or_default()).decode_utf8_lossy().into_owned();
        let name = parameter(self.parts, "filename").unwrap_or_else(decoded);
        if let Some(guess) = mime_guess::from_path(name).first_raw() {
            if !guess.starts_with("text/") {
                return Ok(HeaderValue::from_static(guess));
            }
            return Ok(HeaderValue::try_from(format!("{guess}; charset=utf-8")).unwrap_or(OCTETS));
        }
        if let Some(known) = self.body.sniffed.get() {
            return Ok(known.clone());
        }
        // A file whose first block is missing can still be served in part.
        let Ok(sniffed) = Box::pin(self.sniff(size)).await else { return Ok(OCTETS) };
        Ok(self.body.sniffed.get_or_init(|| sniffed).clone())
    }

    async fn sniff(&self, size: u64) -> Result<HeaderValue, Problem> {
        let file = File::known(self.store, self.body.resolved.cid, size);
        let mut start = Vec::new();
        let mut parts = file.stream(0..SNIFFED_BYTES_MAX);
        while let Some(part) = parts.try_next().await? {
            start.extend_from_slice(&part);
        }
        if let Some(kind) = infer::get(&start) {
            return Ok(HeaderValue::from_static(kind.mime_type()));
        }
        let begins_as_json =
            matches!(start.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
        if begins_as_json && size <= JSON_BYTES_MAX {
            let whole = file.read(JSON_BYTES_MAX).await?;
            if serde_json::from_slice::<serde::de::IgnoredAny>(&whole).is_ok() {
                return Ok(HeaderValue::from_static("application/json"));
            }
        }
        Ok(if is_text(&start) { HeaderValue::from_static("text/plain; charset=utf-8") } else { OCTETS })
    }

    /// For a file to keep, under its given name or `name`.
    fn attach(&self, headers: &mut HeaderMap, name: &str) -> Result<(), Problem> {
        let given = parameter(self.parts, "filename");
        let value = disposition("attachment", given.as_deref().unwrap_or(name))?;
        headers.insert(header::CONTENT_DISPOSITION, value);
        Ok(())
    }

    fn disposition(&self, kind: &str, name: &str) -> Result<HeaderValue, Problem> {
        let download = parameter(self.parts, "download").as_deref() == Some("true");
        disposition(if download { "attachment" } else { kind }, name)
    }

    /// The range to send and its status; sets the headers that say so.
    fn range(
        &self,
        etag: &HeaderValue,
        size: u64,
        headers: &mut HeaderMap,
    ) -> Result<(Range<u64>, StatusCode), Problem> {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let wanted = match self.status {
            StatusCode::OK => {
                conditions::wanted(&self.parts.headers, etag.to_str().unwrap_or_default(), size)
            }
            _ => Wanted::Whole,
        };
        match wanted {
            Wanted::Whole => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
                Ok((0..size, self.status))
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

/// Content is public and carries no credentials, so every page may read it.
fn open_to_all(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// With the name in ASCII for old clients, and as it is (RFC 6266).
fn disposition(kind: &str, name: &str) -> Result<HeaderValue, Problem> {
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let encoded = utf8_percent_encode(name, FILE_NAME);
    value(format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}"))
}

const FILE_NAME: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn is_text(start: &[u8]) -> bool {
    let whole = match std::str::from_utf8(start) {
        Ok(_) => true,
        // The last character may have been cut.
        Err(error) => error.error_len().is_none() && !start.is_empty(),
    };
    whole && !start.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
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

fn part(block: &Bytes, range: &Range<u64>) -> Bytes {
    let position = |at: u64| usize::try_from(at).map_or(block.len(), |at| at.min(block.len()));
    block.slice(position(range.start)..position(range.end))
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|_| Problem::new(StatusCode::BAD_REQUEST, 3002, "not a header value"))
}
