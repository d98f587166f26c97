//! Writing the files of a DAG while its blocks come in, depth first, as a CAR brings them.
//!
//! [`Unpacking`] is a machine without I/O: blocks in, steps out. [`Extraction`] takes the steps. What is held is the way
//! down to the present block, the inner nodes, and where each leaf was written: a block that the DAG has twice comes once,
//! and is copied from the file that has it already.

mod unpacking;

pub use unpacking::UnpackError;

use crate::block::Block;
use cid::Cid;
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use unpacking::{Step, Unpacking};

/// Writes a file or a folder.
#[derive(Debug)]
pub struct Extraction {
    to: PathBuf,
    unpacking: Unpacking,
    open: Option<(PathBuf, File)>,
    files: u64,
}

/// Why the files are not there. What was written until then stays; it is in no state to be used.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Extraction {
    /// What `root` names becomes `to`, which must not be there yet.
    pub fn new(root: Cid, to: &Path) -> Self {
        Self { to: to.to_owned(), unpacking: Unpacking::new(root), open: None, files: 0 }
    }

    /// The next block. Blocks on the disk.
    pub fn take(&mut self, block: Block) -> Result<(), ExtractError> {
        let mut block = Some(block);
        while let Some(step) = self.unpacking.next(&mut block)? {
            self.apply(step)?;
        }
        Ok(())
    }

    /// After the last block: how many files were written.
    pub fn finish(mut self) -> Result<u64, ExtractError> {
        while let Some(step) = self.unpacking.next_of_rest()? {
            self.apply(step)?;
        }
        Ok(self.files)
    }

    fn apply(&mut self, step: Step) -> Result<(), ExtractError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ExtractError::Write { path, source }
        };
        match step {
            Step::Folder(path) => {
                let path = self.at(&path);
                fs::create_dir(&path).map_err(failed(&path))
            }
            Step::Open(path) => {
                let path = self.at(&path);
                let file = File::options().read(true).write(true).create_new(true).open(&path);
                self.open = Some((path.clone(), file.map_err(failed(&path))?));
                self.files += 1;
                Ok(())
            }
            Step::Append(bytes) => {
                self.open.as_mut().map_or(Ok(()), |(path, file)| file.write_all(&bytes).map_err(failed(path)))
            }
            Step::Repeat(place) => {
                let from = self.at(&place.path);
                self.open.as_mut().map_or(Ok(()), |(path, file)| {
                    repeat(&from, place.offset, place.length, file).map_err(failed(path))
                })
            }
            Step::Close => {
                self.open = None;
                Ok(())
            }
        }
    }

    // Joining nothing would end the name of a file in a slash.
    fn at(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { self.to.clone() } else { self.to.join(path) }
    }
}

fn repeat(from: &Path, offset: u64, length: u64, to: &mut File) -> io::Result<()> {
    let mut from = File::open(from)?;
    from.seek(SeekFrom::Start(offset))?;
    let copied = io::copy(&mut from.take(length), to)?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests;
