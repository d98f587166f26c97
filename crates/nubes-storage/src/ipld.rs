//! IPLD that is no UnixFS: DAG-CBOR and DAG-JSON (with links), and the plain JSON and CBOR that have none.

use crate::block::DAG_PB;
use crate::unixfs::NodeError;
use bytes::Bytes;
use cid::Cid;
use ipld_core::{codec::Links, ipld::Ipld};
use ipld_dagpb::PbNode;
use serde_ipld_dagcbor::codec::DagCborCodec;
use serde_ipld_dagjson::codec::DagJsonCodec;

/// How a block is encoded, as its CID says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Json,
    Cbor,
    DagJson,
    DagCbor,
}

/// Where a path through a node leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To another block, after so many names.
    Link { cid: Cid, names: usize },
    /// To a part of this block that is no link.
    Inside,
    /// Nowhere: there is no such name.
    Missing { name: String },
}

impl Codec {
    /// None: UnixFS, raw bytes, or something that is not known here.
    pub(crate) fn of(codec: u64) -> Option<Self> {
        match codec {
            0x0200 => Some(Self::Json),
            0x51 => Some(Self::Cbor),
            0x0129 => Some(Self::DagJson),
            0x71 => Some(Self::DagCbor),
            _ => None,
        }
    }

    /// Whether nodes of this codec link to others.
    pub(crate) const fn has_links(self) -> bool {
        matches!(self, Self::DagJson | Self::DagCbor)
    }

    pub(crate) const fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::DagJson)
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
            Self::DagJson => "application/vnd.ipld.dag-json",
            Self::DagCbor => "application/vnd.ipld.dag-cbor",
        }
    }

    /// As in `format=` and in tags.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cbor => "cbor",
            Self::DagJson => "dag-json",
            Self::DagCbor => "dag-cbor",
        }
    }
}

fn decode(cid: &Cid, codec: Codec, block: &[u8]) -> Result<Ipld, NodeError> {
    let malformed = |what| NodeError::Malformed { cid: *cid, what };
    match codec {
        Codec::DagCbor => serde_ipld_dagcbor::from_slice(block).map_err(|_| malformed("no DAG-CBOR")),
        Codec::DagJson => serde_ipld_dagjson::from_slice(block).map_err(|_| malformed("no DAG-JSON")),
        Codec::Json | Codec::Cbor => Err(NodeError::Codec { cid: *cid, codec: cid.codec() }),
    }
}

/// The links of a node, in the order of its bytes.
pub(crate) fn links(cid: &Cid, codec: Codec, block: &[u8]) -> Result<Vec<Cid>, NodeError> {
    let malformed = |what| NodeError::Malformed { cid: *cid, what };
    match codec {
        Codec::DagCbor => {
            DagCborCodec::links(block).map(Iterator::collect).map_err(|_| malformed("no DAG-CBOR"))
        }
        Codec::DagJson => {
            DagJsonCodec::links(block).map(Iterator::collect).map_err(|_| malformed("no DAG-JSON"))
        }
        Codec::Json | Codec::Cbor => Ok(Vec::new()),
    }
}

/// Whether blocks of the CID's codec can link to others.
pub(crate) fn has_links(cid: &Cid) -> bool {
    cid.codec() == DAG_PB || Codec::of(cid.codec()).is_some_and(Codec::has_links)
}

/// The links of a block, whatever its codec; none if it is not known here.
pub(crate) fn links_of(cid: &Cid, block: &Bytes) -> Result<Vec<Cid>, NodeError> {
    match cid.codec() {
        DAG_PB => {
            let malformed = |_| NodeError::Malformed { cid: *cid, what: "no DAG-PB node" };
            let node = PbNode::from_bytes(block.clone()).map_err(malformed)?;
            Ok(node.links.into_iter().map(|link| link.cid).collect())
        }
        code => Codec::of(code).map_or(Ok(Vec::new()), |codec| links(cid, codec, block)),
    }
}

/// Follows `names` through the node until they leave it or end.
pub(crate) fn follow(cid: &Cid, codec: Codec, block: &[u8], names: &[String]) -> Result<Step, NodeError> {
    let node = decode(cid, codec, block)?;
    let mut at = &node;
    for (position, name) in names.iter().enumerate() {
        let next = match at {
            Ipld::Map(map) => map.get(name),
            Ipld::List(list) => name.parse::<usize>().ok().and_then(|index| list.get(index)),
            _ => None,
        };
        let Some(next) = next else { return Ok(Step::Missing { name: name.clone() }) };
        if let Ipld::Link(link) = next {
            return Ok(Step::Link { cid: *link, names: position + 1 });
        }
        at = next;
    }
    Ok(Step::Inside)
}

/// The node as text for people.
pub(crate) fn pretty(cid: &Cid, codec: Codec, block: &[u8]) -> Result<String, NodeError> {
    let malformed = |what| NodeError::Malformed { cid: *cid, what };
    let node = decode(cid, codec, block)?;
    let json = serde_ipld_dagjson::to_vec(&node).map_err(|_| malformed("it has no form in JSON"))?;
    let value: serde_json::Value =
        serde_json::from_slice(&json).map_err(|_| malformed("it has no form in JSON"))?;
    serde_json::to_string_pretty(&value).map_err(|_| malformed("it has no form in JSON"))
}

#[cfg(test)]
mod tests {
    use super::{Codec, Step, follow, links, pretty};
    use cid::Cid;
    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    const LINK: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

    fn cid(codec: u64, block: &[u8]) -> Cid {
        Cid::new_v1(codec, Code::Sha2_256.digest(block))
    }

    #[track_caller]
    fn check(path: &str, expect: &Step) {
        let block = format!(r#"{{"a":{{"b":[1,{{"/":"{LINK}"}}]}},"c":2}}"#);
        let names: Vec<String> = path.split('/').map(str::to_owned).collect();
        let step = follow(&cid(0x0129, block.as_bytes()), Codec::DagJson, block.as_bytes(), &names).unwrap();
        assert_eq!(&step, expect, "{path}");
    }

    #[test]
    fn a_path_goes_through_maps_and_lists_to_a_link() {
        check("a/b/1/rest", &Step::Link { cid: LINK.parse().unwrap(), names: 3 });
        check("a/b/0", &Step::Inside);
        check("c", &Step::Inside);
        check("d", &Step::Missing { name: "d".to_owned() });
        check("a/b/2", &Step::Missing { name: "2".to_owned() });
        check("c/e", &Step::Missing { name: "e".to_owned() });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_read_without_panic(block in prop::collection::vec(any::<u8>(), 0..200)) {
            for (code, codec) in [(0x0129, Codec::DagJson), (0x71, Codec::DagCbor)] {
                let cid = cid(code, &block);
                let _ = follow(&cid, codec, &block, &["a".to_owned()]);
                let _ = links(&cid, codec, &block);
                let _ = pretty(&cid, codec, &block);
            }
        }
    }
}
