use super::{block, genesis};
use crate::state::{Changes, OpenError, Store, StoreError};
use redb::{Database, TableDefinition};
use std::path::Path;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

fn open(path: &Path) -> Result<Store, OpenError> {
    let (block, changes) = genesis();
    Store::open(path, &block, &changes)
}

/// Writes `value` under `key` behind the store's back.
fn tamper(path: &Path, key: &str, value: &[u8]) {
    let database = Database::create(path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert(key, value).unwrap();
    write.commit().unwrap();
}

#[test]
fn a_store_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    drop(open(&path).unwrap());
    tamper(&path, "version", &2u32.to_be_bytes());
    assert!(matches!(open(&path), Err(OpenError::Version { found: 2 })));
}

#[test]
fn a_damaged_head_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    drop(open(&path).unwrap());
    tamper(&path, "head", b"short");
    let head = open(&path).unwrap().snapshot().unwrap().head();
    assert!(matches!(head, Err(StoreError::Damaged { what: "head", .. })));
}

#[test]
fn a_snapshot_does_not_see_what_comes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("state")).unwrap();
    let before = store.snapshot().unwrap();
    let (genesis, _) = genesis();
    let next = block(1, genesis.hash, genesis.block.header.state_root);
    store.commit(&next, &Changes::default()).unwrap();
    assert_eq!(before.head().unwrap(), (0, genesis.hash));
    assert_eq!(before.hash(1).unwrap(), None);
    assert_eq!(store.snapshot().unwrap().head().unwrap(), (1, next.hash));
    assert_eq!(store.snapshot().unwrap().number(&next.hash).unwrap(), Some(1));
}
