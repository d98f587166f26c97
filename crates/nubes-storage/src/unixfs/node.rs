//! One block, read as UnixFS.

use super::protobuf::{Value, fields};
use crate::block::{Block, DAG_PB, RAW};
use crate::varint;
use bytes::Bytes;
use cid::Cid;
use ipld_dagpb::{PbLink, PbNode};

/// More links in one node are refused.
pub const LINKS_MAX: usize = 65_536;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File(FileNode),
    Directory(Vec<Link>),
    Shard(Shard),
    /// With the path that it points to.
    Symlink(Bytes),
}

/// A part of a file: bytes of its own, then those of its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileNode {
    pub(crate) bytes: Bytes,
    pub(crate) children: Vec<Child>,
    /// All bytes below, its own included.
    pub(crate) size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) cid: Cid,
    pub(crate) size: u64,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) cid: Cid,
    /// Bytes of the DAG below, as the writer claims.
    pub(crate) dag_bytes: u64,
}

/// A level of a HAMT: names carry their bucket in hex; a link that is only a bucket leads to the next level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) links: Vec<Link>,
    pub(crate) bucket_bits: u32,
}

impl Shard {
    /// Hex digits of a bucket in a link's name.
    pub(crate) const fn prefix_digits(&self) -> usize {
        self.bucket_bits.div_ceil(4) as usize
    }
}

/// Why a block is not UnixFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// It is IPLD of another kind. Ask for it as a raw block or a CAR file.
    #[error("{cid} has codec {codec:#x}, which is no UnixFS")]
    Codec { cid: Cid, codec: u64 },
    /// Whoever made it made a mistake.
    #[error("{cid} is malformed: {what}")]
    Malformed { cid: Cid, what: &'static str },
}

pub(crate) fn decode(cid: &Cid, block: Bytes) -> Result<Node, NodeError> {
    match cid.codec() {
        RAW => {
            let size = block.len() as u64;
            Ok(Node::File(FileNode { bytes: block, children: Vec::new(), size }))
        }
        DAG_PB => decode_dag_pb(block).map_err(|what| NodeError::Malformed { cid: *cid, what }),
        codec => Err(NodeError::Codec { cid: *cid, codec }),
    }
}

/// Bytes of a block and of all below it, as its links claim; links of IPLD that is no UnixFS claim nothing.
pub fn dag_bytes(block: &Block) -> Result<u64, NodeError> {
    let own = block.bytes().len() as u64;
    if block.cid().codec() != DAG_PB {
        return Ok(own);
    }
    let malformed = |_| NodeError::Malformed { cid: *block.cid(), what: "no DAG-PB node" };
    let node = PbNode::from_bytes(block.bytes().clone()).map_err(malformed)?;
    let below = node.links.iter().map(|link| link.size.unwrap_or_default());
    Ok(below.fold(own, u64::saturating_add))
}

fn decode_dag_pb(block: Bytes) -> Result<Node, &'static str> {
    let node = PbNode::from_bytes(block).map_err(|_| "no DAG-PB node")?;
    if node.links.len() > LINKS_MAX {
        return Err("too many links");
    }
    let data = node.data.ok_or("no UnixFS data")?;
    let header = Header::read(&data).ok_or("the UnixFS data is cut off or has bad numbers")?;
    match header.kind {
        Some(0 | 2) => file(&header, &data, &node.links).map(Node::File),
        Some(1) => Ok(Node::Directory(node.links.into_iter().map(link).collect())),
        Some(4) => Ok(Node::Symlink(data.slice_ref(header.bytes.unwrap_or_default()))),
        Some(5) => shard(&header, node.links).map(Node::Shard),
        Some(_) => Err("unknown UnixFS type"),
        None => Err("no UnixFS type"),
    }
}

fn file(header: &Header<'_>, data: &Bytes, links: &[PbLink]) -> Result<FileNode, &'static str> {
    if links.len() != header.block_sizes.len() {
        return Err("links and block sizes differ in number");
    }
    let own = header.bytes.unwrap_or_default();
    let total = header.block_sizes.iter().try_fold(own.len() as u64, |sum, size| sum.checked_add(*size));
    let size = total.ok_or("the block sizes overflow")?;
    if header.file_size.is_some_and(|claimed| claimed != size) {
        return Err("the file size is not the sum of its parts");
    }
    let children =
        links.iter().zip(&header.block_sizes).map(|(link, size)| Child { cid: link.cid, size: *size });
    Ok(FileNode { bytes: data.slice_ref(own), children: children.collect(), size })
}

fn shard(header: &Header<'_>, links: Vec<PbLink>) -> Result<Shard, &'static str> {
    let fanout = header.fanout.ok_or("a shard without fanout")?;
    if !fanout.is_power_of_two() || !(8..=1024).contains(&fanout) {
        return Err("a shard with an impossible fanout");
    }
    if header.hash_type != Some(HASH_MURMUR3) {
        return Err("a shard with an unknown hash function");
    }
    Ok(Shard { links: links.into_iter().map(link).collect(), bucket_bits: fanout.trailing_zeros() })
}

const HASH_MURMUR3: u64 = 0x22;

fn link(link: PbLink) -> Link {
    Link { name: link.name.unwrap_or_default(), cid: link.cid, dag_bytes: link.size.unwrap_or_default() }
}

/// The message `Data` of UnixFS.
#[derive(Default)]
struct Header<'a> {
    kind: Option<u64>,
    bytes: Option<&'a [u8]>,
    file_size: Option<u64>,
    block_sizes: Vec<u64>,
    hash_type: Option<u64>,
    fanout: Option<u64>,
}

impl<'a> Header<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut header = Self::default();
        for field in fields(data) {
            match field? {
                (1, Value::Number(kind)) => header.kind = Some(kind),
                (2, Value::Bytes(bytes)) => header.bytes = Some(bytes),
                (3, Value::Number(size)) => header.file_size = Some(size),
                (4, Value::Number(size)) => header.block_sizes.push(size),
                (4, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        let (size, rest) = varint::read(packed)?;
                        header.block_sizes.push(size);
                        packed = rest;
                    }
                }
                (5, Value::Number(hash)) => header.hash_type = Some(hash),
                (6, Value::Number(fanout)) => header.fanout = Some(fanout),
                _ => {}
            }
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::decode;
    use crate::block::DAG_PB;
    use bytes::Bytes;
    use cid::Cid;
    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let cid = Cid::new_v1(DAG_PB, Code::Sha2_256.digest(&bytes));
            let _ = decode(&cid, Bytes::from(bytes.clone()));
            let mut wrapped = vec![0x0a, u8::try_from(bytes.len()).unwrap() & 0x7f];
            wrapped.extend_from_slice(&bytes);
            let _ = decode(&cid, Bytes::from(wrapped));
        }
    }
}
