//! Names of the ledger, as the layer that serves content sees them.

use async_trait::async_trait;
use cid::Cid;
use std::{error::Error, fmt};

/// Says what content a name of the ledger points to.
///
/// Law: the answer is that of the newest final block, and the next block may change it: who asks remembers nothing. A name that
/// nobody has, or that points to nothing, is an answer, not an error.
#[async_trait]
pub trait Pointers: Send + Sync + fmt::Debug {
    /// Whether a name of this form, in lower case, can only be one of the ledger.
    fn owns(&self, name: &str) -> bool;

    /// What `name`, which it owns, points to.
    async fn pointer(&self, name: &str) -> Result<Pointer, PointerError>;
}

/// What a name points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pointer {
    Content(Cid),
    Nothing,
    /// To something that is no content, or none that can be read here. Its owner has to write it again.
    Unusable {
        what: String,
    },
}

/// Nothing is known about the name. Ask again later.
#[derive(Debug, thiserror::Error)]
#[error("the ledger does not say what {name} points to")]
pub struct PointerError {
    pub name: String,
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
