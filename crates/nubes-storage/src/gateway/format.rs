//! Which representation a request wants.

use crate::car::{ByteRange, Scope, Selection};
use crate::ipld::Codec;
use crate::problem::Problem;
use http::{StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Files and listings, for browsers.
    Content,
    Raw,
    Car(Selection),
    Tar,
    /// A block of this codec as it is; nothing is converted (IPIP-524).
    Ipld(Codec),
    /// The signed record of an IPNS name.
    IpnsRecord,
}

/// The parameters of `Accept` that say how a CAR is made; `format=car` goes by them too (IPIP-523).
#[derive(Clone, Debug, Default)]
struct CarWish {
    version: Option<String>,
    order: Option<String>,
    dups: Option<String>,
}

impl Format {
    /// `format` in the query wins over `Accept`.
    pub(super) fn wanted(parts: &Parts) -> Result<Self, Problem> {
        if let Some(format) = parameter(parts, "format") {
            return match format.as_str() {
                "raw" => Ok(Self::Raw),
                "car" => car(parts, accepted(parts).find_map(|(_, wish)| wish).unwrap_or_default()),
                "tar" => Ok(Self::Tar),
                "ipns-record" => Ok(Self::IpnsRecord),
                "json" => Ok(Self::Ipld(Codec::Json)),
                "cbor" => Ok(Self::Ipld(Codec::Cbor)),
                "dag-json" => Ok(Self::Ipld(Codec::DagJson)),
                "dag-cbor" => Ok(Self::Ipld(Codec::DagCbor)),
                other => Err(unavailable(other)),
            };
        }
        for (media, wish) in accepted(parts) {
            match media {
                "application/vnd.ipld.raw" => return Ok(Self::Raw),
                "application/vnd.ipld.car" => return car(parts, wish.unwrap_or_default()),
                "application/x-tar" => return Ok(Self::Tar),
                "application/vnd.ipfs.ipns-record" => return Ok(Self::IpnsRecord),
                "application/json" => return Ok(Self::Ipld(Codec::Json)),
                "application/cbor" => return Ok(Self::Ipld(Codec::Cbor)),
                "application/vnd.ipld.dag-json" => return Ok(Self::Ipld(Codec::DagJson)),
                "application/vnd.ipld.dag-cbor" => return Ok(Self::Ipld(Codec::DagCbor)),
                // Whoever takes a page wants one, whatever else it takes.
                "text/html" => return Ok(Self::Content),
                _ => {}
            }
        }
        Ok(Self::Content)
    }
}

/// The media types of `Accept`, in order; those of a CAR with their parameters.
fn accepted(parts: &Parts) -> impl Iterator<Item = (&str, Option<CarWish>)> {
    let lists = parts.headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(|media| {
        let mut pieces = media.split(';').map(str::trim);
        let name = pieces.next().unwrap_or_default();
        if name != "application/vnd.ipld.car" {
            return (name, None);
        }
        let mut wish = CarWish::default();
        for (key, value) in pieces.filter_map(|piece| piece.split_once('=')) {
            match key {
                "version" => wish.version = Some(value.to_owned()),
                "order" => wish.order = Some(value.to_owned()),
                "dups" => wish.dups = Some(value.to_owned()),
                _ => {}
            }
        }
        (name, Some(wish))
    })
}

fn car(parts: &Parts, accept: CarWish) -> Result<Format, Problem> {
    if let Some(version) = parameter(parts, "car-version").or(accept.version).filter(|version| version != "1")
    {
        return Err(unavailable(&format!("CAR version {version}")));
    }
    match parameter(parts, "car-order").or(accept.order).as_deref() {
        None | Some("dfs" | "unk") => {}
        Some(other) => return Err(unavailable(&format!("CAR order {other}"))),
    }
    let duplicates = match parameter(parts, "car-dups").or(accept.dups).as_deref() {
        None | Some("n") => false,
        Some("y") => true,
        Some(other) => return Err(bad(format!("dups={other} is neither y nor n"))),
    };
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
    let scope = if implied { Scope::Entity } else { scope };
    Ok(Format::Car(Selection { scope, bytes, duplicates }))
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

pub(super) fn unavailable(format: &str) -> Problem {
    Problem::new(StatusCode::NOT_ACCEPTABLE, 3007, format!("`{format}` is not served here"))
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, 3007, detail)
}
