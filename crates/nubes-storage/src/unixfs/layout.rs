//! How a file is cut into blocks.

use super::build::{BuildError, Sink, read_error};
use crate::block::Block;
use bytes::Bytes;
use cid::{Cid, Version};
use rust_unixfs::file::adder::{BalancedCollector, Chunker, FileAdder};
use std::{
    io::{self, Read},
    path::Path,
};

/// What a file's CID depends on besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) cid_version: Version,
    /// Leaves are bytes alone, not nodes around them.
    pub(crate) raw_leaves: bool,
    /// Bytes of a leaf.
    pub(crate) chunk_bytes: usize,
    /// Links of an inner node of a file.
    pub(crate) links_per_node: usize,
}

impl Layout {
    /// Profile `unixfs-v1-2025`.
    pub(crate) const STANDARD: Self =
        Self { cid_version: Version::V1, raw_leaves: true, chunk_bytes: 1 << 20, links_per_node: 1024 };
    /// What Kubo's `add` does when nothing is said (profile `unixfs-v0-2015`).
    pub(crate) const KUBO: Self =
        Self { cid_version: Version::V0, raw_leaves: false, chunk_bytes: 256 << 10, links_per_node: 174 };
}

/// The root of a file's DAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddedFile {
    pub(crate) cid: Cid,
    /// Bytes of all blocks.
    pub(crate) dag_bytes: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// Makes the DAGs of files, one after the other.
pub(crate) struct FileBuilder {
    layout: Layout,
    chunk: Vec<u8>,
}

impl FileBuilder {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, chunk: vec![0; layout.chunk_bytes] }
    }

    /// Hands the blocks of one file to `sink`. `name` is for messages.
    pub(crate) fn add<E>(
        &mut self,
        name: &Path,
        from: &mut dyn Read,
        sink: &mut Sink<'_, E>,
    ) -> Result<AddedFile, BuildError<E>> {
        let Layout { cid_version, raw_leaves, chunk_bytes, links_per_node } = self.layout;
        let mut adder = FileAdder::builder()
            .with_cid_version(cid_version)
            .with_raw_leaves(raw_leaves)
            .with_chunker(Chunker::Size(chunk_bytes))
            .with_collector(BalancedCollector::with_branching_factor(links_per_node))
            .build();
        let (mut cid, mut dag_bytes, mut bytes) = (Cid::default(), 0, 0);
        let mut take = |(root, block): (Cid, Vec<u8>)| {
            cid = root;
            dag_bytes += block.len() as u64;
            sink(Block::hashed(root, Bytes::from(block))).map_err(BuildError::Sink)
        };
        loop {
            let filled = fill(from, &mut self.chunk).map_err(|source| read_error(name, source))?;
            let mut rest = self.chunk.get(..filled).unwrap_or_default();
            bytes += filled as u64;
            while !rest.is_empty() {
                let (mut blocks, used) = adder.push(rest);
                blocks.try_for_each(&mut take)?;
                rest = rest.get(used..).unwrap_or_default();
            }
            if filled < self.chunk.len() {
                break;
            }
        }
        adder.finish().try_for_each(&mut take)?;
        Ok(AddedFile { cid, dag_bytes, bytes })
    }
}

fn fill(from: &mut dyn Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(retry) if retry.kind() == io::ErrorKind::Interrupted => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(filled)
}
