//! Several roots as one object: a folder in which each is named by its CID. Small objects cost less so, one set of deals and
//! of proofs for all.

use crate::{
    client::Client,
    deploy::upload::send_batch,
    failure::{Exit, Failure},
};
use cid::Cid;
use futures_util::{StreamExt, TryStreamExt, stream};
use nubes_storage::{Block, unixfs};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

/// Roots that the node is asked for at once.
const ASKED_MAX: usize = 16;

/// The root of what is to be kept: the only one, or that of a folder of all, which the node has from then on. Fails if the
/// node lacks one of several.
pub(crate) async fn pack(client: &Client, roots: &BTreeSet<Cid>) -> Result<Cid, Failure> {
    if let (Some(root), 1) = (roots.first(), roots.len()) {
        return Ok(*root);
    }
    let sizes = stream::iter(roots)
        .map(|root| async move { Ok::<_, Failure>((*root, dag_bytes(client, root).await?)) });
    let sizes: BTreeMap<Cid, u64> = sizes.buffer_unordered(ASKED_MAX).try_collect().await?;
    let mut blocks = Vec::new();
    let packed = unixfs::build_pack(&sizes, &mut |block| {
        blocks.push(block);
        Ok::<_, Infallible>(())
    });
    let root = packed
        .map_err(|source| Failure::new(1031, Exit::Failure, "the pack cannot be made").because(source))?;
    send_batch(client, blocks).await?;
    Ok(root)
}

/// Bytes of what is below a root, as its block says.
async fn dag_bytes(client: &Client, root: &Cid) -> Result<u64, Failure> {
    let untrue = |source: anyhow::Error| {
        Failure::new(1033, Exit::Failure, format!("what the node sent for {root} cannot be packed"))
            .because(source)
    };
    let request = client.http().get(format!("{}/ipfs/{root}?format=raw", client.door()));
    let answer = client.send(request.header("accept", "application/vnd.ipld.raw")).await?;
    let bytes = answer.bytes().await.map_err(|source| untrue(source.into()))?;
    let block = Block::new(*root, bytes).map_err(|source| untrue(source.into()))?;
    unixfs::dag_bytes(&block).map_err(|source| untrue(source.into()))
}
