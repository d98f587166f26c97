//! Why a store is not looked after, and how HTTP says it.

use crate::pins::{LiveError, PinError};
use crate::problem::Problem;
use crate::segments::MaintainError;
use http::StatusCode;
use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// Ask again later.
    #[error("a collection, a check or a backup runs already")]
    Busy,
    /// Nothing was removed. Mend what the source names.
    #[error("it is not known what is kept")]
    Live(#[from] LiveError),
    #[error(transparent)]
    Pins(#[from] PinError),
    /// The file of the records is failing.
    #[error("the records of names cannot be copied")]
    Names {
        #[source]
        source: Box<redb::Error>,
    },
    /// The node has a working folder of its own.
    #[error("{} does not begin with /", dir.display())]
    Relative { dir: PathBuf },
    /// Name another one.
    #[error("{} is not empty", dir.display())]
    Occupied { dir: PathBuf },
    /// The disk or the permissions.
    #[error("cannot use {}", dir.display())]
    Folder {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] MaintainError),
}

impl From<UpkeepError> for Problem {
    fn from(error: UpkeepError) -> Self {
        let (status, code) = match error {
            UpkeepError::Busy => (StatusCode::CONFLICT, 3051),
            UpkeepError::Live(_) => (StatusCode::INTERNAL_SERVER_ERROR, 3052),
            UpkeepError::Relative { .. } => (StatusCode::BAD_REQUEST, 3053),
            UpkeepError::Occupied { .. } | UpkeepError::Store(MaintainError::Occupied { .. }) => {
                (StatusCode::CONFLICT, 3053)
            }
            UpkeepError::Folder { .. }
            | UpkeepError::Names { .. }
            | UpkeepError::Store(MaintainError::Io { .. }) => (StatusCode::INTERNAL_SERVER_ERROR, 3054),
            UpkeepError::Store(MaintainError::NotHere { .. }) => (StatusCode::NOT_IMPLEMENTED, 3056),
            UpkeepError::Pins(error) => return error.into(),
            UpkeepError::Store(MaintainError::Write(error)) => return error.into(),
            UpkeepError::Store(MaintainError::Read(error)) => return error.into(),
        };
        Self::of(status, code, &error)
    }
}
