//! Others who keep whole objects, as the layer that serves content sees them.

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use futures_util::stream::BoxStream;
use std::{error::Error, fmt};

/// Finds objects with others who keep them.
///
/// Law: an answer is a claim and nothing is verified: who reads the bytes checks each block and that it belongs to the root. An
/// object that nobody is known to keep is an empty list, not an error, and asking for it costs no more than a moment.
#[async_trait]
pub trait Keepers: Send + Sync + fmt::Debug {
    /// The objects with this root, the likeliest to be whole first.
    async fn find(&self, root: &Cid) -> Result<Vec<Archive>, KeepersError>;
}

/// An object as a CAR, its root first. Nobody is asked for its bytes before they are read.
pub struct Archive {
    pub bytes: u64,
    pub parts: BoxStream<'static, Result<Bytes, KeepersError>>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// The keepers cannot be found, or do not give what they keep. Ask again later.
#[derive(Debug, thiserror::Error)]
#[error("the keepers of {root} do not answer")]
pub struct KeepersError {
    pub root: Cid,
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
