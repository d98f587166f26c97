//! Nodes of IPLD, and whole DAGs as CAR files.

use super::args::Args;
use super::codec::{self, decode, encode};
use super::error::RpcError;
use super::multipart::{Item as Part, Upload};
use super::{Rpc, lines};
use crate::block::BLOCK_BYTES_MAX;
use crate::car::{self, Decoder, Item, Scope, Selection};
use crate::pins::{Mode, Status, Wish};
use crate::store::Batches;
use crate::unixfs::{Kind, Resolved};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use cid::{Cid, Version};
use futures_util::{StreamExt, stream};
use http::header;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};

/// Roots of all CARs of one import.
const ROOTS_MAX: usize = 10_000;

pub(super) async fn put(State(rpc): State<Rpc>, args: Args, request: Request) -> Result<Response, RpcError> {
    let from = codec::codec(args.option("input-codec").unwrap_or("dag-json"))?;
    let to = codec::codec(args.option("store-codec").unwrap_or("dag-cbor"))?;
    let (hash, pin) = (codec::hash(&args, "hash")?, args.flag("pin", false)?);
    let mut upload = Upload::of(request, rpc.about.upload_bytes_max)?;
    let mut put = Vec::new();
    while let Some((_, bytes)) = upload.next_whole(BLOCK_BYTES_MAX).await? {
        let block = codec::block(Version::V1, to, hash, codec::convert(from, to, bytes)?)?;
        let cid = *block.cid();
        {
            let _adding = rpc.pinner.pins().adding().await;
            rpc.store().put_many(vec![block]).await?;
            if pin {
                rpc.pinner.pins().ensure(Wish::new(cid, Mode::Direct), Status::Pinned)?;
            }
        }
        if pin {
            // What it links to may be missing, and is then fetched.
            rpc.pinner.keep(Wish::new(cid, Mode::Recursive)).await?;
        }
        put.push(Ok(json!({ "Cid": link(&cid) })));
    }
    if put.is_empty() {
        return Err(RpcError::client("file argument 'object data' is required"));
    }
    lines::lines(stream::iter(put).boxed()).await
}

pub(super) async fn get(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let to = codec::codec(args.option("output-codec").unwrap_or("dag-json"))?;
    let end = args.path()?.resolve_inside(rpc.store()).await?;
    let block = rpc.store().get(&end.cid).await?;
    let bytes = if end.names.is_empty() && end.cid.codec() == to {
        block
    } else {
        encode(to, part(&decode(end.cid.codec(), &block)?, &end.names)?)?
    };
    let media_type = if args.option("output-codec").is_none() { "application/json" } else { "text/plain" };
    Ok(([(header::CONTENT_TYPE, media_type)], bytes).into_response())
}

/// What `names` lead to inside of a node.
fn part<'a>(mut node: &'a Ipld, names: &[String]) -> Result<&'a Ipld, RpcError> {
    for name in names {
        let next = match node {
            Ipld::Map(map) => map.get(name),
            Ipld::List(list) => name.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        node = next.ok_or_else(|| RpcError::new(format!("no link named \"{name}\"")))?;
    }
    Ok(node)
}

pub(super) async fn resolve(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let end = args.path()?.resolve_inside(rpc.store()).await?;
    Ok(Json(json!({ "Cid": link(&end.cid), "RemPath": end.names.join("/") })))
}

pub(super) async fn export(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let cid = args.cid()?;
    // The kind decides nothing when everything is exported.
    let kind = Kind::Other { codec: cid.codec() };
    let target = Resolved { cid, kind, roots: vec![cid], trail: Vec::new() };
    rpc.store().get(&cid).await?;
    let everything = Selection { scope: Scope::All, bytes: None, duplicates: false };
    lines::bytes("application/vnd.ipld.car", car::export(rpc.store(), &target, everything)).await
}

pub(super) async fn import(
    State(rpc): State<Rpc>,
    args: Args,
    request: Request,
) -> Result<Response, RpcError> {
    let (pins, stats) = (args.flag("pin-roots", true)?, args.flag("stats", false)?);
    let mut upload = Upload::of(request, rpc.about.upload_bytes_max)?;
    let _adding = rpc.pinner.pins().adding().await;
    let mut imported = Imported::default();
    let mut batches = Batches::new(rpc.store().clone());
    while let Some(part) = upload.next().await? {
        if let Part::Part(_) = part {
            imported.car(&mut upload, &mut batches).await?;
        }
    }
    batches.finish().await?;
    let mut said = Vec::new();
    for root in imported.roots {
        let error = if pins { keep(&rpc, root).await } else { String::new() };
        said.push(Ok(json!({ "Root": { "Cid": link(&root), "PinErrorMsg": error } })));
    }
    if stats {
        let Imported { blocks, bytes, .. } = imported;
        said.push(Ok(json!({ "Stats": { "BlockCount": blocks, "BlockBytesCount": bytes } })));
    }
    lines::lines(stream::iter(said).boxed()).await
}

/// Why the root is not pinned; empty if it is.
async fn keep(rpc: &Rpc, root: Cid) -> String {
    let kept = rpc.pinner.keep_local(Wish::new(root, Mode::Recursive)).await;
    kept.err().map(|error| error.to_string()).unwrap_or_default()
}

#[derive(Default)]
struct Imported {
    roots: Vec<Cid>,
    blocks: u64,
    bytes: u64,
}

impl Imported {
    /// Reads the part that has just begun.
    async fn car(&mut self, upload: &mut Upload, batches: &mut Batches) -> Result<(), RpcError> {
        let mut decoder = Decoder::default();
        while let Some(Part::Bytes(bytes)) = upload.next().await? {
            decoder.push(bytes);
            while let Some(item) = decoder.next_item()? {
                match item {
                    Item::Roots(roots) if self.roots.len() + roots.len() > ROOTS_MAX => {
                        return Err(RpcError::client(format!("more than {ROOTS_MAX} roots")));
                    }
                    Item::Roots(roots) => self.roots.extend(roots),
                    Item::Block(block) => {
                        self.blocks += 1;
                        self.bytes += block.bytes().len() as u64;
                        batches.push(block).await?;
                    }
                }
            }
        }
        Ok(decoder.finish()?)
    }
}

fn link(cid: &Cid) -> Value {
    json!({ "/": cid.to_string() })
}
