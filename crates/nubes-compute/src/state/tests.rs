use super::{
    CommitError, KEY_BYTES_MAX, LimitError, StateStore, TRANSACTION_BYTES_MAX, TRANSACTION_KEYS_MAX,
    Transaction, VALUE_BYTES_MAX,
};
use nubes_base::AppName;
use proptest::{collection::vec, option, prelude::*};
use std::{collections::BTreeMap, sync::Arc};
use tempfile::TempDir;
use tokio::{runtime, task::JoinSet};

const NO_LIMIT: u64 = u64::MAX;

fn app(name: &str) -> AppName {
    name.parse().unwrap()
}

fn open(app_bytes_max: u64) -> (TempDir, StateStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = StateStore::open(&dir.path().join("state"), app_bytes_max).unwrap();
    (dir, store)
}

fn begin(store: &StateStore) -> Transaction {
    store.begin(&app("a"), 0).unwrap()
}

async fn put(store: &StateStore, key: &str, value: &str) -> Result<(), CommitError> {
    let mut transaction = begin(store);
    transaction.set(key, value.into()).unwrap();
    store.commit(transaction).await
}

fn get(store: &StateStore, key: &str) -> Option<Vec<u8>> {
    begin(store).get(key).unwrap()
}

#[tokio::test]
async fn what_was_committed_is_in_the_file_at_once() {
    let (dir, store) = open(NO_LIMIT);
    put(&store, "k", "v").await.unwrap();
    // The file as a crash would leave it: nothing was closed.
    let crashed = dir.path().join("crashed");
    std::fs::copy(dir.path().join("state"), &crashed).unwrap();
    let after = StateStore::open(&crashed, NO_LIMIT).unwrap();
    assert_eq!(get(&after, "k").unwrap(), b"v");
}

#[tokio::test]
async fn a_store_that_was_dropped_opens_again() {
    let (dir, store) = open(NO_LIMIT);
    put(&store, "k", "v").await.unwrap();
    drop(store);
    let again = StateStore::open(&dir.path().join("state"), NO_LIMIT).unwrap();
    assert_eq!(get(&again, "k").unwrap(), b"v");
    again.close();
    assert!(matches!(put(&again, "k", "w").await, Err(CommitError::Closed)));
}

#[tokio::test]
async fn a_transaction_reads_its_own_writes_and_nobody_elses() {
    let (_dir, store) = open(NO_LIMIT);
    put(&store, "k", "old").await.unwrap();
    let mut one = begin(&store);
    let mut other = begin(&store);
    one.set("k", b"new".into()).unwrap();
    assert_eq!(one.get("k").unwrap().unwrap(), b"new");
    store.commit(one).await.unwrap();
    assert_eq!(other.get("k").unwrap().unwrap(), b"old");
    assert_eq!(get(&store, "k").unwrap(), b"new");
    assert_eq!(store.begin(&app("b"), 0).unwrap().get("k").unwrap(), None);
}

#[tokio::test]
async fn each_tenure_of_a_name_has_a_state_of_its_own() {
    let (_dir, store) = open(NO_LIMIT);
    put(&store, "k", "former").await.unwrap();
    let mut next = store.begin(&app("a"), 1).unwrap();
    assert_eq!(next.get("k").unwrap(), None);
    next.set("k", b"next".into()).unwrap();
    store.commit(next).await.unwrap();
    assert_eq!(get(&store, "k").unwrap(), b"former");
    assert_eq!(store.begin(&app("a"), 1).unwrap().get("k").unwrap().unwrap(), b"next");
    assert_eq!(store.begin(&app("a"), 2).unwrap().get("k").unwrap(), None);
}

#[tokio::test]
async fn who_has_read_what_changed_must_run_again() {
    let (_dir, store) = open(NO_LIMIT);
    for touch in
        [(|transaction| transaction.get("k").map(drop)) as fn(&mut Transaction) -> _, |transaction| {
            transaction.keys("").map(drop)
        }]
    {
        let mut reader = begin(&store);
        touch(&mut reader).unwrap();
        reader.set("mine", b"1".into()).unwrap();
        let mut writer = begin(&store);
        writer.set("k", b"1".into()).unwrap();
        store.commit(writer).await.unwrap();
        assert!(matches!(store.commit(reader).await, Err(CommitError::Conflict)));
        assert_eq!(get(&store, "mine"), None);
        let mut cleaner = begin(&store);
        cleaner.delete("k").unwrap();
        store.commit(cleaner).await.unwrap();
    }
}

#[tokio::test]
async fn who_has_only_read_or_only_written_never_runs_again() {
    let (_dir, store) = open(NO_LIMIT);
    let mut reader = begin(&store);
    reader.get("k").unwrap();
    let mut writer = begin(&store);
    writer.set("k", b"2".into()).unwrap();
    put(&store, "k", "1").await.unwrap();
    store.commit(reader).await.unwrap();
    store.commit(writer).await.unwrap();
    assert_eq!(get(&store, "k").unwrap(), b"2");
}

#[tokio::test]
async fn a_key_that_was_deleted_and_made_again_is_another() {
    let (_dir, store) = open(NO_LIMIT);
    put(&store, "k", "same").await.unwrap();
    let mut reader = begin(&store);
    reader.get("k").unwrap();
    reader.set("mine", b"1".into()).unwrap();
    let mut cleaner = begin(&store);
    cleaner.delete("k").unwrap();
    store.commit(cleaner).await.unwrap();
    put(&store, "k", "same").await.unwrap();
    assert!(matches!(store.commit(reader).await, Err(CommitError::Conflict)));
}

#[tokio::test]
async fn each_limit_of_a_transaction_is_named() {
    let (_dir, store) = open(NO_LIMIT);
    let mut transaction = begin(&store);
    let longest = "k".repeat(KEY_BYTES_MAX);
    transaction.set(&longest, vec![0; VALUE_BYTES_MAX]).unwrap();
    for key in ["", "a\0b", &format!("{longest}k")] {
        assert!(matches!(transaction.get(key), Err(LimitError::Key { .. })));
        assert!(matches!(transaction.set(key, Vec::new()), Err(LimitError::Key { .. })));
        assert!(matches!(transaction.delete(key), Err(LimitError::Key { .. })));
    }
    assert!(matches!(transaction.keys(&format!("{longest}k")), Err(LimitError::Key { .. })));
    let value = vec![0; VALUE_BYTES_MAX + 1];
    assert!(matches!(transaction.set("k", value), Err(LimitError::Value { .. })));
    for _ in 1..TRANSACTION_BYTES_MAX / (KEY_BYTES_MAX + VALUE_BYTES_MAX) {
        transaction.set(&longest, vec![0; VALUE_BYTES_MAX]).unwrap();
    }
    assert!(matches!(transaction.set(&longest, vec![0; VALUE_BYTES_MAX]), Err(LimitError::Bytes)));
    store.commit(transaction).await.unwrap();
    assert_eq!(get(&store, &longest).unwrap().len(), VALUE_BYTES_MAX);
}

#[tokio::test]
async fn a_transaction_touches_so_many_keys_and_no_more() {
    let (_dir, store) = open(NO_LIMIT);
    let mut writer = begin(&store);
    for number in 0..TRANSACTION_KEYS_MAX / 2 {
        writer.set(&number.to_string(), Vec::new()).unwrap();
    }
    store.commit(writer).await.unwrap();
    let mut reader = begin(&store);
    assert_eq!(reader.keys("").unwrap().len(), TRANSACTION_KEYS_MAX / 2);
    for number in 1..TRANSACTION_KEYS_MAX / 2 {
        assert_eq!(reader.get(&format!("none{number}")).unwrap(), None);
    }
    assert!(matches!(reader.get("one more"), Err(LimitError::Keys)));
    assert!(matches!(reader.keys("1"), Err(LimitError::Keys)));
    assert_eq!(reader.keys("").unwrap().len(), TRANSACTION_KEYS_MAX / 2, "it was listed before");
}

#[tokio::test]
async fn an_app_has_its_share_and_no_more() {
    let (_dir, store) = open(10);
    put(&store, "k", "123456789").await.unwrap();
    assert!(matches!(put(&store, "l", "").await, Err(CommitError::Full { bytes_max: 10 })));
    put(&store, "k", "12345678").await.unwrap();
    put(&store, "l", "").await.unwrap();
    let mut other = store.begin(&app("b"), 0).unwrap();
    other.set("k", b"123456789".into()).unwrap();
    store.commit(other).await.unwrap();
    let mut swap = begin(&store);
    swap.delete("k").unwrap();
    swap.set("m", b"12345678".into()).unwrap();
    store.commit(swap).await.unwrap();
    assert_eq!(begin(&store).keys("").unwrap(), ["l", "m"]);
}

#[tokio::test]
async fn an_app_over_its_share_may_still_delete() {
    let (dir, store) = open(NO_LIMIT);
    put(&store, "a", "123").await.unwrap();
    put(&store, "b", "123").await.unwrap();
    drop(store);
    let store = StateStore::open(&dir.path().join("state"), 1).unwrap();
    assert!(matches!(put(&store, "b", "1234").await, Err(CommitError::Full { .. })));
    put(&store, "b", "12").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn increments_from_many_threads_are_all_counted() {
    let (_dir, store) = open(NO_LIMIT);
    let store = Arc::new(store);
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..20 {
                increment(&store).await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(get(&store, "n").unwrap(), [160]);
}

async fn increment(store: &StateStore) {
    let mut turn = None;
    loop {
        let mut transaction = begin(store);
        let old = transaction.get("n").unwrap().unwrap_or_else(|| vec![0]);
        transaction.set("n", vec![old[0] + 1]).unwrap();
        match store.commit(transaction).await {
            Ok(()) => return,
            Err(CommitError::Conflict) if turn.is_none() => turn = Some(store.line_up(&app("a")).await),
            Err(CommitError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Some transactions, each with some writes; `None` deletes.
type Writes = Vec<Vec<(String, Option<Vec<u8>>)>>;

fn writes() -> impl Strategy<Value = Writes> {
    vec(vec(("[ab]{1,3}", option::of(vec(any::<u8>(), 0..4))), 0..6), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_store_is_a_map(writes in writes(), prefix in "[ab]{0,2}") {
        let (_dir, store) = open(NO_LIMIT);
        let mut model = BTreeMap::new();
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        for transaction_writes in writes {
            let mut transaction = begin(&store);
            for (key, value) in transaction_writes {
                if let Some(value) = value {
                    transaction.set(&key, value.clone()).unwrap();
                    model.insert(key, value);
                } else {
                    transaction.delete(&key).unwrap();
                    model.remove(&key);
                }
            }
            check_same(&mut transaction, &model, &prefix)?;
            runtime.block_on(store.commit(transaction)).unwrap();
        }
        check_same(&mut begin(&store), &model, &prefix)?;
    }
}

fn check_same(
    transaction: &mut Transaction,
    model: &BTreeMap<String, Vec<u8>>,
    prefix: &str,
) -> Result<(), TestCaseError> {
    let keys: Vec<_> = model.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    prop_assert_eq!(transaction.keys(prefix).unwrap(), keys);
    for (key, value) in model {
        let found = transaction.get(key).unwrap();
        prop_assert_eq!(found.as_ref(), Some(value));
    }
    Ok(())
}
