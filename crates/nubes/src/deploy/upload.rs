//! Brings content to a node: builds its DAG here and sends, in batches, the blocks that the node lacks.
//!
//! Several batches are on their way at once, so that hashing here, hashing there and writing go on side by side. The root
//! comes last, alone. A transfer that is cut short leaves only blocks that are true to their CIDs; the next one sends
//! the rest.

use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use bytes::Bytes;
use cid::Cid;
use futures_util::{StreamExt, TryStreamExt, stream};
use nubes_storage::{
    Block, car,
    unixfs::{BuildError, Built, Hidden, build_directory, build_file},
};
use std::{
    collections::BTreeSet,
    convert::Infallible,
    fs::File,
    io::Read,
    iter,
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// Blocks go out in batches of about this size.
const BATCH_BYTES: usize = 8 << 20;
const BATCH_BLOCKS_MAX: usize = 4_096;
/// Batches that are built and not sent yet.
const BATCHES_READY_MAX: usize = 2;
/// Batches that are sent at once.
const UPLOADS_MAX: usize = 8;
/// How often content is sent before it is given up that no collection comes between.
const ATTEMPTS_MAX: usize = 5;
/// The node lacks a part of what it is to pin.
const INCOMPLETE: u16 = 3050;

/// Something that has a CID.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Directory(PathBuf),
    File(PathBuf),
    Bytes(Bytes),
}

/// Nobody takes the blocks any more.
#[derive(Debug, thiserror::Error)]
#[error("the transfer has ended")]
pub(crate) struct Ended;

impl Source {
    /// A path as it is on the disk.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let kind = std::fs::metadata(path);
        let kind = kind.map_err(|source| {
            Failure::new(1004, Exit::NotFound, format!("cannot read {}", path.display())).because(source)
        })?;
        Ok(if kind.is_dir() { Self::Directory(path.to_owned()) } else { Self::File(path.to_owned()) })
    }

    /// Makes the DAG. Blocks; for the threads where that is allowed.
    pub(crate) fn build(
        &self,
        sink: &mut dyn FnMut(Block) -> Result<(), Ended>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Built, Failure> {
        let built = match self {
            Self::Directory(dir) => build_directory(dir, Hidden::Skip, sink, progress),
            Self::File(path) => {
                let file = File::open(path).map_err(|source| BuildError::Read { path: path.clone(), source });
                file.and_then(|mut file| build_file(path, &mut Counted { file: &mut file, progress }, sink))
            }
            Self::Bytes(bytes) => build_file(Path::new("memory"), &mut bytes.as_ref(), sink),
        };
        built.map_err(|source| {
            Failure::new(1031, Exit::Failure, "the content cannot be addressed").because(source)
        })
    }

    /// The CID alone, and those of all blocks.
    pub(crate) fn address(&self) -> Result<(Built, Vec<Cid>), Failure> {
        let mut cids = Vec::new();
        let mut note = |block: Block| {
            cids.push(*block.cid());
            Ok(())
        };
        let built = self.build(&mut note, &mut |_| {})?;
        Ok((built, cids))
    }
}

struct Counted<'a> {
    file: &'a mut File,
    progress: &'a mut dyn FnMut(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        (self.progress)(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// Builds `source` and sends what `client`'s node lacks of it.
pub(crate) async fn send(
    source: Source,
    client: &Client,
    output: Output,
    what: &str,
) -> Result<Built, Failure> {
    let bar = output.progress(size(&source), what);
    let (ready, batches) = mpsc::channel::<Vec<Block>>(BATCHES_READY_MAX);
    let build = {
        let bar = bar.clone();
        move || {
            let mut batch = Batch { blocks: Vec::new(), bytes: 0, ready };
            let built = source.build(&mut |block| batch.add(block), &mut |bytes| bar.inc(bytes))?;
            Ok::<_, Failure>((built, batch.blocks))
        }
    };
    let building = tokio::task::spawn_blocking(build);
    let batches = stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches)));
    let uploads = batches.map(|batch| send_batch(client, batch));
    uploads.buffer_unordered(UPLOADS_MAX).try_collect::<()>().await?;
    let built = building.await;
    let (built, last) =
        built.map_err(|source| Failure::new(1031, Exit::Failure, "addressing stopped").because(source))??;
    send_batch(client, last).await?;
    bar.finish_and_clear();
    Ok(built)
}

/// Has `bring` send content and then pins its roots. A collection that ran between the two may have taken a part of it, so
/// that is sent again.
pub(crate) async fn keep<T>(
    client: &Client,
    name: &str,
    bring: impl AsyncFn() -> Result<(Vec<Cid>, T), Failure>,
) -> Result<T, Failure> {
    let mut attempts = 0;
    loop {
        let (roots, brought) = bring().await?;
        attempts += 1;
        match client.pin(&roots, name).await {
            Ok(()) => return Ok(brought),
            Err(failure) if failure.error_code().number() == INCOMPLETE && attempts < ATTEMPTS_MAX => {}
            Err(failure) => return Err(failure),
        }
    }
}

struct Batch {
    blocks: Vec<Block>,
    bytes: usize,
    ready: mpsc::Sender<Vec<Block>>,
}

impl Batch {
    // A full batch goes when the next block comes, so that what is left at the end is never nothing: it has the root.
    fn add(&mut self, block: Block) -> Result<(), Ended> {
        if self.bytes >= BATCH_BYTES || self.blocks.len() >= BATCH_BLOCKS_MAX {
            self.bytes = 0;
            self.ready.blocking_send(std::mem::take(&mut self.blocks)).map_err(|_| Ended)?;
        }
        self.bytes += block.bytes().len();
        self.blocks.push(block);
        Ok(())
    }
}

/// Sends those of these blocks that the node lacks.
pub(crate) async fn send_batch(client: &Client, batch: Vec<Block>) -> Result<(), Failure> {
    let cids: Vec<Cid> = batch.iter().map(|block| *block.cid()).collect();
    let missing: BTreeSet<String> = client.missing(&cids).await?.into_iter().collect();
    let wanted: Vec<Block> =
        batch.into_iter().filter(|block| missing.contains(&block.cid().to_string())).collect();
    let Some(last) = wanted.last() else { return Ok(()) };
    let header = car::header(&[*last.cid()]);
    let sections = wanted
        .into_iter()
        .flat_map(|block| [car::frame(block.cid(), block.bytes().len()), block.bytes().clone()]);
    let parts = iter::once(header).chain(sections).map(Ok::<_, Infallible>);
    client.upload_car(reqwest::Body::wrap_stream(stream::iter(parts))).await
}

/// Bytes to read, for the progress bar; a folder that cannot be read now fails when it is built.
fn size(source: &Source) -> u64 {
    match source {
        Source::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        Source::File(path) => std::fs::metadata(path).map_or(0, |file| file.len()),
        Source::Directory(dir) => {
            let files =
                walkdir::WalkDir::new(dir).into_iter().flatten().filter(|entry| entry.file_type().is_file());
            files.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
        }
    }
}
