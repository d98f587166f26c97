//! CAR version 1: a file of blocks.
//!
//! ```text
//! CAR     = section(header as DAG-CBOR {roots: [CID], version: 1}) section(CID block)*
//! section = varint(length) bytes
//! ```
//! Writing streams from the store in depth-first order, each block once. Reading is a machine without I/O: bytes in,
//! blocks out, and every block is checked against its CID.

mod decode;
mod encode;
mod export;

pub use decode::{DecodeError, Decoder, HEADER_BYTES_MAX, Item};
pub use encode::{frame, header};
pub use export::{ByteRange, EXPORT_BLOCKS_MAX, Scope, Selection, export};

#[cfg(test)]
mod tests;
