//! Names of codecs and hash functions, and blocks made by them.

use super::args::Args;
use super::error::RpcError;
use crate::block::{Block, DAG_PB, RAW};
use bytes::Bytes;
use cid::{Cid, Version};
use ipld_core::ipld::Ipld;
use multihash_codetable::{Code, MultihashDigest};

const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;
/// With the names of Kubo before 0.10 at the end.
const CODECS: [(&str, u64); 10] = [
    ("raw", RAW),
    ("dag-pb", DAG_PB),
    ("dag-cbor", DAG_CBOR),
    ("dag-json", DAG_JSON),
    ("cbor", 0x51),
    ("json", 0x0200),
    ("libp2p-key", 0x72),
    ("git-raw", 0x78),
    ("protobuf", DAG_PB),
    ("v0", DAG_PB),
];
const HASHES: [(&str, Code); 2] = [("sha2-256", Code::Sha2_256), ("sha2-512", Code::Sha2_512)];

pub(super) fn codec(name: &str) -> Result<u64, RpcError> {
    let found = CODECS.into_iter().find(|(own, _)| *own == name);
    found.map(|(_, code)| code).ok_or_else(|| RpcError::unsupported(&format!("codec {name}")))
}

/// The hash function that the option `name` says.
pub(super) fn hash(args: &Args, name: &str) -> Result<Code, RpcError> {
    let wanted = args.option(name).unwrap_or("sha2-256");
    let found = HASHES.into_iter().find(|(own, _)| *own == wanted);
    found.map(|(_, code)| code).ok_or_else(|| RpcError::unsupported(&format!("hash function {wanted}")))
}

pub(super) fn block(version: Version, codec: u64, hash: Code, bytes: Bytes) -> Result<Block, RpcError> {
    let digest = hash.digest(&bytes);
    let cid = Cid::new(version, codec, digest).map_err(RpcError::client)?;
    Block::new(cid, bytes).map_err(RpcError::client)
}

/// Writes a node of one codec in another. A codec that has no other form is only taken as it is.
pub(super) fn convert(from: u64, to: u64, bytes: Bytes) -> Result<Bytes, RpcError> {
    let refuse = |error: &dyn std::fmt::Display| RpcError::client(format!("the node is malformed: {error}"));
    if from == to && !matches!(from, DAG_CBOR | DAG_JSON | DAG_PB) {
        return Ok(bytes);
    }
    let node = decode(from, &bytes).map_err(|error| refuse(&error))?;
    if from == to {
        // What the caller encoded is what it knows the CID of.
        return Ok(bytes);
    }
    encode(to, &node).map_err(|error| refuse(&error))
}

/// A node as a value.
pub(super) fn decode(codec: u64, bytes: &[u8]) -> Result<Ipld, RpcError> {
    match codec {
        DAG_CBOR => serde_ipld_dagcbor::from_slice(bytes).map_err(RpcError::new),
        DAG_JSON => serde_ipld_dagjson::from_slice(bytes).map_err(RpcError::new),
        DAG_PB => ipld_dagpb::to_ipld(bytes).map_err(RpcError::new),
        RAW => Ok(Ipld::Bytes(bytes.to_vec())),
        other => Err(RpcError::unsupported(&format!("reading codec {other:#x}"))),
    }
}

pub(super) fn encode(codec: u64, node: &Ipld) -> Result<Bytes, RpcError> {
    let bytes = match (codec, node) {
        (DAG_CBOR, _) => serde_ipld_dagcbor::to_vec(node).map_err(RpcError::new)?,
        (DAG_JSON, _) => serde_ipld_dagjson::to_vec(node).map_err(RpcError::new)?,
        (DAG_PB, _) => ipld_dagpb::from_ipld(node).map_err(RpcError::new)?,
        (RAW, Ipld::Bytes(bytes)) => bytes.clone(),
        (RAW, _) => return Err(RpcError::client("only bytes can be written as raw")),
        (other, _) => return Err(RpcError::unsupported(&format!("writing codec {other:#x}"))),
    };
    Ok(bytes.into())
}
