//! A signed record: what a key's owner says that its name points to.
//!
//! Protobuf around DAG-CBOR (IPNS record specification, version 2). The signature covers the CBOR; the older fields beside
//! it are not trusted and must not contradict it.

use super::KeyName;
use bytes::Bytes;
use libp2p_identity::{PeerId, PublicKey};
use nubes_base::Timestamp;
use prost::Message;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use std::time::Duration;

/// Longest record that is taken (IPNS record specification).
pub const RECORD_BYTES_MAX: usize = 10 << 10;
const SIGNATURE_PREFIX: &[u8] = b"ipns-signature:";
/// The only kind of validity there is: a point in time at which it ends.
const END_OF_LIFE: u64 = 0;

/// A valid record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// As it was signed.
    pub bytes: Bytes,
    /// A path below `/ipfs/` or `/ipns/`.
    pub value: String,
    pub sequence: u64,
    pub valid_until: Timestamp,
    /// For how long an answer may be kept.
    pub ttl: Option<Duration>,
}

/// Why a record is not used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the record has {bytes} bytes, more than the limit of {RECORD_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("the record is malformed: {what}")]
    Malformed { what: &'static str },
    /// Only version 2 signs everything that matters.
    #[error("the record has no signature of version 2")]
    Unsigned,
    /// It is another key's, or was changed.
    #[error("the record is not signed by the key of its name")]
    Signature,
    /// The owner has to publish a new one.
    #[error("the record has expired")]
    Expired,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(bytes = "bytes", optional, tag = "1")]
    value: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    signature_v1: Option<Bytes>,
    #[prost(uint64, optional, tag = "3")]
    validity_type: Option<u64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    validity: Option<Bytes>,
    #[prost(uint64, optional, tag = "5")]
    sequence: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    ttl: Option<u64>,
    #[prost(bytes = "bytes", optional, tag = "7")]
    public_key: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "8")]
    signature_v2: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "9")]
    data: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    value: ByteBuf,
    validity: ByteBuf,
    validity_type: u64,
    sequence: u64,
    #[serde(rename = "TTL")]
    ttl_ns: Option<u64>,
}

impl Record {
    /// Reads a record of the name `key` and checks it as of `now`.
    pub fn verify(key: &KeyName, bytes: Bytes, now: Timestamp) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong { bytes: bytes.len() });
        }
        let malformed = |what| RecordError::Malformed { what };
        let entry = Entry::decode(bytes.clone()).map_err(|_| malformed("no protobuf"))?;
        let (Some(data), Some(signature)) = (&entry.data, &entry.signature_v2) else {
            return Err(RecordError::Unsigned);
        };
        let signer = signer(key, entry.public_key.as_deref())?;
        if !signer.verify(&[SIGNATURE_PREFIX, data].concat(), signature) {
            return Err(RecordError::Signature);
        }
        let signed: Data = serde_ipld_dagcbor::from_slice(data).map_err(|_| malformed("no DAG-CBOR data"))?;
        if entry.contradicts(&signed) {
            return Err(malformed("its fields contradict what is signed"));
        }
        if signed.validity_type != END_OF_LIFE {
            return Err(malformed("an unknown kind of validity"));
        }
        let valid_until = timestamp(&signed.validity).ok_or_else(|| malformed("its validity is no time"))?;
        if valid_until <= now {
            return Err(RecordError::Expired);
        }
        let value =
            String::from_utf8(signed.value.into_vec()).map_err(|_| malformed("its value is no text"))?;
        let ttl = signed.ttl_ns.map(Duration::from_nanos);
        Ok(Self { bytes, value, sequence: signed.sequence, valid_until, ttl })
    }

    /// Whether this one replaces `other` of the same name.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.sequence, self.valid_until) > (other.sequence, other.valid_until)
    }
}

impl Entry {
    /// The fields of version 1 may be absent altogether.
    fn contradicts(&self, signed: &Data) -> bool {
        let has_v1 = self.signature_v1.is_some() || self.value.is_some();
        has_v1
            && (self.value.as_deref().unwrap_or_default() != signed.value.as_slice()
                || self.validity.as_deref().unwrap_or_default() != signed.validity.as_slice()
                || self.validity_type.unwrap_or_default() != signed.validity_type
                || self.sequence.unwrap_or_default() != signed.sequence
                || self.ttl.unwrap_or_default() != signed.ttl_ns.unwrap_or_default())
    }
}

/// The key is in the record, or, if it is short, in the name itself.
fn signer(key: &KeyName, in_record: Option<&[u8]>) -> Result<PublicKey, RecordError> {
    const IDENTITY: u64 = 0;
    let malformed = |what| RecordError::Malformed { what };
    let hash = key.multihash();
    let encoded = match in_record {
        Some(encoded) if !encoded.is_empty() => encoded,
        _ if hash.code() == IDENTITY => hash.digest(),
        _ => return Err(malformed("no public key")),
    };
    let signer =
        PublicKey::try_decode_protobuf(encoded).map_err(|_| malformed("no public key that is known here"))?;
    let named: &multihash::Multihash<64> = &PeerId::from_public_key(&signer).into();
    if named == hash { Ok(signer) } else { Err(RecordError::Signature) }
}

fn timestamp(text: &[u8]) -> Option<Timestamp> {
    let time: jiff::Timestamp = std::str::from_utf8(text).ok()?.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(Timestamp::from_unix_ms)
}
