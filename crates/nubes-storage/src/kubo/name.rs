//! Names that can change.

use super::args::Args;
use super::error::RpcError;
use super::{Rpc, lines};
use crate::ipns::Name;
use axum::{extract::State, response::Response};
use futures_util::{StreamExt, stream};
use serde_json::json;

/// Where a name leads, through all other names.
pub(super) async fn resolve(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let text = args.argument("name")?;
    let text = text.strip_prefix("/ipns/").or_else(|| text.strip_prefix("ipns://")).unwrap_or(text);
    let name = Name::parse(text.trim_end_matches('/')).map_err(RpcError::client)?;
    let path = rpc.gateway.content_path(&name).await?;
    lines::lines(stream::iter([Ok(json!({ "Path": path }))]).boxed()).await
}
