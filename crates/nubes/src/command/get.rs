//! `nubes get`: fetches content as a CAR, checks every block, then writes the files.
//!
//! The blocks go into a store of their own first. Files appear under their final name only when all is there.

use crate::{
    cli::Get,
    client::Client,
    failure::{Exit, Failure},
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
    fetch(&client, &store, address, output).await?;
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

async fn fetch(client: &Client, store: &Store, address: &str, output: Output) -> Result<(), Failure> {
    let request = client.http().get(format!("{}/ipfs/{address}?format=car", client.door()));
    let answer = client.send(request.header("accept", "application/vnd.ipld.car")).await?;
    let bar = output.progress(answer.content_length().unwrap_or(0), "getting");
    let mut chunks = answer.bytes_stream();
    let (mut decoder, mut batch, mut bytes) = (Decoder::default(), Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|source| Failure::new(1015, Exit::Network, "the transfer broke off").because(source))?;
        bar.inc(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        decoder.push(&chunk);
        while let Some(item) = decoder.next_item().map_err(untrue)? {
            let Item::Block(block) = item else { continue };
            bytes += block.bytes().len();
            batch.push(block);
            if bytes >= BATCH_BYTES {
                bytes = 0;
                keep(store, std::mem::take(&mut batch)).await?;
            }
        }
    }
    decoder.finish().map_err(untrue)?;
    bar.finish_and_clear();
    keep(store, batch).await
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
