//! Verified blocks in memory, the least used leave first.

use bytes::Bytes;
use lru::LruCache;
use multihash::Multihash;
use parking_lot::Mutex;

type Key = Multihash<64>;

pub(crate) struct Cache {
    // A lock and not a task: the gateway looks here on every request, and a round trip would cost more than the rest.
    blocks: Mutex<Blocks>,
    bytes_max: usize,
}

struct Blocks {
    by_hash: LruCache<Key, Bytes>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { blocks: Mutex::new(Blocks { by_hash: LruCache::unbounded(), bytes: 0 }), bytes_max }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Bytes> {
        self.blocks.lock().by_hash.get(key).cloned()
    }

    pub(crate) fn insert(&self, key: Key, block: Bytes) {
        if block.len() > self.bytes_max {
            return;
        }
        let mut blocks = self.blocks.lock();
        blocks.bytes += block.len();
        if let Some(same) = blocks.by_hash.put(key, block) {
            blocks.bytes -= same.len();
        }
        while blocks.bytes > self.bytes_max {
            let Some((_, oldest)) = blocks.by_hash.pop_lru() else { break };
            blocks.bytes -= oldest.len();
        }
    }

    pub(crate) fn remove(&self, key: &Key) {
        let mut blocks = self.blocks.lock();
        if let Some(gone) = blocks.by_hash.pop(key) {
            blocks.bytes -= gone.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;
    use bytes::Bytes;
    use multihash::Multihash;

    fn key(n: u8) -> Multihash<64> {
        Multihash::wrap(0x12, &[n; 32]).unwrap()
    }

    #[test]
    fn the_least_used_block_leaves_at_the_limit() {
        let cache = Cache::new(10);
        cache.insert(key(1), Bytes::from_static(b"12345"));
        cache.insert(key(2), Bytes::from_static(b"12345"));
        assert!(cache.get(&key(1)).is_some());
        cache.insert(key(3), Bytes::from_static(b"1"));
        assert!(cache.get(&key(2)).is_none());
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(3)).is_some());
    }

    #[test]
    fn a_removed_block_leaves_its_room() {
        let cache = Cache::new(10);
        cache.insert(key(1), Bytes::from_static(b"1234567890"));
        cache.remove(&key(1));
        cache.remove(&key(1));
        assert!(cache.get(&key(1)).is_none());
        cache.insert(key(2), Bytes::from_static(b"12345"));
        cache.insert(key(3), Bytes::from_static(b"12345"));
        assert!(cache.get(&key(2)).is_some() && cache.get(&key(3)).is_some());
    }

    #[test]
    fn a_block_larger_than_the_limit_is_not_kept() {
        let cache = Cache::new(4);
        cache.insert(key(1), Bytes::from_static(b"12345"));
        assert!(cache.get(&key(1)).is_none());
    }
}
