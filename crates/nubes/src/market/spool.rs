//! An object's pieces on this disk, on their way to providers.
//!
//! The CAR comes from the node; its length must be known before it is coded, so it is written down first. Disk, not
//! memory: the object and its pieces.

use crate::{
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use alloy_primitives::B256;
use cid::Cid;
use futures_util::StreamExt;
use nubes_market::client::PieceOrder;
use nubes_storage::pieces::{Coding, Encoder, Label, Layout, Sink, TreeBuilder};
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Coded pieces; gone with this value.
#[derive(Debug)]
pub(super) struct Spool {
    dir: TempDir,
    pub(super) layout: Layout,
    pub(super) codec: u16,
    /// By number.
    pub(super) orders: Vec<PieceOrder>,
}

impl Spool {
    pub(super) async fn fill(
        client: &Client,
        root: &Cid,
        (coding, codec): (Coding, u16),
        output: Output,
    ) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("nubes-deal-").tempdir().map_err(no_room)?;
        let car = dir.path().join("object.car");
        let bytes = download(client, root, &car, output).await?;
        let layout = coding.layout(bytes).map_err(|source| {
            Failure::new(6012, Exit::Usage, format!("{root} cannot be cut into pieces")).because(source)
        })?;
        let pieces = dir.path().to_owned();
        let bar = output.progress(bytes, "coding");
        let coded = tokio::task::spawn_blocking(move || {
            let roots = encode(&car, &pieces, layout, |count| bar.inc(count))?;
            bar.finish_and_clear();
            // The pieces are enough from here on.
            std::fs::remove_file(&car).map_err(no_room)?;
            Ok::<_, Failure>(roots)
        });
        let roots = coded
            .await
            .map_err(|source| Failure::new(1031, Exit::Failure, "coding stopped").because(source))??;
        let order = |(index, (root, leaves)): (u8, (B256, u64))| {
            let label = Label::new(layout, index, codec);
            let label =
                label.map_err(|source| Failure::new(6012, Exit::Failure, "no label").because(source))?;
            Ok(PieceOrder { root, label: label.to_bytes().into(), leaves })
        };
        let orders = (0u8..).zip(roots).map(order).collect::<Result<_, Failure>>()?;
        Ok(Self { dir, layout, codec, orders })
    }

    pub(super) fn piece(&self, index: usize) -> PathBuf {
        piece_path(self.dir.path(), index)
    }
}

fn piece_path(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("{index}.piece"))
}

fn no_room(source: io::Error) -> Failure {
    Failure::new(1031, Exit::Failure, "no room for the pieces on this disk; set TMPDIR to another")
        .because(source)
}

async fn download(client: &Client, root: &Cid, to: &Path, output: Output) -> Result<u64, Failure> {
    let request = client.http().get(format!("{}/ipfs/{root}?format=car", client.door()));
    let answer = client.send(request.header("accept", "application/vnd.ipld.car")).await?;
    let bar = output.progress(answer.content_length().unwrap_or(0), "reading");
    let mut chunks = answer.bytes_stream();
    let mut file = tokio::fs::File::create(to).await.map_err(no_room)?;
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|source| {
            Failure::new(1015, Exit::Network, "the node does not have all of it").because(source)
        })?;
        bytes += chunk.len() as u64;
        bar.inc(chunk.len() as u64);
        tokio::io::AsyncWriteExt::write_all(&mut file, &chunk).await.map_err(no_room)?;
    }
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(no_room)?;
    bar.finish_and_clear();
    Ok(bytes)
}

/// A file and a tree for each piece.
struct Files(Vec<(BufWriter<File>, TreeBuilder)>);

impl Sink for Files {
    fn cell(&mut self, piece: usize, bytes: &[u8]) -> io::Result<()> {
        let (file, tree) = self.0.get_mut(piece).ok_or_else(|| io::Error::other("no such piece"))?;
        tree.push(bytes);
        file.write_all(bytes)
    }
}

/// Root and leaves of each piece.
fn encode(
    car: &Path,
    dir: &Path,
    layout: Layout,
    mut progress: impl FnMut(u64),
) -> Result<Vec<(B256, u64)>, Failure> {
    let open = |index| Ok((BufWriter::new(File::create(piece_path(dir, index))?), TreeBuilder::default()));
    let files = (0..layout.coding.total()).map(open).collect::<io::Result<_>>().map_err(no_room)?;
    let mut encoder = Encoder::new(layout, Files(files));
    let failed = |source| {
        Failure::new(1031, Exit::Failure, "the pieces cannot be made").because(anyhow::Error::from(source))
    };
    let mut car = File::open(car).map_err(no_room)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = car.read(&mut buffer).map_err(no_room)?;
        if count == 0 {
            break;
        }
        encoder.push(buffer.get(..count).unwrap_or_default()).map_err(failed)?;
        progress(count as u64);
    }
    let Files(files) = encoder.finish().map_err(failed)?;
    let finish = |(mut file, tree): (BufWriter<File>, TreeBuilder)| {
        file.flush()?;
        let tree = tree.finish();
        Ok((tree.root().into(), tree.leaves()))
    };
    files.into_iter().map(finish).collect::<io::Result<_>>().map_err(no_room)
}
