//! Single blocks.

use super::args::Args;
use super::error::RpcError;
use super::multipart::Upload;
use super::{Rpc, codec, lines};
use crate::block::BLOCK_BYTES_MAX;
use crate::pins::{Mode, Status, Wish};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use cid::Version;
use futures_util::{StreamExt, stream};
use http::header;
use serde_json::{Value, json};

pub(super) async fn put(State(rpc): State<Rpc>, args: Args, request: Request) -> Result<Response, RpcError> {
    // `format` is older and implies a version; `cid-codec` wins.
    let format = args.option("format");
    let codec = codec::codec(args.option("cid-codec").or(format).unwrap_or("raw"))?;
    let version = if format == Some("v0") { Version::V0 } else { Version::V1 };
    let (hash, pin) = (codec::hash(&args, "mhtype")?, args.flag("pin", false)?);
    let mut upload = Upload::of(request, rpc.about.upload_bytes_max)?;
    let _adding = rpc.pinner.pins().adding().await;
    let mut put = Vec::new();
    while let Some((_, bytes)) = upload.next_whole(BLOCK_BYTES_MAX).await? {
        let block = codec::block(version, codec, hash, bytes)?;
        let (cid, size) = (*block.cid(), block.bytes().len());
        rpc.store().put_many(vec![block]).await?;
        if pin {
            rpc.pinner.pins().ensure(Wish::new(cid, Mode::Recursive), Status::Pinned)?;
        }
        put.push(Ok(json!({ "Key": cid.to_string(), "Size": size })));
    }
    if put.is_empty() {
        return Err(RpcError::client("file argument 'data' is required"));
    }
    lines::lines(stream::iter(put).boxed()).await
}

pub(super) async fn get(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let block = rpc.store().get(&args.path()?.resolve_inside(rpc.store()).await?.cid).await?;
    Ok(([(header::CONTENT_TYPE, "application/vnd.ipld.raw")], block).into_response())
}

pub(super) async fn stat(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let cid = args.cid()?;
    let size = rpc.store().get(&cid).await?.len();
    Ok(Json(json!({ "Key": cid.to_string(), "Size": size })))
}
