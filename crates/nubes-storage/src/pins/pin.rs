//! A pin, and what is wished for.

use cid::Cid;
use nubes_base::Timestamp;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Longest name, in characters (Pinning Service API).
pub const NAME_CHARS_MAX: usize = 255;
/// Addresses at which content may be had (Pinning Service API).
pub const ORIGINS_MAX: usize = 20;
/// Longest of these addresses.
const ORIGIN_BYTES_MAX: usize = 1024;
/// Notes of one pin (Pinning Service API).
pub const META_ENTRIES_MAX: usize = 1000;
/// All notes of one pin together, keys and values.
pub const META_BYTES_MAX: usize = 64 << 10;

/// The number of a pin: the milliseconds since 1970 at which it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinId(pub(super) u64);

impl PinId {
    pub const fn created(self) -> Timestamp {
        Timestamp::from_unix_ms(self.0)
    }
}

impl fmt::Display for PinId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PinId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Everything below the CID.
    Recursive,
    /// The block alone.
    Direct,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recursive => "recursive",
            Self::Direct => "direct",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        [Self::Recursive, Self::Direct].into_iter().find(|mode| mode.name() == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Queued,
    Pinning,
    Pinned,
    Failed,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Queued, Self::Pinning, Self::Pinned, Self::Failed];

    /// Whether somebody still has to work on it.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Queued | Self::Pinning)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Pinning => "pinning",
            Self::Pinned => "pinned",
            Self::Failed => "failed",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// What somebody wants to be kept; within all limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    cid: Cid,
    mode: Mode,
    name: Option<String>,
    origins: Vec<String>,
    meta: BTreeMap<String, String>,
}

impl Wish {
    pub const fn new(cid: Cid, mode: Mode) -> Self {
        Self { cid, mode, name: None, origins: Vec::new(), meta: BTreeMap::new() }
    }

    pub fn named(self, name: Option<String>) -> Result<Self, WishError> {
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
            return Err(WishError::Name);
        }
        Ok(Self { name, ..self })
    }

    /// With addresses of peers that have the content.
    pub fn with_origins(self, origins: Vec<String>) -> Result<Self, WishError> {
        if origins.len() > ORIGINS_MAX || origins.iter().any(|origin| origin.len() > ORIGIN_BYTES_MAX) {
            return Err(WishError::Origins);
        }
        Ok(Self { origins, ..self })
    }

    pub fn with_meta(self, meta: BTreeMap<String, String>) -> Result<Self, WishError> {
        let bytes: usize = meta.iter().map(|(key, value)| key.len() + value.len()).sum();
        if meta.len() > META_ENTRIES_MAX || bytes > META_BYTES_MAX {
            return Err(WishError::Meta);
        }
        Ok(Self { meta, ..self })
    }

    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    pub const fn mode(&self) -> Mode {
        self.mode
    }

    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    pub const fn meta(&self) -> &BTreeMap<String, String> {
        &self.meta
    }
}

/// Why a wish is refused. Make it smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    #[error("the name has more than {NAME_CHARS_MAX} characters")]
    Name,
    #[error("more than {ORIGINS_MAX} origins, or one with more than {ORIGIN_BYTES_MAX} bytes")]
    Origins,
    #[error("more than {META_ENTRIES_MAX} notes, or more than {META_BYTES_MAX} bytes of them")]
    Meta,
}

/// A promise to keep something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub id: PinId,
    pub wish: Wish,
    pub status: Status,
    /// Why it has not come further.
    pub details: Option<String>,
}

/// A pin in the table, without its id.
pub(super) mod stored {
    use super::{Mode, Pin, PinId, Status, Wish};
    use cid::Cid;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        cid: String,
        mode: String,
        status: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        origins: Vec<String>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        meta: BTreeMap<String, String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<String>,
    }

    pub(in super::super) fn encode(pin: &Pin) -> Vec<u8> {
        let Wish { cid, mode, name, origins, meta } = pin.wish.clone();
        let (cid, mode) = (cid.to_string(), mode.name().to_owned());
        let (status, details) = (pin.status.name().to_owned(), pin.details.clone());
        // Text and maps with keys of text always have a form in JSON.
        serde_json::to_vec(&Stored { cid, mode, status, name, origins, meta, details }).unwrap_or_default()
    }

    /// None: whoever wrote it was another program.
    pub(in super::super) fn decode(id: PinId, bytes: &[u8]) -> Option<Pin> {
        let Stored { cid, mode, status, name, origins, meta, details } =
            serde_json::from_slice(bytes).ok()?;
        let (cid, mode) = (Cid::try_from(cid.as_str()).ok()?, Mode::of(&mode)?);
        let wish = Wish { cid, mode, name, origins, meta };
        Some(Pin { id, wish, status: Status::of(&status)?, details })
    }
}
