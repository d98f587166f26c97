//! `/ipfs/CID/a/b`: what calls are about.

use super::error::RpcError;
use crate::ipld::{self, Codec, Step};
use crate::store::Store;
use crate::unixfs::{self, NAMES_MAX, Resolved};
use cid::Cid;
use std::fmt;

/// A root and names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContentPath {
    pub(super) root: Cid,
    pub(super) names: Vec<String>,
}

/// Where a path ends: at a block, or inside of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) cid: Cid,
    /// What leads on inside of the block.
    pub(super) names: Vec<String>,
}

impl ContentPath {
    /// Reads `CID/a`, `/ipfs/CID/a`, `/ipld/CID/a` and `ipfs://CID/a`.
    pub(super) fn parse(text: &str) -> Result<Self, RpcError> {
        let prefixes = ["ipfs://", "/ipfs/", "/ipld/"];
        let rest = prefixes.into_iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
        if rest.starts_with("/ipns/") || rest.starts_with("ipns://") {
            return Err(RpcError::unsupported("a path below /ipns"));
        }
        let mut names = rest.split('/').filter(|name| !name.is_empty());
        let invalid = |why: &dyn fmt::Display| {
            let shown: String = text.chars().take(200).collect();
            RpcError::client(format!("invalid path \"{shown}\": {why}"))
        };
        let root = names.next().ok_or_else(|| invalid(&"there is no CID"))?;
        let root = Cid::try_from(root).map_err(|error| invalid(&error))?;
        let names: Vec<String> = names.map(str::to_owned).collect();
        if names.len() > NAMES_MAX {
            return Err(invalid(&format!("more than {NAMES_MAX} names")));
        }
        Ok(Self { root, names })
    }

    /// What the path leads to: a block.
    pub(super) async fn resolve(&self, store: &Store) -> Result<Resolved, RpcError> {
        Ok(unixfs::resolve(store, self.root, &self.names).await?)
    }

    /// As [`ContentPath::resolve`], but the path may end in the middle of an IPLD node.
    pub(super) async fn resolve_inside(&self, store: &Store) -> Result<Inside, RpcError> {
        let (mut cid, mut names) = (self.root, self.names.as_slice());
        while let Some(name) = names.first() {
            let Some(codec) = Codec::of(cid.codec()) else {
                cid = unixfs::resolve(store, cid, std::slice::from_ref(name)).await?.cid;
                names = names.get(1..).unwrap_or_default();
                continue;
            };
            match ipld::follow(&cid, codec, &store.get(&cid).await?, names)? {
                Step::Link { cid: next, names: taken } => {
                    cid = next;
                    names = names.get(taken..).unwrap_or_default();
                }
                Step::Inside => return Ok(Inside { cid, names: names.to_vec() }),
                Step::Missing { name } => {
                    return Err(RpcError::new(format!("no link named \"{name}\" under {cid}")));
                }
            }
        }
        Ok(Inside { cid, names: Vec::new() })
    }

    /// The name under which it would be saved.
    pub(super) fn last(&self) -> String {
        self.names.last().cloned().unwrap_or_else(|| self.root.to_string())
    }
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/ipfs/{}", self.root)?;
        self.names.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}
