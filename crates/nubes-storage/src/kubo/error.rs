//! Errors as Kubo answers them.

use crate::car::DecodeError;
use crate::pins::{ConnectError, FetchError, KeepError, LiveError, PinError, WalkError, WishError};
use crate::problem::Problem;
use crate::segments::{GetError, MaintainError, PutError};
use crate::unixfs::{NodeError, ReadError};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use nubes_base::chain;
use serde_json::json;
use std::error::Error;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct RpcError {
    message: String,
    /// The caller's mistake: other arguments may do.
    is_client: bool,
}

impl RpcError {
    #[expect(clippy::needless_pass_by_value, reason = "so that errors and texts are handed in alike")]
    pub(super) fn new(message: impl ToString) -> Self {
        Self { message: message.to_string(), is_client: false }
    }

    #[expect(clippy::needless_pass_by_value, reason = "so that errors and texts are handed in alike")]
    pub(super) fn client(message: impl ToString) -> Self {
        Self { message: message.to_string(), is_client: true }
    }

    pub(super) fn of(error: &dyn Error) -> Self {
        Self::new(chain(error))
    }

    /// Nothing else has been found out about the call but that the node does not do it.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::client(format!("{what} is not supported by this node"))
    }
}

impl IntoResponse for RpcError {
    fn into_response(self) -> Response {
        let status = if self.is_client { StatusCode::BAD_REQUEST } else { StatusCode::INTERNAL_SERVER_ERROR };
        let document = json!({ "Message": self.message, "Code": u8::from(self.is_client), "Type": "error" });
        (status, Json(document)).into_response()
    }
}

macro_rules! told_with_causes {
    ($($error:ty),+) => {
        $(impl From<$error> for RpcError {
            fn from(error: $error) -> Self {
                Self::of(&error)
            }
        })+
    };
}

told_with_causes!(
    ConnectError,
    DecodeError,
    FetchError,
    GetError,
    KeepError,
    LiveError,
    MaintainError,
    NodeError,
    PinError,
    PutError,
    WalkError
);

impl From<Problem> for RpcError {
    fn from(problem: Problem) -> Self {
        Self::new(problem.into_detail())
    }
}

impl From<WishError> for RpcError {
    fn from(error: WishError) -> Self {
        Self::client(error)
    }
}

impl From<ReadError> for RpcError {
    fn from(error: ReadError) -> Self {
        match error {
            // The words by which tools know these cases.
            ReadError::NoEntry { cid, name } => Self::new(format!("no link named \"{name}\" under {cid}")),
            ReadError::NotAFile { .. } => Self::new("this dag node is a directory"),
            other => Self::of(&other),
        }
    }
}
