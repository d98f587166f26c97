//! Names that can change: IPNS keys and domains with a `DNSLink`.
//!
//! `/ipns/NAME` is either the hash of a public key, whose owner signs records that say what it points to (the IPNS record
//! specification), or a domain whose `DNSLink` says it. Both point to a content path, or to another name.
//!
//! Records come by `PUT /routing/v1/ipns/NAME` (delegated routing). They are verified when they come and again when they
//! are used, since a record expires. Of two valid ones the higher sequence wins, then the later end.

mod record;
mod records;
mod routes;

pub use record::{RECORD_BYTES_MAX, Record, RecordError};
pub use records::{Lookup, OpenError, PutError, RECORDS_MAX, Records};
pub use routes::routes;

use cid::{Cid, multibase::Base};
use multihash::Multihash;
use std::{collections::BTreeMap, fmt};

/// Multicodec of a libp2p public key's hash.
const LIBP2P_KEY: u64 = 0x72;
const DAG_PB: u64 = 0x70;
/// Longest domain name (RFC 1035).
const DOMAIN_BYTES_MAX: usize = 253;
/// Longest text of a key in any base.
const KEY_CHARS_MAX: usize = 200;

/// A name below `/ipns/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Key(KeyName),
    /// In lower case.
    Domain(String),
}

/// The hash of a public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(Multihash<64>);

/// The text is neither a key nor a domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither the CID of a key nor a domain")]
pub struct NameError {
    text: String,
}

impl Name {
    /// Reads a name as it stands in a path.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError { text: text.chars().take(DOMAIN_BYTES_MAX).collect() };
        if let Some(key) = KeyName::parse(text) {
            return Ok(Self::Key(key));
        }
        if is_domain(text) { Ok(Self::Domain(text.to_ascii_lowercase())) } else { Err(refuse()) }
    }

    /// Reads a name as it stands in a host: a key, a domain, or a domain in one label (`en-wikipedia--on--ipfs-org`).
    pub fn parse_label(text: &str) -> Result<Self, NameError> {
        match Self::parse(text) {
            Err(_) if !text.contains('.') => Self::parse(&outlined(text)),
            named => named,
        }
    }

    /// As one label of a host, so that a certificate for one level covers it.
    pub fn label(&self) -> String {
        match self {
            Self::Key(key) => key.to_string(),
            Self::Domain(domain) => domain.replace('-', "--").replace('.', "-"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

impl KeyName {
    /// A CID in any base, or a peer ID (base58).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > KEY_CHARS_MAX {
            return None;
        }
        if text.starts_with("Qm") || text.starts_with('1') {
            let bytes = Base::Base58Btc.decode(text).ok()?;
            return Multihash::from_bytes(&bytes).ok().map(Self);
        }
        let cid = Cid::try_from(text).ok()?;
        matches!(cid.codec(), LIBP2P_KEY | DAG_PB).then(|| Self(*cid.hash()))
    }

    pub const fn multihash(&self) -> &Multihash<64> {
        &self.0
    }
}

/// In base 36, in which the hash of an Ed25519 key fits in one label.
impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cid = Cid::new_v1(LIBP2P_KEY, self.0);
        f.write_str(&cid.to_string_of_base(Base::Base36Lower).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The reverse of [`Name::label`] for a domain.
fn outlined(label: &str) -> String {
    label.replace("--", "\u{0}").replace('-', ".").replace('\u{0}', "-")
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.len() <= DOMAIN_BYTES_MAX && text.contains('.') && text.split('.').all(is_label)
}

/// Domains and what they point to, as the operator says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainMap(BTreeMap<String, String>);

/// An entry is not `DOMAIN:/ipfs/…` or `DOMAIN:/ipns/…`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not a domain, a colon and a path below /ipfs/ or /ipns/")]
pub struct DomainMapError {
    entry: String,
}

impl DomainMap {
    /// The form of the variable `IPFS_NS_MAP`, which other gateways read too: entries between commas.
    pub fn parse(text: &str) -> Result<Self, DomainMapError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entry = |entry: &str| {
            let (domain, path) = entry.split_once(':')?;
            let is_path = path.starts_with("/ipfs/") || path.starts_with("/ipns/");
            (is_domain(domain) && is_path).then(|| (domain.to_ascii_lowercase(), path.to_owned()))
        };
        let read = |text: &str| entry(text).ok_or_else(|| DomainMapError { entry: text.to_owned() });
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// What `domain` points to.
    pub fn get(&self, domain: &str) -> Option<&str> {
        self.0.get(domain).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
