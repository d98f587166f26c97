//! Looking after a bucket: counting, checking and removing blocks.
//!
//! What is there is known by listing, a request for a thousand objects. Objects below the prefix that are not named as
//! blocks are somebody else's and are left alone.
//!
//! A collection asks for `keep` of each listed block. It removes a part at a time: it shuts out puts, drops from the part what
//! was put since the collection began, and deletes the rest. So a put is either noted before the removal, or writes after it.

use super::{ObjectBlocks, io_error, present, unread};
use crate::block::{self, RAW};
use crate::segments::{Collected, DAMAGES_MAX, Erased, GetError, MaintainError, Scrub, Stats};
use cid::Cid;
use cid::multibase::Base;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use multihash::Multihash;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::BTreeSet;

/// Objects that are removed while puts wait; a server of S3 takes as many in one request.
const REMOVED_AT_ONCE_MAX: usize = 1000;
/// Objects that are read at the same time for a check.
const CHECKED_AT_ONCE_MAX: usize = 8;

/// A block that the server lists.
struct Listed {
    hash: Multihash<64>,
    bytes: u64,
}

/// Ends the noting of puts, however the collection ends.
struct Watch<'a>(&'a ObjectBlocks);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        *self.0.recent.lock() = None;
    }
}

impl ObjectBlocks {
    pub(crate) async fn stats(&self) -> Result<Stats, MaintainError> {
        let mut stats = Stats::default();
        let mut listed = self.listed();
        while let Some(Listed { bytes, .. }) = listed.try_next().await.map_err(io_error)? {
            stats.blocks += 1;
            stats.bytes += bytes;
        }
        Ok(Stats { live_bytes: stats.bytes, stored_bytes: stats.bytes, ..stats })
    }

    pub(crate) async fn verify_all(&self) -> Result<Scrub, GetError> {
        let mut scrub = Scrub::default();
        let checks = self.listed().map(|listed| async {
            let hash = listed?.hash;
            let bytes = self.fetch(&hash).await?;
            Ok::<_, object_store::Error>((hash, bytes))
        });
        let mut checks = checks.buffer_unordered(CHECKED_AT_ONCE_MAX);
        while let Some((hash, bytes)) = checks.try_next().await.map_err(unread)? {
            // It may have been removed since it was listed.
            let Some(bytes) = bytes else { continue };
            scrub.blocks += 1;
            scrub.bytes += bytes.len() as u64;
            if block::hashes_to(&hash, &bytes) == Ok(true) {
                continue;
            }
            self.cache.remove(&hash);
            self.damaged.lock().put(hash, ());
            scrub.damaged_blocks += 1;
            if scrub.damaged.len() < DAMAGES_MAX {
                // The codec is not in the name; as a raw block the content can still be asked for.
                scrub.damaged.push(self.damage(Cid::new_v1(RAW, hash)));
            }
        }
        Ok(scrub)
    }

    pub(crate) async fn collect(
        &self,
        keep: &(dyn Fn(&Multihash<64>) -> bool + Send + Sync),
    ) -> Result<Collected, MaintainError> {
        let _turn = self.maintenance.lock().await;
        *self.recent.lock() = Some(BTreeSet::new());
        let _watch = Watch(self);
        let mut collected = Collected::default();
        let mut part = Vec::new();
        let mut listed = self.listed();
        while let Some(next) = listed.try_next().await.map_err(io_error)? {
            if !keep(&next.hash) {
                part.push(next);
            }
            if part.len() >= REMOVED_AT_ONCE_MAX {
                self.remove(std::mem::take(&mut part), &mut collected).await?;
            }
        }
        self.remove(part, &mut collected).await?;
        collected.deleted_bytes = collected.removed_bytes;
        Ok(collected)
    }

    pub(crate) async fn erase(&self, hash: &Multihash<64>) -> Result<Erased, MaintainError> {
        let _turn = self.maintenance.lock().await;
        let _removal = self.removal.write().await;
        let key = self.key(hash);
        let is_there = present(self.objects.head(&key).await).map_err(io_error)?.is_some();
        if is_there {
            present(self.objects.delete(&key).await).map_err(io_error)?;
        }
        self.forget(hash);
        Ok(Erased { records: u64::from(is_there) })
    }

    async fn remove(&self, mut part: Vec<Listed>, collected: &mut Collected) -> Result<(), MaintainError> {
        let _removal = self.removal.write().await;
        if let Some(recent) = self.recent.lock().as_ref() {
            part.retain(|listed| !recent.contains(&listed.hash));
        }
        for listed in &part {
            // Before the request: if it fails half-way, nobody reads from memory what is gone.
            self.forget(&listed.hash);
        }
        let keys: Vec<_> = part.iter().map(|listed| Ok(self.key(&listed.hash))).collect();
        let mut deleted = self.objects.delete_stream(stream::iter(keys).boxed());
        while let Some(done) = deleted.next().await {
            present(done).map_err(io_error)?;
        }
        collected.removed_blocks += part.len() as u64;
        collected.removed_bytes += part.iter().map(|listed| listed.bytes).sum::<u64>();
        Ok(())
    }

    fn forget(&self, hash: &Multihash<64>) {
        self.cache.remove(hash);
        self.damaged.lock().pop(hash);
    }

    fn listed(&self) -> BoxStream<'_, Result<Listed, object_store::Error>> {
        let all = self.objects.list(Some(&self.prefix));
        all.try_filter_map(|meta| std::future::ready(Ok(self.named(&meta)))).boxed()
    }

    /// The block of an object, if it is named as this store names one.
    fn named(&self, meta: &ObjectMeta) -> Option<Listed> {
        let bytes = Base::Base32Lower.decode(meta.location.filename()?).ok()?;
        let hash = Multihash::from_bytes(&bytes).ok()?;
        (self.key(&hash) == meta.location).then_some(Listed { hash, bytes: meta.size })
    }
}
