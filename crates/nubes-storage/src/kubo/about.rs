//! The node, its storage and its peers.

use super::Rpc;
use super::args::Args;
use super::error::RpcError;
use axum::{Json, extract::State};
use cid::multibase::Base;
use libp2p_identity::PeerId;
use serde_json::{Value, json};
use std::str::FromStr;

/// What Kubo calls the format of its own repository; tools look whether it is there, not what it says.
const REPOSITORY_VERSION: &str = "18";
/// Multihash code of a "hash" that is the content itself; short public keys are their own peer id.
const IDENTITY: u64 = 0;

pub(super) async fn version(State(rpc): State<Rpc>) -> Json<Value> {
    let system = format!("{}/{}", std::env::consts::ARCH, std::env::consts::OS);
    Json(json!({
        "Version": rpc.about.version, "Commit": "", "Repo": REPOSITORY_VERSION, "System": system, "Golang": "",
    }))
}

pub(super) async fn id(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let own = rpc.pinner.peers().own();
    let own = own.ok_or_else(|| RpcError::new("the node takes no part in the exchange and has no id"))?;
    if args.option("arg").is_some_and(|id| id != own.id) {
        return Err(RpcError::unsupported("the id of another peer"));
    }
    Ok(Json(json!({
        "ID": own.id,
        "PublicKey": public_key(&own.id).unwrap_or_default(),
        "Addresses": own.addresses,
        "AgentVersion": format!("nubes/{}", rpc.about.version),
        "Protocols": [],
    })))
}

fn public_key(id: &str) -> Option<String> {
    let id = PeerId::from_str(id).ok()?;
    let hash = id.as_ref();
    (hash.code() == IDENTITY).then(|| Base::Base64Pad.encode(hash.digest()))
}

pub(super) async fn repository(State(rpc): State<Rpc>) -> Result<Json<Value>, RpcError> {
    let totals = rpc.store().stats().await?;
    Ok(Json(json!({
        "NumObjects": totals.blocks,
        "RepoSize": totals.stored_bytes,
        "RepoPath": rpc.about.folder.display().to_string(),
        "Version": format!("fs-repo@{REPOSITORY_VERSION}"),
        // No limit is set.
        "StorageMax": u64::MAX,
    })))
}

pub(super) async fn connect(State(rpc): State<Rpc>, args: Args) -> Result<Json<Value>, RpcError> {
    let mut said = Vec::new();
    for address in args.arguments("address")? {
        let id = rpc.pinner.peers().connect(address).await?;
        said.push(format!("connect {id} success"));
    }
    Ok(Json(json!({ "Strings": said })))
}

pub(super) async fn peers(State(rpc): State<Rpc>) -> Json<Value> {
    let connected = rpc.pinner.peers().connected().await;
    let peers = connected.into_iter().map(|peer| {
        let identify = peer.agent.map(|agent| json!({ "AgentVersion": agent }));
        json!({ "Addr": peer.address, "Peer": peer.id, "Identify": identify })
    });
    Json(json!({ "Peers": peers.collect::<Vec<_>>() }))
}
