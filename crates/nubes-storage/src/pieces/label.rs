//! What a piece is of its object, in the 32 bytes that a deal has for it.
//!
//! Text, so that everybody who reads the ledger can read it: `rs-10-20/7/209716123/70` is piece 7 of a CAR of
//! 209,716,123 bytes, any 10 of whose 20 pieces are enough, and whose root has codec 0x70 (dag-pb); `copies-3/0/1024/55` is
//! the first of three copies. With the digest of the root, which is the deal's group, that is all of the CID. Padded with
//! zero bytes.

use super::coding::{Coding, CodingError, Layout};
use std::fmt;

const BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub layout: Layout,
    /// Which of the pieces.
    pub index: u8,
    /// Multicodec of the object's root.
    pub codec: u16,
}

/// The 32 bytes do not say what a piece is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Written by another program, for another kind of deal.
    #[error("`{text}` does not say which piece of what it is")]
    Form { text: String },
    #[error("piece {index} of {total}")]
    Index { index: u8, total: usize },
    #[error(transparent)]
    Coding(#[from] CodingError),
}

impl Label {
    pub fn new(layout: Layout, index: u8, codec: u16) -> Result<Self, LabelError> {
        if layout.coding.total() <= usize::from(index) {
            return Err(LabelError::Index { index, total: layout.coding.total() });
        }
        Ok(Self { layout, index, codec })
    }

    pub fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        // `rs-64-64/63/1099511627776/ffff` has 30.
        for (byte, text) in bytes.iter_mut().zip(self.to_string().bytes()) {
            *byte = text;
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8; BYTES]) -> Result<Self, LabelError> {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = String::from_utf8_lossy(&bytes[..end]);
        let label =
            Self::parse(&text).ok_or_else(|| LabelError::Form { text: text.escape_debug().to_string() });
        let (coding, index, object_bytes, codec) = label?;
        let label = Self::new(coding?.layout(object_bytes)?, index, codec)?;
        // One label has one form: `rs-010-20` is none.
        if label.to_string() != text {
            return Err(LabelError::Form { text: text.escape_debug().to_string() });
        }
        Ok(label)
    }

    fn parse(text: &str) -> Option<(Result<Coding, CodingError>, u8, u64, u16)> {
        let mut parts = text.split('/');
        let (product, index, bytes) = (parts.next()?, parts.next()?, parts.next()?);
        let codec = u16::from_str_radix(parts.next()?, 16).ok()?;
        if parts.next().is_some() {
            return None;
        }
        Some((product_coding(product)?, index.parse().ok()?, bytes.parse().ok()?, codec))
    }
}

/// `rs-DATA-TOTAL` or `copies-TOTAL`.
fn product_coding(product: &str) -> Option<Result<Coding, CodingError>> {
    if let Some(total) = product.strip_prefix("copies-") {
        return Some(Coding::new(1, total.parse().ok()?));
    }
    let (data, total) = product.strip_prefix("rs-")?.split_once('-')?;
    Some(Coding::new(data.parse().ok()?, total.parse().ok()?))
}

impl std::str::FromStr for Coding {
    type Err = LabelError;

    fn from_str(product: &str) -> Result<Self, LabelError> {
        let form = || LabelError::Form { text: product.escape_debug().to_string() };
        Ok(product_coding(product).ok_or_else(form)??)
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data() {
            1 => write!(f, "copies-{}", self.total()),
            data => write!(f, "rs-{data}-{}", self.total()),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{:x}", self.layout.coding, self.index, self.layout.bytes, self.codec)
    }
}
