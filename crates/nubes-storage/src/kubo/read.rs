//! Files and directories.

use super::args::Args;
use super::error::RpcError;
use super::path::ContentPath;
use super::{Rpc, lines};
use crate::block::DAG_PB;
use crate::gateway;
use crate::store::Store;
use crate::unixfs::{self, Entry, File, Kind, ReadError, Resolved};
use axum::{Json, extract::State, response::Response};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use ipld_dagpb::PbNode;
use serde_json::{Value, json};

/// Names of one directory in an answer.
const ENTRIES_MAX: usize = 100_000;
/// Entries of a directory that are looked at at the same time.
const LOOKS_AT_ONCE: usize = 8;
/// How UnixFS numbers its kinds.
const DIRECTORY: u8 = 1;
const FILE: u8 = 2;
const SYMLINK: u8 = 4;

pub(super) async fn cat(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let (mut offset, length) = (args.number::<u64>("offset")?.unwrap_or(0), args.number::<u64>("length")?);
    let mut left = length.unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for path in args.paths()? {
        let file = File::open(rpc.store(), path.resolve(rpc.store()).await?.cid).await?;
        let from = offset.min(file.size());
        let to = from.saturating_add(left).min(file.size());
        (offset, left) = (offset - from, left - (to - from));
        parts.push(file.stream(from..to));
    }
    lines::bytes("text/plain", stream::iter(parts).flatten().boxed()).await
}

pub(super) async fn get(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    args.refuse_flags(&["compress"])?;
    let path = args.path()?;
    let Resolved { cid, kind, .. } = path.resolve(rpc.store()).await?;
    let archive = gateway::archive(rpc.store(), &path.last(), cid, kind).await?;
    lines::bytes("application/x-tar", archive).await
}

pub(super) async fn ls(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let (is_stream, looks) = (args.flag("stream", false)?, args.flag("resolve-type", true)?);
    let mut objects = Vec::new();
    for path in args.paths()? {
        let (name, links) = (path.to_string(), links(&rpc, &path, looks).await?);
        if is_stream {
            let object = move |link| json!({ "Objects": [{ "Hash": name, "Links": [link] }] });
            objects.push(links.map_ok(object).boxed());
        } else {
            let links: Vec<Value> = links.try_collect().await?;
            objects.push(stream::iter([Ok(json!({ "Hash": name, "Links": links }))]).boxed());
        }
    }
    let objects = stream::iter(objects).flatten().boxed();
    if is_stream {
        return lines::lines(objects).await;
    }
    let objects: Vec<Value> = objects.try_collect().await?;
    lines::lines(stream::iter([Ok(json!({ "Objects": objects }))]).boxed()).await
}

type Links = BoxStream<'static, Result<Value, RpcError>>;

/// The entries of a directory; none of a file.
async fn links(rpc: &Rpc, path: &ContentPath, looks: bool) -> Result<Links, RpcError> {
    let found = path.resolve(rpc.store()).await?;
    if found.kind != Kind::Directory {
        return Ok(stream::empty().boxed());
    }
    let listing = unixfs::list(rpc.store(), &found.cid, ENTRIES_MAX).await?;
    if listing.more {
        return Err(RpcError::new(format!("{path} has more than {ENTRIES_MAX} entries")));
    }
    let store = rpc.store().clone();
    let entries = stream::iter(listing.entries);
    let links = entries.map(move |entry| link(store.clone(), entry, looks)).buffered(LOOKS_AT_ONCE);
    Ok(links.boxed())
}

async fn link(store: Store, entry: Entry, looks: bool) -> Result<Value, RpcError> {
    let mut link =
        json!({ "Name": entry.name, "Hash": entry.cid.to_string(), "Size": 0, "Type": 0, "Target": "" });
    if !looks {
        return Ok(link);
    }
    match unixfs::kind(&store, &entry.cid).await? {
        Kind::File { size } => (link["Type"], link["Size"]) = (json!(FILE), json!(size)),
        Kind::Directory => link["Type"] = json!(DIRECTORY),
        Kind::Symlink => {
            let target = unixfs::symlink_target(&store, entry.cid).await?;
            link["Type"] = json!(SYMLINK);
            link["Target"] = json!(String::from_utf8_lossy(&target));
        }
        // As Kubo says of blocks that are no files.
        Kind::Other { .. } => link["Type"] = json!(FILE),
    }
    Ok(link)
}

pub(super) async fn stat(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let text = args.argument("path")?;
    if text.starts_with('/') && !text.starts_with("/ipfs/") {
        return Err(RpcError::unsupported("a path of the mutable file system"));
    }
    let Resolved { cid, kind, .. } = args.path()?.resolve(rpc.store()).await?;
    let block = rpc.store().get(&cid).await?;
    let (mut whole, mut children) = (block.len() as u64, 0);
    if cid.codec() == DAG_PB {
        let node = PbNode::from_bytes(block).map_err(RpcError::new)?;
        children = node.links.len();
        let sizes = node.links.iter().map(|link| link.size.unwrap_or_default());
        whole = sizes.fold(whole, u64::saturating_add);
    }
    let (name, size) = match kind {
        Kind::File { size } => ("file", size),
        Kind::Directory => ("directory", 0),
        Kind::Symlink => ("symlink", 0),
        Kind::Other { .. } => return Err(ReadError::NotAFile { cid }.into()),
    };
    Ok(Json(json!({
        "Hash": cid.to_string(), "Size": size, "CumulativeSize": whole, "Blocks": children, "Type": name,
    })))
}

pub(super) async fn resolve(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let end = args.path()?.resolve_inside(rpc.store()).await?;
    let end = ContentPath { root: end.cid, names: end.names };
    Ok(Json(json!({ "Path": end.to_string() })))
}
