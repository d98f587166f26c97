//! Blocks in memory, and the law of blocks.

use crate::must;
use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::port::{Blocks, PutBlocksError, ReadBlockError};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Multicodec of bytes without structure.
const RAW: u64 = 0x55;
/// Multicodec of `MerkleDAG` nodes.
const DAG_PB: u64 = 0x70;

/// Keeps blocks in memory, by their hash.
#[derive(Debug, Default)]
pub struct MemoryBlocks {
    // A lock because the port takes `&self`; held for a map operation.
    blocks: Mutex<BTreeMap<Vec<u8>, Bytes>>,
}

impl MemoryBlocks {
    /// How many are kept.
    pub fn count(&self) -> usize {
        self.blocks.lock().len()
    }
}

/// A raw block with its CID.
pub fn raw(bytes: impl Into<Bytes>) -> (Cid, Bytes) {
    let bytes = bytes.into();
    (Cid::new_v1(RAW, Code::Sha2_256.digest(&bytes)), bytes)
}

#[async_trait]
impl Blocks for MemoryBlocks {
    async fn get(&self, cid: &Cid) -> Result<Option<Bytes>, ReadBlockError> {
        Ok(self.blocks.lock().get(&cid.hash().to_bytes()).cloned())
    }

    async fn length(&self, cid: &Cid) -> Result<Option<u64>, ReadBlockError> {
        Ok(self.get(cid).await?.map(|bytes| bytes.len() as u64))
    }

    async fn put(&self, blocks: Vec<(Cid, Bytes)>) -> Result<(), PutBlocksError> {
        for (cid, bytes) in &blocks {
            let code = Code::try_from(cid.hash().code());
            let code =
                code.map_err(|_| PutBlocksError::Untrue { cid: *cid, what: "unknown hash function" })?;
            if code.digest(bytes) != *cid.hash() {
                return Err(PutBlocksError::Untrue { cid: *cid, what: "the bytes have another hash" });
            }
        }
        self.blocks.lock().extend(blocks.into_iter().map(|(cid, bytes)| (cid.hash().to_bytes(), bytes)));
        Ok(())
    }
}

/// The law of [`Blocks`], as assertions. `make` gives an implementation; it may give the same one again.
pub async fn blocks_laws<B: Blocks>(make: impl AsyncFn() -> B) {
    what_was_put_can_be_got(&make().await).await;
    what_was_not_put_is_missing(&make().await).await;
    a_lie_is_not_kept(&make().await).await;
    a_block_is_found_by_its_hash(&make().await).await;
}

/// The law of [`Blocks`] about damage. `damage` changes or takes away the bytes of a block behind the engine's back.
pub async fn damage_laws(blocks: &dyn Blocks, damage: impl AsyncFn(&Cid)) {
    let (cid, bytes) = raw("damaged and mended");
    let (other, others) = raw("beside it");
    must(blocks.put(vec![(cid, bytes.clone()), (other, others.clone())]).await);
    damage(&cid).await;
    assert_eq!(must(blocks.get(&cid).await), None, "damaged bytes were returned");
    assert_eq!(must(blocks.length(&cid).await), None, "what was found damaged is not here");
    assert_eq!(must(blocks.get(&other).await), Some(others), "another block is lost with it");
    must(blocks.put(vec![(cid, bytes.clone())]).await);
    assert_eq!(must(blocks.length(&cid).await), Some(bytes.len() as u64), "put is the repair");
    assert_eq!(must(blocks.get(&cid).await), Some(bytes), "put is the repair");
}

async fn what_was_put_can_be_got(blocks: &dyn Blocks) {
    let many: Vec<_> = (0..100_u8).map(|n| raw(vec![n; usize::from(n) * 37])).collect();
    must(blocks.put(many.clone()).await);
    must(blocks.put(many[..10].to_vec()).await);
    for (cid, bytes) in many {
        assert_eq!(must(blocks.length(&cid).await), Some(bytes.len() as u64), "another length for {cid}");
        assert!(must(blocks.has(&cid).await), "{cid} was put and is not here");
        assert!(
            must(blocks.get(&cid).await) == Some(bytes),
            "get returned other bytes than put took for {cid}"
        );
    }
    must(blocks.put(Vec::new()).await);
}

async fn what_was_not_put_is_missing(blocks: &dyn Blocks) {
    let (cid, _) = raw("never put by any law of blocks");
    assert_eq!(must(blocks.get(&cid).await), None);
    assert_eq!(must(blocks.length(&cid).await), None);
    assert!(!must(blocks.has(&cid).await));
}

async fn a_lie_is_not_kept(blocks: &dyn Blocks) {
    let (cid, _) = raw("what the name says");
    let refused = blocks.put(vec![(cid, Bytes::from_static(b"something else"))]).await;
    assert!(matches!(refused, Err(PutBlocksError::Untrue { cid: named, .. }) if named == cid), "{refused:?}");
    assert_eq!(must(blocks.get(&cid).await), None, "wrong bytes were kept");
}

async fn a_block_is_found_by_its_hash(blocks: &dyn Blocks) {
    let (cid, bytes) = raw("one content, two codecs");
    must(blocks.put(vec![(cid, bytes.clone())]).await);
    let other = Cid::new_v1(DAG_PB, *cid.hash());
    assert_eq!(must(blocks.get(&other).await), Some(bytes));
}

#[cfg(test)]
mod tests {
    use super::{MemoryBlocks, blocks_laws, damage_laws};

    #[tokio::test]
    async fn memory_blocks_keep_the_laws() {
        blocks_laws(async || MemoryBlocks::default()).await;
        let blocks = MemoryBlocks::default();
        damage_laws(&blocks, async |cid| drop(blocks.blocks.lock().remove(&cid.hash().to_bytes()))).await;
    }
}
