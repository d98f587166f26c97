//! Storage in memory, and the law of storage.

use crate::must;
use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::port::{Blobs, GetError, PutError};
use parking_lot::Mutex;
use proptest::{
    collection,
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use std::collections::BTreeMap;

/// Multicodec of bytes without structure.
const RAW: u64 = 0x55;
/// Files of random content that the laws are tried with.
const CASES: usize = 64;
/// A file above one block of the profile, so that an engine has to cut and join.
const LARGE_FILE_BYTES: usize = (2 << 20) + 17;

/// Keeps files in memory. Up to 1 MiB a file has the CID that a real store gives it; a larger one has another.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    // A lock because the port takes `&self`; held for a map operation.
    files: Mutex<BTreeMap<Cid, Bytes>>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, file: Bytes) -> Result<Cid, PutError> {
        let cid = Cid::new_v1(RAW, Code::Sha2_256.digest(&file));
        self.files.lock().insert(cid, file);
        Ok(cid)
    }

    async fn get(&self, cid: &Cid, bytes_max: u64) -> Result<Bytes, GetError> {
        let file = self.files.lock().get(cid).cloned().ok_or(GetError::NotFound { cid: *cid })?;
        let bytes = file.len() as u64;
        if bytes > bytes_max {
            return Err(GetError::TooLarge { cid: *cid, bytes, bytes_max });
        }
        Ok(file)
    }
}

/// The law of [`Blobs`], as assertions. `make` gives an implementation; it may give the same one again.
pub async fn blobs_laws<B: Blobs>(make: impl AsyncFn() -> B) {
    what_was_put_can_be_got(&make().await).await;
    equal_bytes_have_equal_cids(&make().await, &make().await).await;
    the_limit_of_get_is_kept(&make().await).await;
    what_was_not_put_is_not_found(&make().await).await;
}

async fn what_was_put_can_be_got(blobs: &dyn Blobs) {
    let mut runner = TestRunner::deterministic();
    let files = collection::vec(any::<u8>(), 0..5_000);
    let random =
        (0..CASES).filter_map(|_| files.new_tree(&mut runner).ok()).map(|tree| Bytes::from(tree.current()));
    let large = (0..=250_u8).cycle().take(LARGE_FILE_BYTES).collect();
    for file in random.chain([Bytes::new(), large]) {
        let cid = must(blobs.put(file.clone()).await);
        let again = must(blobs.get(&cid, file.len() as u64).await);
        assert!(again == file, "get returned other bytes than put took for {cid}");
    }
}

async fn equal_bytes_have_equal_cids(one: &dyn Blobs, other: &dyn Blobs) {
    let file = Bytes::from_static(b"the same");
    let (first, second) = (must(one.put(file.clone()).await), must(other.put(file).await));
    assert_eq!(first, second, "equal bytes have different CIDs");
    let different = must(one.put(Bytes::from_static(b"another")).await);
    assert_ne!(first, different, "different bytes have the same CID");
}

async fn the_limit_of_get_is_kept(blobs: &dyn Blobs) {
    let cid = must(blobs.put(Bytes::from_static(b"four")).await);
    let refused = blobs.get(&cid, 3).await;
    assert!(matches!(refused, Err(GetError::TooLarge { bytes: 4, bytes_max: 3, .. })), "{refused:?}");
}

async fn what_was_not_put_is_not_found(blobs: &dyn Blobs) {
    let cid = Cid::new_v1(RAW, Code::Sha2_256.digest(b"never put by any law"));
    let missing = blobs.get(&cid, u64::MAX).await;
    assert!(matches!(missing, Err(GetError::NotFound { cid: named }) if named == cid), "{missing:?}");
}

#[cfg(test)]
mod tests {
    use super::{MemoryBlobs, blobs_laws};

    #[tokio::test]
    async fn memory_blobs_keep_the_laws() {
        blobs_laws(async || MemoryBlobs::default()).await;
    }
}
