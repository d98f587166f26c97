//! The links below a node.

use super::args::Args;
use super::error::RpcError;
use super::{Rpc, lines};
use crate::block::DAG_PB;
use crate::ipld;
use crate::store::Store;
use axum::{extract::State, response::Response};
use bytes::Bytes;
use cid::Cid;
use futures_util::{StreamExt, stream};
use ipld_dagpb::PbNode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Links in one answer.
const REFS_MAX: usize = 1 << 20;
const EDGES: &str = "<src> -> <dst>";

pub(super) async fn refs(State(rpc): State<Rpc>, args: Args) -> Result<Response, RpcError> {
    let format = if args.flag("edges", false)? { EDGES } else { args.option("format").unwrap_or("<dst>") };
    let depth = if args.flag("recursive", false)? {
        args.number::<i64>("max-depth")?.and_then(|depth| usize::try_from(depth).ok()).unwrap_or(usize::MAX)
    } else {
        1
    };
    let seen = args.flag("unique", false)?.then(BTreeSet::new);
    let mut walk = Links {
        store: rpc.store().clone(),
        pending: Vec::new(),
        seen,
        depth,
        sent: 0,
        format: format.to_owned(),
    };
    for path in args.paths()?.into_iter().rev() {
        let root = path.resolve(rpc.store()).await?.cid;
        walk.descend(&root, 0).await?;
    }
    let values =
        stream::try_unfold(walk, |mut walk| async move { Ok(walk.next().await?.map(|value| (value, walk))) });
    lines::lines(values.boxed()).await
}

struct Link {
    from: Cid,
    name: String,
    to: Cid,
    depth: usize,
}

struct Links {
    store: Store,
    /// The next is at the end.
    pending: Vec<Link>,
    /// Those that were sent, if each is sent once.
    seen: Option<BTreeSet<Cid>>,
    depth: usize,
    sent: usize,
    format: String,
}

impl Links {
    async fn next(&mut self) -> Result<Option<Value>, RpcError> {
        while let Some(link) = self.pending.pop() {
            if self.seen.as_mut().is_some_and(|seen| !seen.insert(link.to)) {
                continue;
            }
            self.sent += 1;
            if self.sent > REFS_MAX {
                return Err(RpcError::new(format!("more than {REFS_MAX} links")));
            }
            if link.depth < self.depth {
                self.descend(&link.to, link.depth).await?;
            }
            let [source, target] = [link.from, link.to].map(|cid| cid.to_string());
            let text = self.format.replace("<src>", &source).replace("<dst>", &target);
            return Ok(Some(json!({ "Ref": text.replace("<linkname>", &link.name), "Err": "" })));
        }
        Ok(None)
    }

    async fn descend(&mut self, from: &Cid, depth: usize) -> Result<(), RpcError> {
        if !ipld::has_links(from) {
            return Ok(());
        }
        let links = named(from, &self.store.get(from).await?)?;
        let links = links.into_iter().map(|(name, to)| Link { from: *from, name, to, depth: depth + 1 });
        self.pending.extend(links.rev());
        Ok(())
    }
}

fn named(cid: &Cid, block: &Bytes) -> Result<Vec<(String, Cid)>, RpcError> {
    if cid.codec() != DAG_PB {
        return Ok(ipld::links_of(cid, block)?.into_iter().map(|link| (String::new(), link)).collect());
    }
    let node = PbNode::from_bytes(block.clone()).map_err(RpcError::new)?;
    Ok(node.links.into_iter().map(|link| (link.name.unwrap_or_default(), link.cid)).collect())
}
