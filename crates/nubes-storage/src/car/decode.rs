//! Reading a CAR that arrives in pieces.

use crate::block::{BLOCK_BYTES_MAX, Block, BlockError};
use crate::varint;
use bytes::{Buf, Bytes, BytesMut};
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
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    header_read: bool,
    failed: bool,
}

impl Decoder {
    /// Adds the next bytes. Take all items before adding more, then the buffer stays as small as a block.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
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
        if !self.failed && !self.buffer.is_empty() {
            return Err(DecodeError::CutOff);
        }
        Ok(())
    }

    fn try_next(&mut self) -> Result<Option<Item>, DecodeError> {
        let Some((length, rest)) = varint::read(&self.buffer) else {
            return if self.buffer.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(DecodeError::Length) };
        };
        let prefix = self.buffer.len() - rest.len();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let length_max = if self.header_read { BLOCK_BYTES_MAX + CID_BYTES_MAX } else { HEADER_BYTES_MAX };
        if length > length_max {
            return Err(DecodeError::TooLong { bytes: length as u64, bytes_max: length_max as u64 });
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(prefix);
        let section = self.buffer.split_to(length).freeze();
        if self.header_read {
            return block(section).map(|block| Some(Item::Block(block)));
        }
        self.header_read = true;
        roots(&section).map(|roots| Some(Item::Roots(roots)))
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
