//! `nubes get`: fetches content as a CAR, from the node or from the providers that keep it, checks every block, and
//! writes the files as the blocks come.
//!
//! Files appear under their final name only when all is there.

use crate::{
    cli::Get,
    client::Client,
    failure::{Exit, Failure},
    market::StoredObject,
    output::Output,
};
use bytes::Bytes;
use cid::Cid;
use futures_util::{Stream, StreamExt, TryStreamExt, future::join, stream};
use indicatif::ProgressBar;
use nubes_storage::{
    Batches, Block, Config, Store,
    car::{self, Decoder, Item, Scope, Selection},
    unixfs::{ExtractError, Extraction, resolve},
};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::{sync::mpsc, task};

/// Blocks that are checked and not written yet.
const BLOCKS_READY_MAX: usize = 16;

/// What is asked for: a root and the names below it.
struct Address {
    root: Cid,
    names: Vec<String>,
}

impl Address {
    fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.trim_start_matches("ipfs://").trim_start_matches("/ipfs/").trim_end_matches('/');
        let (cid, path) = text.split_once('/').unwrap_or((text, ""));
        let root = Cid::try_from(cid).map_err(|source| {
            Failure::new(3001, Exit::Usage, format!("`{cid}` is no CID")).because(source)
        })?;
        let names = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok(Self { root, names })
    }

    /// What it is called where nothing else is said.
    fn name(&self) -> String {
        self.names.last().cloned().unwrap_or_else(|| self.root.to_string())
    }
}

pub(super) async fn run(args: Get, output: Output) -> Result<(), Failure> {
    let address = Address::parse(&args.address)?;
    let target = args.output.unwrap_or_else(|| PathBuf::from(address.name()));
    if target.exists() {
        return Err(Failure::new(1013, Exit::Usage, format!("{} exists already", target.display())));
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let work = Work::new(parent)?;
    let client = Client::new(&args.door.node)?;
    let got = fetch(&client, &work, &address, args.from_providers, output).await?;
    std::fs::rename(&got.path, &target).map_err(|source| cannot_write(&target, source))?;
    let value = json!({ "cid": got.cid.to_string(), "output": target, "files": got.files });
    output.result(&format!("{}", target.display()), &value);
    Ok(())
}

/// What was written, not under its final name yet.
struct Got {
    cid: Cid,
    path: PathBuf,
    files: u64,
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
    work: &Work,
    address: &Address,
    from_providers: bool,
    output: Output,
) -> Result<Got, Failure> {
    if from_providers {
        return fetch_from_providers(client, work, address, output).await;
    }
    match fetch_from_node(client, work, address, output).await {
        Err(failure) if failure.exit() == Exit::NotFound => {
            output.say("the node does not have it; asking providers");
            match fetch_from_providers(client, work, address, output).await {
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
    work: &Work,
    address: &Address,
    output: Output,
) -> Result<Got, Failure> {
    let cid = if address.names.is_empty() {
        address.root
    } else {
        let way = ask(client, address, &[("format", "car"), ("dag-scope", "block")]).await?;
        let store = keep(chunks(way), work, &ProgressBar::hidden()).await?;
        let found = resolve(&store, address.root, &address.names).await.map_err(unreadable)?;
        store.close().await;
        found.cid
    };
    let whole = Address { root: cid, names: Vec::new() };
    let answer = ask(client, &whole, &[("format", "car")]).await?;
    let bar = output.progress(answer.content_length().unwrap_or(0), "getting");
    write(chunks(answer), cid, work, &bar).await
}

/// An object is stored as a whole, so all of it is read, whatever part is wanted.
async fn fetch_from_providers(
    client: &Client,
    work: &Work,
    address: &Address,
    output: Output,
) -> Result<Got, Failure> {
    let object = StoredObject::find(client, &address.root).await?;
    let bar = output.progress(object.bytes(), "getting from providers");
    let parts =
        stream::unfold(object, async |mut object| object.next().await.transpose().map(|part| (part, object)));
    if address.names.is_empty() {
        return write(parts, address.root, work, &bar).await;
    }
    let store = keep(parts, work, &bar).await?;
    let found = resolve(&store, address.root, &address.names).await.map_err(unreadable)?;
    let part = resolve(&store, found.cid, &[]).await.map_err(unreadable)?;
    let selection = Selection { scope: Scope::All, bytes: None, duplicates: false };
    let part = car::export(&store, &part, selection).map_err(unreadable);
    let got = write(part, found.cid, work, &ProgressBar::hidden()).await?;
    store.close().await;
    Ok(got)
}

/// Asks the node for a CAR.
async fn ask(
    client: &Client,
    address: &Address,
    query: &[(&str, &str)],
) -> Result<reqwest::Response, Failure> {
    let url = reqwest::Url::parse_with_params(client.door(), query);
    let mut url = url.map_err(|source| {
        Failure::new(1015, Exit::Network, format!("{} is no address", client.door())).because(source)
    })?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["ipfs", &address.root.to_string()]).extend(&address.names);
    }
    client.send(client.http().get(url).header("accept", "application/vnd.ipld.car")).await
}

fn chunks(answer: reqwest::Response) -> impl Stream<Item = Result<Bytes, Failure>> {
    answer
        .bytes_stream()
        .map_err(|source| Failure::new(1015, Exit::Network, "the transfer broke off").because(source))
}

/// The blocks of a CAR, each checked.
fn blocks(
    chunks: impl Stream<Item = Result<Bytes, Failure>>,
    bar: &ProgressBar,
) -> impl Stream<Item = Result<Block, Failure>> {
    let start = (Box::pin(chunks), Decoder::default());
    stream::try_unfold(start, async move |(mut chunks, mut decoder)| {
        loop {
            match decoder.next_item().map_err(untrue)? {
                Some(Item::Block(block)) => return Ok(Some((block, (chunks, decoder)))),
                Some(Item::Roots(_)) => {}
                None => match chunks.next().await.transpose()? {
                    Some(chunk) => {
                        bar.inc(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                        decoder.push(chunk);
                    }
                    None => return decoder.finish().map_err(untrue).map(|()| None),
                },
            }
        }
    })
}

/// Keeps the blocks of a CAR, for those who need some of them.
async fn keep(
    chunks: impl Stream<Item = Result<Bytes, Failure>>,
    work: &Work,
    bar: &ProgressBar,
) -> Result<Store, Failure> {
    let cannot_keep =
        |source| Failure::new(1031, Exit::Failure, "the blocks cannot be written").because(source);
    let store = Store::open(&work.0.join("blocks"), Config::STANDARD)
        .map_err(|source| Failure::new(1031, Exit::Failure, "no room for the blocks").because(source))?;
    let (mut blocks, mut batches) = (pin!(blocks(chunks, bar)), Batches::new(store.clone()));
    while let Some(block) = blocks.next().await.transpose()? {
        batches.push(block).await.map_err(cannot_keep)?;
    }
    batches.finish().await.map_err(cannot_keep)?;
    bar.finish_and_clear();
    Ok(store)
}

/// Writes the files of a CAR: one thread checks blocks and another writes them.
async fn write(
    chunks: impl Stream<Item = Result<Bytes, Failure>>,
    cid: Cid,
    work: &Work,
    bar: &ProgressBar,
) -> Result<Got, Failure> {
    let path = work.0.join("content");
    let (ready, mut checked) = mpsc::channel::<Block>(BLOCKS_READY_MAX);
    let mut extraction = Extraction::new(cid, &path);
    let writing = task::spawn_blocking(move || {
        while let Some(block) = checked.blocking_recv() {
            extraction.take(block)?;
        }
        extraction.finish()
    });
    let feed = async move {
        let mut blocks = pin!(blocks(chunks, bar));
        while let Some(block) = blocks.next().await.transpose()? {
            // A closed channel means that the writer has failed; its error is the one to report.
            if ready.send(block).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let (fed, written) = join(feed, writing).await;
    fed?;
    bar.finish_and_clear();
    let written =
        written.map_err(|source| Failure::new(1031, Exit::Failure, "writing stopped").because(source))?;
    let files = written.map_err(|error| match error {
        ExtractError::Write { path, source } => cannot_write(&path, source),
        ExtractError::Unpack(source) => unreadable(source),
    })?;
    Ok(Got { cid, path, files })
}

fn untrue(source: impl Into<anyhow::Error>) -> Failure {
    Failure::new(1033, Exit::Failure, "what was sent does not verify").because(source)
}

fn unreadable(source: impl Into<anyhow::Error>) -> Failure {
    Failure::new(1033, Exit::Failure, "what was sent is not the content, or not all of it").because(source)
}

fn cannot_write(path: &Path, source: std::io::Error) -> Failure {
    Failure::new(1031, Exit::Failure, format!("cannot write {}", path.display())).because(source)
}
