//! From a request's address to a [`Site`]: paths of a shared host, and the way from there to a host of the content's own.
//!
//! On a gateway that has a domain of its own a browser is sent to `CID.ipfs.DOMAIN` or `NAME.ipns.DOMAIN`, so that pages of
//! different content cannot read each other. Programs that verify what they get are served where they are.

use super::format::parameter;
use super::{Caching, Gateway, Place, Root, Site, answer};
use crate::ipns::{KeyName, Name};
use crate::problem::Problem;
use axum::response::{IntoResponse, Response};
use cid::Cid;
use http::{Method, StatusCode, header, request::Parts};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Longest label of a host name (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;
/// What must not stand in a header as it is; everything else stays as the client wrote it.
const NOT_IN_LOCATION: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

impl Gateway {
    /// Answers a request for `/ipfs/CID/path` or `/ipns/NAME/path`. `domain` is the gateway's own, with its port, if the
    /// request came there. Of `parts` it reads method, URI and headers.
    pub async fn serve_path(&self, parts: &Parts, domain: Option<&str>) -> Response {
        match route(parts, domain) {
            Ok(Route::Site(site)) => self.serve(&site, parts).await,
            Ok(Route::Elsewhere(response)) => response,
            Err(problem) => problem.into_response(),
        }
    }

    /// Answers a request to a host that is a linked domain.
    pub async fn serve_domain(&self, host: &str, parts: &Parts) -> Response {
        let (root, place) = (Root::Name(Name::Domain(host.to_owned())), Place::Own { host: host.to_owned() });
        let caching = Caching::Mutable { max_age_s: 0 };
        self.serve(&Site { root, path: parts.uri.path().to_owned(), caching, place }, parts).await
    }

    /// Answers a request to `LABEL.ipns.GATEWAY`; `label` may have several parts.
    pub async fn serve_name(&self, label: &str, gateway: &str, parts: &Parts) -> Response {
        let name = match Name::parse_label(label) {
            Ok(name) => name,
            Err(error) => return Problem::name(&error).into_response(),
        };
        if matches!(name, Name::Key(_)) && name.to_string() != label {
            let host = format!("{name}.ipns.{gateway}");
            return elsewhere(parts, &host, parts.uri.path()).unwrap_or_else(IntoResponse::into_response);
        }
        let place = Place::Below { gateway: gateway.to_owned() };
        let caching = Caching::Mutable { max_age_s: 0 };
        self.serve(&Site { root: Root::Name(name), path: parts.uri.path().to_owned(), caching, place }, parts)
            .await
    }
}

enum Route {
    Site(Site),
    Elsewhere(Response),
}

fn route(parts: &Parts, domain: Option<&str>) -> Result<Route, Problem> {
    let path = parts.uri.path();
    let (namespace, address) =
        path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    let (first, rest) = address.split_once('/').unwrap_or((address, ""));
    if first.is_empty() {
        return by_uri(parts).map(Route::Elsewhere);
    }
    let root = match namespace {
        "ipfs" => {
            Root::Content(Cid::try_from(first).map_err(|error| Problem::address(path, &error).plain())?)
        }
        _ => Root::Name(Name::parse(first).map_err(|error| Problem::name(&error).plain())?),
    };
    if let Some(domain) = domain
        && matches!(parts.method, Method::GET | Method::HEAD)
        && !is_trustless(parts)
    {
        return isolated(parts, &root, domain, rest).map(Route::Elsewhere);
    }
    if let Root::Name(Name::Key(key)) = &root
        && key.to_string() != first
    {
        return canonical(parts, key, rest).map(Route::Elsewhere);
    }
    let caching = Caching::Immutable;
    Ok(Route::Site(Site { root, path: rest.to_owned(), caching, place: Place::Shared }))
}

/// `?uri=ipfs://CID/path`, with which a browser hands over the addresses of a protocol that it does not know.
fn by_uri(parts: &Parts) -> Result<Response, Problem> {
    let uri = parameter(parts, "uri").unwrap_or_default();
    let path = match uri.split_once("://") {
        Some((namespace @ ("ipfs" | "ipns"), rest)) if !rest.is_empty() => format!("/{namespace}/{rest}"),
        _ => {
            let detail = format!("{} is followed by no address", parts.uri.path());
            return Err(Problem::new(StatusCode::BAD_REQUEST, 3001, detail).plain());
        }
    };
    answer::location(StatusCode::MOVED_PERMANENTLY, &path)
}

/// To the host that only this content has.
fn isolated(parts: &Parts, root: &Root, domain: &str, rest: &str) -> Result<Response, Problem> {
    let (label, namespace) = match root {
        Root::Content(cid) => (label(cid), "ipfs"),
        Root::Name(name) => (name.label(), "ipns"),
    };
    if label.len() > LABEL_BYTES_MAX {
        let detail = format!("CID incompatible with DNS label length limit of {LABEL_BYTES_MAX}: {label}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, 3001, detail).plain());
    }
    elsewhere(parts, &format!("{label}.{namespace}.{domain}"), &format!("/{rest}"))
}

/// Hosts have no upper case, so a CID gets a base without it.
fn label(cid: &Cid) -> String {
    cid.into_v1().map_or_else(|_| cid.to_string(), |cid| cid.to_string())
}

/// To the one way to write a key.
fn canonical(parts: &Parts, key: &KeyName, rest: &str) -> Result<Response, Problem> {
    let separator = if rest.is_empty() && !parts.uri.path().ends_with('/') { "" } else { "/" };
    answer::location(StatusCode::FOUND, &format!("/ipns/{key}{separator}{rest}{}", query(parts)))
}

fn elsewhere(parts: &Parts, host: &str, path: &str) -> Result<Response, Problem> {
    let forwarded = parts.headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let scheme = forwarded.filter(|scheme| *scheme == "https").unwrap_or("http");
    let path = utf8_percent_encode(path, NOT_IN_LOCATION);
    answer::location(StatusCode::MOVED_PERMANENTLY, &format!("{scheme}://{host}{path}{}", query(parts)))
}

fn query(parts: &Parts) -> String {
    parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default()
}

fn is_trustless(parts: &Parts) -> bool {
    let has_format = parameter(parts, "format").is_some();
    let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    has_format || accept.is_some_and(|accept| accept.contains("application/vnd.ip"))
}
