//! Which representation a request wants.

use crate::car::{ByteRange, Scope, Selection};
use crate::problem::Problem;
use http::{StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Files and listings, for browsers.
    Content,
    Raw,
    Car(Selection),
}

/// Types that gateways elsewhere serve and this one does not.
const FOREIGN: &[&str] = &[
    "application/x-tar",
    "application/vnd.ipfs.ipns-record",
    "application/vnd.ipld.dag-json",
    "application/vnd.ipld.dag-cbor",
];

impl Format {
    /// `format` in the query wins over `Accept`.
    pub(super) fn wanted(parts: &Parts) -> Result<Self, Problem> {
        match parameter(parts, "format").as_deref() {
            Some("raw") => return Ok(Self::Raw),
            Some("car") => return car(parts),
            Some(other) => return Err(unavailable(other)),
            None => {}
        }
        for accepted in parts.headers.get_all(header::ACCEPT) {
            let accepted = accepted.to_str().unwrap_or_default();
            for media in accepted.split(',') {
                let mut pieces = media.split(';').map(str::trim);
                match pieces.next().unwrap_or_default() {
                    "application/vnd.ipld.raw" => return Ok(Self::Raw),
                    "application/vnd.ipld.car" => {
                        let other =
                            pieces.find(|piece| piece.starts_with("version=") && *piece != "version=1");
                        return other.map_or_else(|| car(parts), |version| Err(unavailable(version)));
                    }
                    foreign if FOREIGN.contains(&foreign) => return Err(unavailable(foreign)),
                    _ => {}
                }
            }
        }
        Ok(Self::Content)
    }
}

fn car(parts: &Parts) -> Result<Format, Problem> {
    if let Some(version) = parameter(parts, "car-version").filter(|version| version != "1") {
        return Err(unavailable(&format!("car-version={version}")));
    }
    let scope = match parameter(parts, "dag-scope").as_deref() {
        None | Some("all") => Scope::All,
        Some("entity") => Scope::Entity,
        Some("block") => Scope::Block,
        Some(other) => return Err(bad(format!("dag-scope={other} is none of all, entity, block"))),
    };
    let bytes = match parameter(parts, "entity-bytes") {
        None => None,
        Some(range) => {
            Some(entity_bytes(&range).ok_or_else(|| bad(format!("entity-bytes={range} is not from:to")))?)
        }
    };
    // `entity-bytes` speaks of one entity; without a scope it means that scope.
    let implied = bytes.is_some() && parameter(parts, "dag-scope").is_none();
    Ok(Format::Car(Selection { scope: if implied { Scope::Entity } else { scope }, bytes }))
}

fn entity_bytes(range: &str) -> Option<ByteRange> {
    let (from, to) = range.split_once(':')?;
    let to = if to == "*" { None } else { Some(to.parse().ok()?) };
    Some(ByteRange { from: from.parse().ok()?, to })
}

/// The first value of a query parameter, decoded.
pub(super) fn parameter(parts: &Parts, name: &str) -> Option<String> {
    let pairs = parts.uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let value = pairs.into_iter().find(|(key, _)| *key == name)?.1.replace('+', " ");
    percent_decode_str(&value).decode_utf8().ok().map(Into::into)
}

fn unavailable(format: &str) -> Problem {
    Problem::new(StatusCode::NOT_ACCEPTABLE, 3007, format!("`{format}` is not served here"))
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, 3007, detail)
}
