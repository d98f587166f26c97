//! `nubes get`: fetches content as a CAR, from the node or from the providers that keep it, checks every block, then
//! writes the files.
//!
//! The blocks go into a store of their own first. Files appear under their final name only when all is there.

use crate::{
    cli::Get,
    client::Client,
    failure::{Exit, Failure},
    market::StoredObject,
    output::Output,
};
use cid::Cid;
use futures_util::{StreamExt, future::BoxFuture};
use nubes_storage::{
    Block, Config, Store,
    car::{Decoder, Item},
    unixfs::{File, Kind, list, resolve},
};
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// Blocks written to the disk at once.
const BATCH_BYTES: usize = 8 << 20;
const ENTRIES_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 256;

pub(super) async fn run(args: Get, output: Output) -> Result<(), Failure> {
    let address =
        args.address.trim_start_matches("ipfs://").trim_start_matches("/ipfs/").trim_end_matches('/');
    let (cid, path) = address.split_once('/').unwrap_or((address, ""));
    let root = Cid::try_from(cid)
        .map_err(|source| Failure::new(3001, Exit::Usage, format!("`{cid}` is no CID")).because(source))?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(cid);
    let target = args.output.unwrap_or_else(|| PathBuf::from(name));
    if target.exists() {
        return Err(Failure::new(1013, Exit::Usage, format!("{} exists already", target.display())));
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let work = Work::new(parent)?;
    let store = Store::open(&work.0.join("blocks"), Config::STANDARD)
        .map_err(|source| Failure::new(1031, Exit::Failure, "no room for the blocks").because(source))?;
    let client = Client::new(&args.door.node)?;
    fetch(&client, &store, (address, &root, args.from_providers), output).await?;
    let names: Vec<String> = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let found = resolve(&store, root, &names).await.map_err(unreadable)?;
    let written = work.0.join("content");
    let files = write(&store, found.cid, &written, 0).await?;
    store.close().await;
    std::fs::rename(&written, &target).map_err(|source| cannot_write(&target, source))?;
    let value = json!({ "cid": found.cid.to_string(), "output": target, "files": files });
    output.result(&format!("{}", target.display()), &value);
    Ok(())
}

/// A folder that is gone when the command is.
struct Work(PathBuf);

impl Work {
    fn new(parent: &Path) -> Result<Self, Failure> {
        let dir = parent.join(format!(".nubes-get-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|source| cannot_write(&dir, source))?;
        Ok(Self(dir))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is only a folder of temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// From the node; from the providers of its deals if the node does not have it.
async fn fetch(
    client: &Client,
    store: &Store,
    (address, root, from_providers): (&str, &Cid, bool),
    output: Output,
) -> Result<(), Failure> {
    if from_providers {
        return fetch_from_providers(client, store, root, output).await;
    }
    match fetch_from_node(client, store, address, output).await {
        Err(failure) if failure.exit() == Exit::NotFound => {
            output.say("the node does not have it; asking providers");
            match fetch_from_providers(client, store, root, output).await {
                // What the node said is the better answer where there is no deal either.
                Err(other) if other.exit() == Exit::NotFound => Err(failure),
                done => done,
            }
        }
        done => done,
    }
}

async fn fetch_from_node(
    client: &Client,
    store: &Store,
    address: &str,
    output: Output,
) -> Result<(), Failure> {
    let request = client.http().get(format!("{}/ipfs/{address}?format=car", client.door()));
    let answer = client.send(request.header("accept", "application/vnd.ipld.car")).await?;
    let bar = output.progress(answer.content_length().unwrap_or(0), "getting");
    let mut chunks = answer.bytes_stream();
    let mut keeper = Keeper::new(store);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|source| Failure::new(1015, Exit::Network, "the transfer broke off").because(source))?;
        bar.inc(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        keeper.push(&chunk).await?;
    }
    bar.finish_and_clear();
    keeper.finish().await
}

async fn fetch_from_providers(
    client: &Client,
    store: &Store,
    root: &Cid,
    output: Output,
) -> Result<(), Failure> {
    let mut object = StoredObject::find(client, root).await?;
    let bar = output.progress(object.bytes(), "getting from providers");
    let mut keeper = Keeper::new(store);
    while let Some(part) = object.next().await? {
        bar.inc(u64::try_from(part.len()).unwrap_or(u64::MAX));
        keeper.push(&part).await?;
    }
    bar.finish_and_clear();
    keeper.finish().await
}

/// Checks the blocks of a CAR as it comes, and keeps them.
struct Keeper<'a> {
    store: &'a Store,
    decoder: Decoder,
    batch: Vec<Block>,
    bytes: usize,
}

impl<'a> Keeper<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, decoder: Decoder::default(), batch: Vec::new(), bytes: 0 }
    }

    async fn push(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.decoder.push(chunk);
        while let Some(item) = self.decoder.next_item().map_err(untrue)? {
            let Item::Block(block) = item else { continue };
            self.bytes += block.bytes().len();
            self.batch.push(block);
            if self.bytes >= BATCH_BYTES {
                self.bytes = 0;
                keep(self.store, std::mem::take(&mut self.batch)).await?;
            }
        }
        Ok(())
    }

    async fn finish(self) -> Result<(), Failure> {
        self.decoder.finish().map_err(untrue)?;
        keep(self.store, self.batch).await
    }
}

async fn keep(store: &Store, batch: Vec<Block>) -> Result<(), Failure> {
    let kept = store.put_many(batch).await;
    kept.map_err(|source| Failure::new(1031, Exit::Failure, "the blocks cannot be written").because(source))
}

/// Writes the file or folder behind `cid`; boxed, because folders hold folders.
fn write<'a>(store: &'a Store, cid: Cid, to: &'a Path, depth: usize) -> BoxFuture<'a, Result<u64, Failure>> {
    Box::pin(async move {
        if depth > DEPTH_MAX {
            return Err(Failure::new(
                1033,
                Exit::Failure,
                format!("folders are nested deeper than {DEPTH_MAX}"),
            ));
        }
        let node = resolve(store, cid, &[]).await.map_err(unreadable)?;
        match node.kind {
            Kind::Directory => write_folder(store, cid, to, depth).await,
            _ => write_file(store, cid, to).await,
        }
    })
}

async fn write_folder(store: &Store, cid: Cid, to: &Path, depth: usize) -> Result<u64, Failure> {
    std::fs::create_dir_all(to).map_err(|source| cannot_write(to, source))?;
    let listing = list(store, &cid, ENTRIES_MAX).await.map_err(unreadable)?;
    let mut files = 0;
    for entry in listing.entries {
        // A name is one part of a path; anything else would write elsewhere.
        let one = Path::new(&entry.name).components().collect::<Vec<_>>();
        if !matches!(one.as_slice(), [std::path::Component::Normal(_)]) {
            return Err(Failure::new(1033, Exit::Failure, format!("`{}` is no file name", entry.name)));
        }
        files += write(store, entry.cid, &to.join(&entry.name), depth + 1).await?;
    }
    Ok(files)
}

async fn write_file(store: &Store, cid: Cid, to: &Path) -> Result<u64, Failure> {
    let file = File::open(store, cid).await.map_err(unreadable)?;
    let mut out = tokio::fs::File::create(to).await.map_err(|source| cannot_write(to, source))?;
    let mut chunks = file.stream(0..file.size());
    while let Some(chunk) = chunks.next().await {
        out.write_all(&chunk.map_err(unreadable)?).await.map_err(|source| cannot_write(to, source))?;
    }
    out.sync_all().await.map_err(|source| cannot_write(to, source))?;
    Ok(1)
}

fn untrue(source: impl Into<anyhow::Error>) -> Failure {
    Failure::new(1033, Exit::Failure, "what the node sent does not verify").because(source)
}

fn unreadable(source: impl Into<anyhow::Error>) -> Failure {
    Failure::new(1033, Exit::Failure, "what the node sent is not complete").because(source)
}

fn cannot_write(path: &Path, source: std::io::Error) -> Failure {
    Failure::new(1031, Exit::Failure, format!("cannot write {}", path.display())).because(source)
}
