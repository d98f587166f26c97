//! Reading a CAR that arrives in pieces.

use crate::block::{BLOCK_BYTES_MAX, Block, BlockError};
use crate::varint;
use bytes::{Buf, Bytes};
use cid::Cid;
use ipld_core::ipld::Ipld;

/// Longest header.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Longest CID in front of a block.
const CID_BYTES_MAX: usize = 128;
/// Longest length prefix of a section.
const LENGTH_BYTES_MAX: usize = 10;

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Once, first.
    Roots(Vec<Cid>),
    Block(Block),
}

/// Takes bytes, gives items. After an error it gives nothing more.
///
/// A section that is whole in what was pushed is not copied; of another one each byte is, once.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Pushed and not read yet.
    pushed: Bytes,
    /// What was read of the section's length, or of the section.
    part: Vec<u8>,
    /// How long the section is, once that is read.
    length: Option<usize>,
    header_read: bool,
    failed: bool,
}

impl Decoder {
    /// Adds the next bytes. Take all items before adding more, then it holds one section and what was pushed last.
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed {
            return;
        }
        self.pushed =
            if self.pushed.is_empty() { bytes } else { [self.pushed.as_ref(), &bytes].concat().into() };
    }

    /// The next item, or nothing until more bytes are pushed.
    pub fn next_item(&mut self) -> Result<Option<Item>, DecodeError> {
        if self.failed {
            return Ok(None);
        }
        let item = self.try_next();
        self.failed = item.is_err();
        item
    }

    /// To be called after the last byte: whether the CAR ended where a section ends.
    pub fn finish(self) -> Result<(), DecodeError> {
        if !self.header_read {
            return Err(DecodeError::NoHeader);
        }
        let is_whole = self.pushed.is_empty() && self.part.is_empty() && self.length.is_none();
        if !self.failed && !is_whole {
            return Err(DecodeError::CutOff);
        }
        Ok(())
    }

    fn try_next(&mut self) -> Result<Option<Item>, DecodeError> {
        let Some(length) = self.read_length()? else { return Ok(None) };
        let Some(section) = self.read_section(length) else { return Ok(None) };
        self.length = None;
        if self.header_read {
            return block(section).map(|block| Some(Item::Block(block)));
        }
        self.header_read = true;
        roots(&section).map(|roots| Some(Item::Roots(roots)))
    }

    fn read_length(&mut self) -> Result<Option<usize>, DecodeError> {
        while self.length.is_none() {
            if self.pushed.is_empty() {
                return Ok(None);
            }
            let byte = self.pushed.get_u8();
            self.part.push(byte);
            if byte & 0x80 == 0 {
                let (length, _) = varint::read(&self.part).ok_or(DecodeError::Length)?;
                self.begin(length)?;
            } else if self.part.len() >= LENGTH_BYTES_MAX {
                return Err(DecodeError::Length);
            }
        }
        Ok(self.length)
    }

    fn begin(&mut self, bytes: u64) -> Result<(), DecodeError> {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        let length_max = if self.header_read { BLOCK_BYTES_MAX + CID_BYTES_MAX } else { HEADER_BYTES_MAX };
        if length > length_max {
            return Err(DecodeError::TooLong { bytes, bytes_max: length_max as u64 });
        }
        self.part.clear();
        self.length = Some(length);
        Ok(())
    }

    fn read_section(&mut self, length: usize) -> Option<Bytes> {
        if self.part.is_empty() && self.pushed.len() >= length {
            return Some(self.pushed.split_to(length));
        }
        let rest = length - self.part.len();
        self.part.reserve_exact(rest);
        let next = self.pushed.split_to(rest.min(self.pushed.len()));
        self.part.extend_from_slice(&next);
        (self.part.len() == length).then(|| std::mem::take(&mut self.part).into())
    }
}

fn block(mut section: Bytes) -> Result<Block, DecodeError> {
    let mut rest = section.as_ref();
    let cid = Cid::read_bytes(&mut rest).map_err(|source| DecodeError::Cid { source })?;
    section.advance(section.len() - rest.len());
    Ok(Block::new(cid, section)?)
}

fn roots(section: &[u8]) -> Result<Vec<Cid>, DecodeError> {
    let Ok(Ipld::Map(header)) = serde_ipld_dagcbor::from_slice::<Ipld>(section) else {
        return Err(DecodeError::NoHeader);
    };
    match header.get("version") {
        Some(Ipld::Integer(1)) => {}
        Some(Ipld::Integer(version)) => return Err(DecodeError::Version { version: *version }),
        _ => return Err(DecodeError::NoHeader),
    }
    let Some(Ipld::List(roots)) = header.get("roots") else { return Err(DecodeError::NoHeader) };
    let cid = |root: &Ipld| if let Ipld::Link(cid) = root { Ok(*cid) } else { Err(DecodeError::NoHeader) };
    roots.iter().map(cid).collect()
}

/// Why bytes are not a CAR.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is another kind of file.
    #[error("no CAR header")]
    NoHeader,
    /// Write it as version 1.
    #[error("CAR version {version} is not supported, only 1")]
    Version { version: i128 },
    #[error("a section's length is no number")]
    Length,
    /// Cut the content into smaller blocks.
    #[error("a section has {bytes} bytes, more than the limit of {bytes_max}")]
    TooLong { bytes: u64, bytes_max: u64 },
    #[error("a section does not begin with a CID")]
    Cid {
        #[source]
        source: cid::Error,
    },
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Send it again.
    #[error("the CAR is cut off")]
    CutOff,
}
