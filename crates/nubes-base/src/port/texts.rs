//! The domain name system as the layers that read names see it.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// Asks for the TXT records of a domain.
///
/// Law: the texts are those of this name alone, aliases followed, no name being added behind it; that there are none is an
/// answer, not an error. An implementation remembers nothing: who asks keeps what he needs for as long as the answer lives.
#[async_trait]
pub trait TextRecords: Send + Sync + std::fmt::Debug {
    /// `name` is a domain without a dot at its end.
    async fn texts(&self, name: &str) -> Result<Texts, TextsError>;
}

/// What the records of a name say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// In the order of the answer. A record of several strings is one text.
    pub texts: Vec<Bytes>,
    /// For how long it holds; none if the answer does not say.
    pub life: Option<Duration>,
}

/// The server did not answer, or not with records. Nothing is known about the name; ask again later.
#[derive(Debug, thiserror::Error)]
#[error("the TXT records of {name} are not known")]
pub struct TextsError {
    pub name: String,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
