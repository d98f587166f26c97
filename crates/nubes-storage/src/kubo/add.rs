//! `add`: files and directories from an upload.
//!
//! The request's parts go to a thread that hashes, and its results come back while the upload goes on; so neither the
//! upload nor the answer is held as a whole. What was asked to be pinned is pinned before the answer ends.

mod builder;

use super::args::Args;
use super::error::RpcError;
use super::multipart::{Head, Item, Upload};
use super::{Rpc, lines};
use crate::pins::{Mode, Status, Wish};
use crate::unixfs::{Layout, NAMES_MAX};
use axum::{
    extract::{Request, State},
    response::Response,
};
use builder::{Event, Root};
use cid::{Cid, Version};
use futures_util::{StreamExt, future::BoxFuture, stream};
use serde_json::Value;
use tokio::{sync::mpsc, task};

/// Files and directories of one upload. As many lines may wait for a caller that sends everything before it reads.
const ENTRIES_MAX: usize = 100_000;
/// Uploads that are hashed at the same time, each on a thread; more wait.
pub(super) const ADDS_MAX: usize = 16;
/// Names in all paths of one upload together: each may be a directory.
const NAMES_TOTAL_MAX: usize = 1_000_000;
/// Pieces of the upload that wait to be hashed.
const EVENTS_IN_FLIGHT_MAX: usize = 16;
/// Longest path of a file.
const PATH_BYTES_MAX: usize = 4096;
/// Smallest and largest leaf; Kubo's largest is one of its blocks.
const CHUNK_BYTES_MIN: usize = 64;
const CHUNK_BYTES_MAX: usize = 2 << 20;
const LINKS_MAX: usize = 8192;

/// How content is added.
#[derive(Clone, Debug)]
struct Options {
    layout: Layout,
    /// Everything goes into one directory.
    wraps: bool,
    /// How far a file is, is told.
    progress: bool,
    fate: Fate,
}

/// What becomes of the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing: only the CIDs are wanted.
    Hashed,
    Stored,
    Pinned {
        name: Option<String>,
    },
}

impl Options {
    fn of(args: &Args) -> Result<Self, RpcError> {
        let refused = ["trickle", "inline", "nocopy", "fscache", "preserve-mode", "preserve-mtime"];
        args.refuse_flags(&refused)?;
        if let Some(given) =
            ["mode", "mtime", "to-files"].into_iter().find(|name| args.option(name).is_some())
        {
            return Err(RpcError::unsupported(&format!("option {given}")));
        }
        if let Some(hash) = args.option("hash").filter(|hash| *hash != "sha2-256") {
            return Err(RpcError::unsupported(&format!("hash function {hash}")));
        }
        let cid_version = match args.number("cid-version")?.unwrap_or(0_u64) {
            0 => Version::V0,
            1 => Version::V1,
            other => return Err(RpcError::client(format!("there is no CID version {other}"))),
        };
        let links = args.number("max-file-links")?.unwrap_or(Layout::KUBO.links_per_node);
        if !(2..=LINKS_MAX).contains(&links) {
            return Err(RpcError::client(format!("max-file-links has to be 2 to {LINKS_MAX}")));
        }
        let layout = Layout {
            cid_version,
            raw_leaves: args.flag("raw-leaves", cid_version == Version::V1)?,
            chunk_bytes: chunk_bytes(args.option("chunker"))?,
            links_per_node: links,
        };
        let name = args.option("pin-name").map(str::to_owned);
        // Refused before anything is read, not after everything is stored.
        Wish::new(Cid::default(), Mode::Recursive).named(name.clone())?;
        let fate = match (args.flag("only-hash", false)?, args.flag("pin", true)?) {
            (true, _) => Fate::Hashed,
            (false, false) => Fate::Stored,
            (false, true) => Fate::Pinned { name },
        };
        let (wraps, progress) = (args.flag("wrap-with-directory", false)?, args.flag("progress", false)?);
        Ok(Self { layout, wraps, progress, fate })
    }
}

fn chunk_bytes(chunker: Option<&str>) -> Result<usize, RpcError> {
    let Some(chunker) = chunker.filter(|chunker| *chunker != "default") else {
        return Ok(Layout::KUBO.chunk_bytes);
    };
    let Some(bytes) = chunker.strip_prefix("size-") else {
        return Err(RpcError::unsupported(&format!("chunker {chunker}")));
    };
    let bytes = bytes.parse().ok().filter(|bytes| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(bytes));
    bytes.ok_or_else(|| {
        RpcError::client(format!("the chunker's size has to be {CHUNK_BYTES_MIN} to {CHUNK_BYTES_MAX}"))
    })
}

pub(super) async fn add(State(rpc): State<Rpc>, args: Args, request: Request) -> Result<Response, RpcError> {
    let options = Options::of(&args)?;
    let upload = Upload::of(request, rpc.about.upload_bytes_max)?;
    let (sender, receiver) = mpsc::channel(ENTRIES_MAX);
    let adding = Adding { work: Box::pin(work(rpc, options, upload, sender)), lines: receiver };
    let values = stream::try_unfold(Some(adding), |adding| async {
        let Some(adding) = adding else { return Ok(None) };
        adding.next().await
    });
    lines::lines(values.boxed()).await
}

/// Runs while its lines are read.
struct Adding {
    work: BoxFuture<'static, Result<(), RpcError>>,
    lines: mpsc::Receiver<Value>,
}

impl Adding {
    async fn next(mut self) -> Result<Option<(Value, Option<Self>)>, RpcError> {
        tokio::select! {
            biased;
            Some(line) = self.lines.recv() => return Ok(Some((line, Some(self)))),
            done = &mut self.work => done?,
        }
        // What was said last is still to be read, and is little.
        Ok(self.lines.recv().await.map(|line| {
            let rest = Self { work: Box::pin(std::future::ready(Ok(()))), lines: self.lines };
            (line, Some(rest))
        }))
    }
}

async fn work(
    rpc: Rpc,
    options: Options,
    upload: Upload,
    lines: mpsc::Sender<Value>,
) -> Result<(), RpcError> {
    // The semaphore is never closed.
    let _place = rpc.adds.acquire().await.map_err(RpcError::new)?;
    let _adding = rpc.pinner.pins().adding().await;
    let (events, receiver) = mpsc::channel(EVENTS_IN_FLIGHT_MAX);
    let builder = builder::Builder::new(&options, rpc.store(), receiver, lines);
    let building = task::spawn_blocking(move || builder.run());
    // A builder that has failed no longer listens; its error is the one to report.
    let fed = feed(upload, events).await;
    let built = building.await.map_err(|_| RpcError::new("adding was broken off by the shutdown"))?;
    let roots = fed.and(built)?;
    if let Fate::Pinned { name } = options.fate {
        for Root { cid } in roots {
            rpc.pinner.pins().ensure(Wish::new(cid, Mode::Recursive).named(name.clone())?, Status::Pinned)?;
        }
    }
    Ok(())
}

/// Hands the parts on until the upload ends, or nobody listens.
async fn feed(mut upload: Upload, events: mpsc::Sender<Event>) -> Result<(), RpcError> {
    let (mut entries, mut names) = (0, 0);
    while let Some(item) = upload.next().await? {
        let event = match item {
            Item::Part(head) => {
                entries += 1;
                names += head.path.split('/').count();
                if entries > ENTRIES_MAX || names > NAMES_TOTAL_MAX {
                    return Err(RpcError::client(format!("more than {ENTRIES_MAX} files and directories")));
                }
                begin(&head)?
            }
            Item::Bytes(bytes) => Event::Bytes(bytes),
            Item::End => Event::End,
        };
        if events.send(event).await.is_err() {
            return Ok(());
        }
    }
    if entries == 0 {
        return Err(RpcError::client("file argument 'path' is required"));
    }
    _ = events.send(Event::Finish).await;
    Ok(())
}

fn begin(head: &Head) -> Result<Event, RpcError> {
    if head.name.contains("mode=") || head.name.contains("mtime=") {
        return Err(RpcError::unsupported("keeping mode and mtime"));
    }
    let path = path(&head.path)?;
    match head.media_type.as_str() {
        "application/x-directory" => Ok(Event::Directory { path }),
        "application/symlink" => Err(RpcError::unsupported("adding symbolic links")),
        _ => Ok(Event::File { path }),
    }
}

/// A path below the root of what is added.
fn path(text: &str) -> Result<String, RpcError> {
    let names: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.contains(&"..") || names.len() > NAMES_MAX || text.len() > PATH_BYTES_MAX {
        let shown: String = text.chars().take(200).collect();
        return Err(RpcError::client(format!("`{shown}` is no path of a file to add")));
    }
    Ok(names.join("/"))
}
