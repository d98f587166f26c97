//! The record that says what a browser shows at a name (EIP-1577): a multicodec namespace, then its value. Only IPFS.

use alloy_primitives::{Bytes, hex};

/// `ipfs-ns`, 0xe3 as an unsigned varint.
const IPFS_NAMESPACE: [u8; 2] = hex!("e301");
const CID_V1: u8 = 0x01;
/// `CIDv0` is a bare sha2-256 multihash of `dag-pb`; the record wants version 1.
const CID_V0_START: [u8; 2] = hex!("1220");
const CID_V0_BYTES: usize = 34;
const CID_V1_DAG_PB: [u8; 2] = hex!("0170");

/// The record for the CID with these bytes. A `CIDv0` is written as the `CIDv1` that means the same.
pub fn encode(cid: &[u8]) -> Bytes {
    let is_v0 = cid.len() == CID_V0_BYTES && cid.starts_with(&CID_V0_START);
    let version: &[u8] = if is_v0 { &CID_V1_DAG_PB } else { &[] };
    [&IPFS_NAMESPACE, version, cid].concat().into()
}

/// The bytes of the `CIDv1` in the record. Whether they are a whole CID is for the CID's own parser to say.
pub fn decode(record: &[u8]) -> Result<&[u8], DecodeError> {
    if record.is_empty() {
        return Err(DecodeError::Empty);
    }
    let cid = record.strip_prefix(&IPFS_NAMESPACE).ok_or_else(|| DecodeError::NotIpfs {
        start: Bytes::copy_from_slice(record.get(..2).unwrap_or(record)),
    })?;
    match cid.first() {
        Some(&CID_V1) => Ok(cid),
        version => Err(DecodeError::NotCidV1 { version: version.copied() }),
    }
}

/// Why a record does not lead to a site on IPFS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The name has no site.
    #[error("the content hash is empty")]
    Empty,
    /// The site is somewhere else (IPNS, Swarm, ...). Resolve it there.
    #[error("the content hash starts with {start}, not with the IPFS namespace {}", Bytes::from_static(&IPFS_NAMESPACE))]
    NotIpfs { start: Bytes },
    /// The record is broken. Its owner has to write it again.
    #[error("the content hash holds a CID of version {version:?}, not 1")]
    NotCidV1 { version: Option<u8> },
}
