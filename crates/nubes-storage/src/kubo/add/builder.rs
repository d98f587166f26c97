//! Makes the DAGs of an upload, on a thread of its own.

use super::{Fate, Options, RpcError};
use crate::block::Block;
use crate::segments::PutError;
use crate::store::Store;
use crate::unixfs::{AddedFile, Batch, BuildError, FileBuilder, Layout};
use bytes::{Buf, Bytes};
use cid::Cid;
use rust_unixfs::{
    Metadata,
    dir::builder::{BufferingTreeBuilder, TreeOptions},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::Path,
};
use tokio::sync::mpsc;

/// Bytes between two lines on how far a file is.
const PROGRESS_BYTES: u64 = 256 << 10;

/// The upload, in its order. A path is relative and clean; that of a file may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Directory {
        path: String,
    },
    File {
        path: String,
    },
    /// Of the file that was begun last.
    Bytes(Bytes),
    /// Of the file or directory.
    End,
    /// Of the upload. Without it something was broken off.
    Finish,
}

/// Something that lies in no other directory of the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) cid: Cid,
}

pub(super) struct Builder {
    layout: Layout,
    wraps: bool,
    progress: bool,
    events: mpsc::Receiver<Event>,
    lines: mpsc::Sender<Value>,
    /// None: blocks are hashed only.
    batch: Option<Batch>,
    tree: BufferingTreeBuilder,
    roots: Vec<Root>,
    /// Top-level files, so that the same name is not two roots.
    names: BTreeSet<String>,
}

impl Builder {
    pub(super) fn new(
        options: &Options,
        store: &Store,
        events: mpsc::Receiver<Event>,
        lines: mpsc::Sender<Value>,
    ) -> Self {
        let mut tree = TreeOptions::default();
        // The outermost directory is left out afterwards if it is not wanted.
        tree.wrap_with_directory();
        tree.cid_version(options.layout.cid_version);
        tree.block_size_limit(None);
        Self {
            layout: options.layout,
            wraps: options.wraps,
            progress: options.progress,
            events,
            lines,
            batch: (options.fate != Fate::Hashed).then(|| Batch::new(store.clone())),
            tree: BufferingTreeBuilder::new(tree),
            roots: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<Vec<Root>, RpcError> {
        let mut files = FileBuilder::new(self.layout);
        loop {
            match self.events.blocking_recv() {
                Some(Event::Directory { path }) => self.directory(&path)?,
                Some(Event::File { path }) => self.file(&mut files, path)?,
                Some(Event::Bytes(_) | Event::End) => {}
                Some(Event::Finish) => break,
                None => return Err(RpcError::client("the upload broke off")),
            }
        }
        self.directories()?;
        if let Some(batch) = self.batch {
            batch.finish()?;
        }
        Ok(self.roots)
    }

    fn directory(&mut self, path: &str) -> Result<(), RpcError> {
        if path.is_empty() {
            return Ok(());
        }
        self.tree.set_metadata(path, Metadata::default()).map_err(RpcError::client)
    }

    fn file(&mut self, files: &mut FileBuilder, path: String) -> Result<(), RpcError> {
        let lines = self.progress.then(|| self.lines.clone());
        let mut reader = Reader {
            events: &mut self.events,
            current: Bytes::new(),
            ended: false,
            lines,
            name: &path,
            read: 0,
            said: 0,
        };
        let batch = &mut self.batch;
        let added = files.add(Path::new(&path), &mut reader, &mut |block| store(batch, block));
        let AddedFile { cid, dag_bytes, .. } = added.map_err(|error| failed(&error))?;
        // A file without a name goes by its CID.
        let name = if path.is_empty() { cid.to_string() } else { path };
        self.say(&name, &cid, dag_bytes);
        if self.wraps || name.contains('/') {
            return self.tree.put_link(&name, cid, dag_bytes).map_err(RpcError::client);
        }
        if !self.names.insert(name.clone()) {
            return Err(RpcError::client(format!("two files are called `{name}`")));
        }
        self.roots.push(Root { cid });
        Ok(())
    }

    /// Makes the directories, each after what is in it.
    fn directories(&mut self) -> Result<(), RpcError> {
        let tree = std::mem::take(&mut self.tree);
        let mut nodes = tree.build().peekable();
        while let Some(node) = nodes.next() {
            let node = node.map_err(RpcError::client)?;
            let is_outermost = nodes.peek().is_none();
            if is_outermost && !self.wraps {
                return Ok(());
            }
            let block = Block::hashed(node.cid, Bytes::from(node.block));
            store(&mut self.batch, block)?;
            // Levels of a sharded directory have no name either.
            if is_outermost || !node.path.is_empty() {
                self.say(&node.path, &node.cid, node.total_size);
            }
            if is_outermost || (!self.wraps && !node.path.is_empty() && !node.path.contains('/')) {
                self.roots.push(Root { cid: node.cid });
            }
        }
        Ok(())
    }

    fn say(&self, name: &str, cid: &Cid, dag_bytes: u64) {
        let line = json!({ "Name": name, "Hash": cid.to_string(), "Size": dag_bytes.to_string() });
        // Nobody reads any more: then the work is about to end anyway.
        _ = self.lines.blocking_send(line);
    }
}

fn store(batch: &mut Option<Batch>, block: Block) -> Result<(), PutError> {
    batch.as_mut().map_or(Ok(()), |batch| batch.push(block))
}

fn failed(error: &BuildError<PutError>) -> RpcError {
    match error {
        BuildError::Read { source, .. } => RpcError::client(source),
        other => RpcError::of(other),
    }
}

/// Reads one file of the upload.
struct Reader<'a> {
    events: &'a mut mpsc::Receiver<Event>,
    current: Bytes,
    ended: bool,
    /// Where to say how far it is, if that is wanted.
    lines: Option<mpsc::Sender<Value>>,
    name: &'a str,
    read: u64,
    said: u64,
}

impl Reader<'_> {
    fn say(&mut self) {
        self.said = self.read;
        if let Some(lines) = &self.lines {
            // Left out when the caller does not read: the results matter more.
            _ = lines.try_send(json!({ "Name": self.name, "Bytes": self.read }));
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.events.blocking_recv() {
                Some(Event::Bytes(bytes)) => self.current = bytes,
                Some(Event::End) => {
                    self.ended = true;
                    self.say();
                }
                _ => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off")),
            }
        }
        let length = out.len().min(self.current.len());
        if let Some(out) = out.get_mut(..length) {
            self.current.copy_to_slice(out);
        }
        self.read += length as u64;
        if self.read >= self.said + PROGRESS_BYTES {
            self.say();
        }
        Ok(length)
    }
}
