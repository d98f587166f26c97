//! Pins, as Kubo knows them: one for each CID.

use super::args::Args;
use super::error::RpcError;
use super::{Rpc, lines};
use crate::pins::{Mode, Pin, Status, Wish, blocks_below};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use cid::Cid;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Pins in an answer that comes as a whole; more are read with `stream`.
const WHOLE_MAX: usize = 200_000;

pub(super) async fn add(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let mode = if args.flag("recursive", true)? { Mode::Recursive } else { Mode::Direct };
    let name = args.option("name").map(str::to_owned);
    let mut pinned = Vec::new();
    for path in args.paths()? {
        // Only the root may be fetched; a path below it has to be here to be followed.
        let cid = if path.names.is_empty() { path.root } else { path.resolve(rpc.store()).await?.cid };
        rpc.pinner.keep(Wish::new(cid, mode).named(name.clone())?).await?;
        pinned.push(cid.to_string());
    }
    Ok(Json(json!({ "Pins": pinned })))
}

pub(super) async fn rm(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let is_recursive = args.flag("recursive", true)?;
    let mut cids = Vec::new();
    for path in args.paths()? {
        let cid = if path.names.is_empty() { path.root } else { path.resolve(rpc.store()).await?.cid };
        let pins = rpc.pinner.pins().of(&cid)?;
        if pins.is_empty() {
            return Err(RpcError::new(format!("{cid}: not pinned or pinned indirectly")));
        }
        if !is_recursive && pins.iter().any(|pin| pin.wish.mode() == Mode::Recursive) {
            return Err(RpcError::new(format!("{cid} is pinned recursively")));
        }
        cids.push(cid);
    }
    let mut removed = Vec::new();
    for cid in cids {
        rpc.pinner.pins().remove_cid(&cid)?;
        removed.push(cid.to_string());
    }
    Ok(Json(json!({ "Pins": removed })))
}

pub(super) async fn update(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let paths = args.paths()?;
    let [from, to] = paths.as_slice() else {
        return Err(RpcError::client("arguments \"from-path\" and \"to-path\" are required"));
    };
    let (from, to) = (from.resolve(rpc.store()).await?.cid, to.root);
    let old = rpc.pinner.pins().of(&from)?.into_iter().find(|pin| pin.wish.mode() == Mode::Recursive);
    let old = old.ok_or_else(|| RpcError::new("'from' cid was not recursively pinned already"))?;
    let name = old.wish.name().map(str::to_owned);
    rpc.pinner.keep(Wish::new(to, Mode::Recursive).named(name)?).await?;
    if args.flag("unpin", true)? && from != to {
        rpc.pinner.pins().remove_cid(&from)?;
    }
    Ok(Json(json!({ "Pins": [from.to_string(), to.to_string()] })))
}

/// What a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Recursive,
    Direct,
    Indirect,
    All,
}

impl Kind {
    fn of(args: &Args) -> Result<Self, RpcError> {
        match args.option("type").unwrap_or("all") {
            "recursive" => Ok(Self::Recursive),
            "direct" => Ok(Self::Direct),
            "indirect" => Ok(Self::Indirect),
            "all" => Ok(Self::All),
            other => {
                let message = "must be one of {direct, indirect, recursive, all}";
                Err(RpcError::client(format!("invalid type '{other}', {message}")))
            }
        }
    }

    const fn has(self, mode: Mode) -> bool {
        matches!(
            (self, mode),
            (Self::All, _) | (Self::Recursive, Mode::Recursive) | (Self::Direct, Mode::Direct)
        )
    }

    const fn has_indirect(self) -> bool {
        matches!(self, Self::All | Self::Indirect)
    }
}

/// What is pinned itself, each CID once: with everything below it if one of its pins says so.
fn roots(rpc: &Rpc) -> Result<BTreeMap<Cid, Pin>, RpcError> {
    let mut roots = BTreeMap::<Cid, Pin>::new();
    rpc.pinner.pins().newest_first(|pin| {
        let cid = *pin.wish.cid();
        let is_more = roots.get(&cid).is_none_or(|known| pin.wish.mode() <= known.wish.mode());
        if pin.status == Status::Pinned && is_more {
            roots.insert(cid, pin);
        }
        true
    })?;
    Ok(roots)
}

pub(super) async fn ls(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let (kind, is_stream) = (Kind::of(&args)?, args.flag("stream", false)?);
    let wanted = args.option("name").map(str::to_owned);
    let shows_names = args.flag("names", false)? || wanted.is_some();
    let roots = roots(&rpc)?;
    if args.option("arg").is_some() {
        return some(&rpc, &args, kind, &roots).await;
    }
    let own = roots.clone().into_iter().filter(move |(_, pin)| {
        kind.has(pin.wish.mode()) && wanted.as_deref().is_none_or(|name| pin.wish.name() == Some(name))
    });
    let own = own.map(move |(cid, pin)| {
        let name = pin.wish.name().filter(|_| shows_names).unwrap_or_default();
        Ok(line(&cid, pin.wish.mode().name(), name))
    });
    let recursive = roots.values().filter(|pin| pin.wish.mode() == Mode::Recursive);
    let below = if kind.has_indirect() && args.option("name").is_none() {
        recursive.map(|pin| *pin.wish.cid()).collect()
    } else {
        Vec::new()
    };
    let indirect = blocks_below(rpc.store().clone(), below).try_filter_map(move |cid| {
        let line = (!roots.contains_key(&cid)).then(|| line(&cid, "indirect", ""));
        std::future::ready(Ok(line))
    });
    let all = stream::iter(own).chain(indirect.map_err(RpcError::from)).boxed();
    if is_stream {
        return lines::lines(all).await;
    }
    let all: Vec<Value> = all.take(WHOLE_MAX + 1).try_collect().await?;
    if all.len() > WHOLE_MAX {
        return Err(RpcError::new(format!("more than {WHOLE_MAX} pins; ask for them with stream=true")));
    }
    Ok(whole(all).into_response())
}

/// What is known of the CIDs that the arguments name.
async fn some(rpc: &Rpc, args: &Args, kind: Kind, roots: &BTreeMap<Cid, Pin>) -> Result<Response, RpcError> {
    let mut found = Vec::new();
    for path in args.paths()? {
        let cid = if path.names.is_empty() { path.root } else { path.resolve(rpc.store()).await?.cid };
        let known = roots.get(&cid).filter(|pin| kind.has(pin.wish.mode()));
        if let Some(pin) = known {
            found.push(line(&cid, pin.wish.mode().name(), pin.wish.name().unwrap_or_default()));
            continue;
        }
        let through = if kind.has_indirect() { holder(rpc, &cid, roots).await? } else { None };
        let through = through.ok_or_else(|| RpcError::new(format!("path '{path}' is not pinned")))?;
        found.push(line(&cid, &format!("indirect through {through}"), ""));
    }
    if args.flag("stream", false)? {
        return lines::lines(stream::iter(found.into_iter().map(Ok)).boxed()).await;
    }
    Ok(whole(found).into_response())
}

/// A recursive pin that keeps `cid`.
async fn holder(rpc: &Rpc, cid: &Cid, roots: &BTreeMap<Cid, Pin>) -> Result<Option<Cid>, RpcError> {
    for pin in roots.values().filter(|pin| pin.wish.mode() == Mode::Recursive) {
        let mut below = blocks_below(rpc.store().clone(), vec![*pin.wish.cid()]);
        while let Some(block) = below.try_next().await? {
            if block == *cid {
                return Ok(Some(*pin.wish.cid()));
            }
        }
    }
    Ok(None)
}

fn line(cid: &Cid, kind: &str, name: &str) -> Value {
    json!({ "Cid": cid.to_string(), "Type": kind, "Name": name })
}

/// As one document, by CID.
fn whole(all: Vec<Value>) -> Json<Value> {
    let keys = all.into_iter().filter_map(|mut pin| {
        let cid = pin.get("Cid")?.as_str()?.to_owned();
        pin.as_object_mut()?.remove("Cid");
        Some((cid, pin))
    });
    Json(json!({ "Keys": keys.collect::<Map<_, _>>() }))
}
