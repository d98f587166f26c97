use super::{Credentials, ObjectBlocks, OpenBucketError, S3, bucket::client};
use crate::{BLOCK_BYTES_MAX, LocalBlocks, block::Block, segments::Config, segments::GetError, store::Store};
use bytes::Bytes;
use cid::Cid;
use futures_util::FutureExt;
use nubes_base::port::{Blocks, PutBlocksError};
use nubes_testkit::blocks::{blocks_laws, damage_laws, raw};
use object_store::{
    ObjectStore, ObjectStoreExt,
    local::LocalFileSystem,
    memory::InMemory,
    throttle::{ThrottleConfig, ThrottledStore},
};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// All laws against one store.
async fn check(objects: Arc<dyn ObjectStore>) {
    blocks_laws(async || ObjectBlocks::new(Arc::clone(&objects), "blocks/v1")).await;
    let blocks = ObjectBlocks::new(Arc::clone(&objects), "blocks/v1");
    let damage = async |cid: &Cid| {
        objects.put(&blocks.key(cid.hash()), Bytes::from_static(b"rotten").into()).await.unwrap();
    };
    damage_laws(&blocks, damage).await;
    let remove = async |cid: &Cid| objects.delete(&blocks.key(cid.hash())).await.unwrap();
    damage_laws(&blocks, remove).await;
}

#[tokio::test]
async fn blocks_in_a_memory_object_store_keep_the_laws() {
    check(Arc::new(InMemory::new())).await;
}

#[tokio::test]
async fn blocks_in_a_folder_of_objects_keep_the_laws() {
    let dir = tempfile::tempdir().unwrap();
    check(Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap())).await;
}

/// A body is not polled while its client does not read, nor is the block that is read ahead for it.
#[tokio::test]
async fn a_reader_that_is_not_polled_keeps_neither_readers_nor_removals_waiting() {
    let wait = ThrottleConfig { wait_get_per_call: Duration::from_millis(20), ..ThrottleConfig::default() };
    let objects: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), wait));
    let store = Store::in_bucket(ObjectBlocks::new(objects, "blocks"));
    let block = raw(&b"wanted by two"[..]);
    let block = Block::new(block.0, block.1).unwrap();
    store.put_many(vec![block.clone()]).await.unwrap();
    let mut first = Box::pin(store.get(block.cid()));
    assert!((&mut first).now_or_never().is_none());
    let second = timeout(PATIENCE, store.get(block.cid())).await.expect("the first is not waited for");
    assert_eq!(&second.unwrap(), block.bytes());
    timeout(PATIENCE, store.erase(block.cid().hash())).await.expect("nor by who removes").unwrap();
    assert_eq!(&first.await.unwrap(), block.bytes());
}

/// A server of the S3 protocol, which signs and checks as Amazon's does.
struct Server {
    process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Where `cargo xtask test` puts it; nothing if it was not asked to.
fn moto() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/moto");
    tools.join("moto/server.py").is_file().then_some(tools)
}

fn start(tools: &Path) -> Server {
    let mut process = Command::new("python3")
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
        .env("PYTHONPATH", tools)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    let url = said.find_map(|line| line.unwrap().split_once("Running on ").map(|(_, url)| url.to_owned()));
    // It says a line for each request and would wait for somebody to read it.
    std::thread::spawn(move || said.for_each(drop));
    Server { process, url: url.unwrap() }
}

async fn make_bucket(url: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = "PUT /blocks HTTP/1.1\r\nHost: server\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_in_a_bucket_keep_the_laws_slow() {
    let Some(tools) = moto() else {
        println!("left out: `cargo xtask test rust` installs the S3 server that it needs");
        return;
    };
    let server = start(&tools);
    assert!(make_bucket(&server.url).await.starts_with("HTTP/1.1 200"), "the bucket is made");
    let settings = S3 {
        endpoint: Some(server.url.clone()),
        region: Some("us-east-1".to_owned()),
        bucket: "blocks".to_owned(),
        prefix: "nubes/v1".to_owned(),
        credentials: keys("secret"),
    };
    check(Arc::new(client(&settings).unwrap())).await;
    blocks_laws(async || ObjectBlocks::s3(&settings).unwrap()).await;
    let (cid, bytes) = raw(vec![7; BLOCK_BYTES_MAX]);
    let blocks = ObjectBlocks::s3(&settings).unwrap();
    blocks.put(vec![(cid, bytes.clone())]).await.unwrap();
    assert_eq!(blocks.get(&cid).await.unwrap(), Some(bytes));
    looked_after(ObjectBlocks::s3(&S3 { prefix: "upkeep".to_owned(), ..settings.clone() }).unwrap()).await;
    let missing = S3 { bucket: "none".to_owned(), ..settings.clone() };
    let refused = ObjectBlocks::s3(&missing).unwrap().put(vec![raw("x")]).await;
    assert!(matches!(refused, Err(PutBlocksError::Write { .. })));
    let refused = ObjectBlocks::open_s3(&missing, "me").await;
    assert!(matches!(&refused, Err(OpenBucketError::Missing { bucket }) if bucket == "none"), "{refused:?}");
    ObjectBlocks::open_s3(&settings, "me").await.unwrap();
    ObjectBlocks::open_s3(&settings, "me").await.unwrap();
    let refused = ObjectBlocks::open_s3(&settings, "you").await;
    assert!(matches!(refused, Err(OpenBucketError::Owned { .. })), "{refused:?}");
}

fn keys(secret: &str) -> Credentials {
    Credentials::Keys { access_key_id: "id".to_owned(), secret_access_key: secret.to_owned() }
}

fn block(content: &[u8]) -> Block {
    let (cid, bytes) = raw(content.to_vec());
    Block::new(cid, bytes).unwrap()
}

/// Counting, checking, collecting and erasing, on a store that is empty.
async fn looked_after(blocks: ObjectBlocks) {
    let objects = Arc::clone(&blocks.objects);
    let foreign = blocks.prefix.clone().join("owner");
    objects.put(&foreign, Bytes::from_static(b"not a block").into()).await.unwrap();
    let store = Store::in_bucket(blocks.cached(1 << 20));
    let (kept, loose, rotten) = (block(b"kept"), block(b"loose!"), block(b"rotten"));
    store.put_many(vec![kept.clone(), loose.clone(), rotten.clone()]).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.blocks, stats.bytes, stats.stored_bytes), (3, 16, 16));
    assert_eq!(store.get(kept.cid()).await.unwrap(), kept.bytes());
    assert_eq!(store.get(rotten.cid()).await.unwrap(), rotten.bytes());
    let named = ObjectBlocks::new(Arc::clone(&objects), foreign.as_ref().trim_end_matches("owner"));
    objects.put(&named.key(rotten.cid().hash()), Bytes::from_static(b"??").into()).await.unwrap();
    found_damaged(&store, &rotten).await;
    removed(&store, [&kept, &loose]).await;
    assert!(objects.head(&foreign).await.is_ok(), "what is no block is left alone");
    let refused = store.backup(Path::new("/nowhere")).await.unwrap_err();
    assert!(refused.to_string().contains("made by a store of segments"), "{refused}");
}

/// One of three is damaged.
async fn found_damaged(store: &Store, rotten: &Block) {
    let scrub = store.verify_all().await.unwrap();
    assert_eq!((scrub.blocks, scrub.damaged_blocks, scrub.damaged[0].cid), (3, 1, *rotten.cid()));
    assert!(!store.has(rotten.cid()).await.unwrap(), "it is asked for again");
    assert!(matches!(store.get(rotten.cid()).await, Err(GetError::Corrupt { .. })), "not from memory");
}

/// One is collected, the other one erased; a third, that is damaged, is collected too.
async fn removed(store: &Store, [kept, loose]: [&Block; 2]) {
    let collected = store.collect(&|hash| hash == kept.cid().hash()).await.unwrap();
    assert_eq!((collected.removed_blocks, collected.removed_bytes), (2, 8));
    assert!(store.has(kept.cid()).await.unwrap() && !store.has(loose.cid()).await.unwrap());
    assert!(matches!(store.get(loose.cid()).await, Err(GetError::NotFound { .. })), "not from memory");
    assert_eq!(store.erase(kept.cid().hash()).await.unwrap().records, 1);
    assert_eq!(store.erase(kept.cid().hash()).await.unwrap().records, 0);
    assert!(matches!(store.get(kept.cid()).await, Err(GetError::NotFound { .. })), "not from memory");
    assert_eq!(store.stats().await.unwrap().blocks, 0);
}

#[tokio::test]
async fn a_store_of_objects_is_counted_checked_collected_and_erased_from() {
    looked_after(ObjectBlocks::new(Arc::new(InMemory::new()), "blocks/v1")).await;
}

#[tokio::test]
async fn what_is_put_while_a_collection_runs_stays() {
    let objects = Arc::new(InMemory::new());
    let store = Store::in_bucket(ObjectBlocks::new(objects, ""));
    let (old, again) = (block(b"old"), block(b"again"));
    store.put_many(vec![old.clone(), again.clone()]).await.unwrap();
    // `keep` is asked after the collection began and before anything is removed.
    let (putter, put) = (store.clone(), again.clone());
    let keep = move |_: &_| {
        putter.put_many(vec![put.clone()]).now_or_never().unwrap().unwrap();
        false
    };
    assert_eq!(store.collect(&keep).await.unwrap().removed_blocks, 1);
    assert!(store.has(again.cid()).await.unwrap() && !store.has(old.cid()).await.unwrap());
    store.collect(&|_| false).await.unwrap();
    assert!(!store.has(again.cid()).await.unwrap(), "the next collection knows nothing of it");
}

#[tokio::test]
async fn a_block_is_read_from_the_server_once() {
    let objects = Arc::new(InMemory::new());
    let blocks = ObjectBlocks::new(Arc::clone(&objects) as Arc<dyn ObjectStore>, "").cached(5);
    let (cid, bytes) = raw("small");
    let (large, larger) = raw("larger than the cache");
    blocks.put(vec![(cid, bytes.clone()), (large, larger)]).await.unwrap();
    for cid in [cid, large] {
        assert!(blocks.get(&cid).await.unwrap().is_some());
        objects.delete(&blocks.key(cid.hash())).await.unwrap();
    }
    assert_eq!(blocks.get(&cid).await.unwrap(), Some(bytes));
    assert_eq!(blocks.get(&large).await.unwrap(), None);
    assert_eq!(blocks.length(&cid).await.unwrap(), None, "whether it is there is asked of the server");
}

#[tokio::test]
async fn a_block_is_one_object_under_its_hash() {
    let objects = Arc::new(InMemory::new());
    let blocks = ObjectBlocks::new(Arc::clone(&objects) as Arc<dyn ObjectStore>, "");
    let (cid, bytes) = raw("named");
    blocks.put(vec![(cid, bytes.clone()), (Cid::new_v1(0x70, *cid.hash()), bytes.clone())]).await.unwrap();
    let key = blocks.key(cid.hash());
    let name = key.filename().unwrap();
    assert_eq!(cid::multibase::Base::Base32Lower.decode(name).unwrap(), cid.hash().to_bytes());
    assert_eq!(key.as_ref(), format!("{}/{name}", &name[name.len() - 3..name.len() - 1]));
    assert_eq!(objects.get(&key).await.unwrap().bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn an_object_that_is_too_long_is_no_block() {
    let objects = Arc::new(InMemory::new());
    let blocks = ObjectBlocks::new(Arc::clone(&objects) as Arc<dyn ObjectStore>, "");
    let (cid, bytes) = raw(vec![1; BLOCK_BYTES_MAX + 1]);
    let refused = blocks.put(vec![(cid, bytes.clone())]).await;
    assert!(matches!(refused, Err(PutBlocksError::Untrue { .. })), "{refused:?}");
    objects.put(&blocks.key(cid.hash()), bytes.into()).await.unwrap();
    assert_eq!(blocks.length(&cid).await.unwrap(), None);
    assert_eq!(blocks.get(&cid).await.unwrap(), None);
}

#[tokio::test]
async fn an_engine_can_be_exchanged_for_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let local = LocalBlocks::new(Store::open(dir.path(), Config::STANDARD).unwrap());
    let engines: [Arc<dyn Blocks>; 2] =
        [Arc::new(local), Arc::new(ObjectBlocks::new(Arc::new(InMemory::new()), ""))];
    let (cid, bytes) = raw("carried over");
    let inside = Cid::new_v1(0x55, multihash::Multihash::wrap(0, b"inside").unwrap());
    engines[0].put(vec![(cid, bytes), (inside, Bytes::from_static(b"inside"))]).await.unwrap();
    for cid in [cid, inside] {
        let bytes = engines[0].get(&cid).await.unwrap().unwrap();
        engines[1].put(vec![(cid, bytes.clone())]).await.unwrap();
        assert_eq!(engines[1].get(&cid).await.unwrap(), Some(bytes));
        assert_eq!(engines[1].length(&cid).await.unwrap(), engines[0].length(&cid).await.unwrap());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_the_secret_stays_secret() {
    let settings = S3 {
        endpoint: Some("ftp://nowhere".to_owned()),
        region: Some("eu-central-1".to_owned()),
        bucket: "bucket".to_owned(),
        prefix: String::new(),
        credentials: keys("do not tell"),
    };
    assert!(!format!("{settings:?}").contains("do not tell"));
    let blocks = ObjectBlocks::s3(&settings).unwrap();
    let (cid, bytes) = raw("nowhere to go");
    assert!(blocks.get(&cid).await.is_err());
    assert!(blocks.length(&cid).await.is_err());
    assert!(matches!(blocks.put(vec![(cid, bytes)]).await, Err(PutBlocksError::Write { .. })));
    assert!(!format!("{blocks:?}").contains("do not tell"));
}
