//! Compute as the other layers see it.

use crate::{
    app::{AppName, FunctionRecord},
    code::Code,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// A streamed request or response body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;
/// Why a body broke off; the reason is for the log.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn empty_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Which function is called: its place in its app and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub app: AppName,
    /// Rises when the app's name begins anew: it lapsed and was taken by somebody, or is a preview that was taken down. What was
    /// kept under a lower number is not the app's.
    pub tenure: u64,
    pub name: String,
    pub record: FunctionRecord,
}

/// Runs functions.
///
/// Law: state written by a request is durable when its response has been returned, and nothing is written if it
/// failed; one request's failure does not touch the next; a limit of the record is never exceeded by more than the
/// engine's check interval.
#[async_trait]
pub trait Runner: Send + Sync + std::fmt::Debug {
    /// Fetches and compiles the function's code, so that the first request does not wait for it.
    async fn prepare(&self, function: &Function) -> Result<(), RunError>;

    /// Answers one request.
    async fn run(&self, function: &Function, request: Request<Body>) -> Result<Response<Body>, RunError>;
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The code is not in storage. Deploy again. (HTTP 502)
    #[error("cannot load the code of function {function}")]
    Load {
        function: String,
        #[source]
        source: super::GetError,
    },
    /// The code is no component this host can run. (HTTP 502)
    #[error("function {function} is not a component that can run here: {what}")]
    Invalid { function: String, what: String },
    /// The guest stopped: trap, uncaught exception, or no response. (HTTP 502)
    #[error("function {function} stopped: {what}")]
    Trapped { function: String, what: String },
    /// Wall clock or fuel ran out. (HTTP 504)
    #[error("function {function} exceeded its {limit} limit")]
    TimedOut { function: String, limit: &'static str },
    /// The instance asked for more memory than its record allows. (HTTP 507)
    #[error("function {function} exceeded its memory limit of {bytes_max} bytes")]
    OutOfMemory { function: String, bytes_max: u64 },
    /// The request body is larger than the host accepts. (HTTP 413)
    #[error("the request body exceeds {bytes_max} bytes")]
    BodyTooLarge { bytes_max: u64 },
    /// Another request changed the same keys at the same time, again and again. Repeat the request. (HTTP 503)
    #[error("function {function} lost the race for its state {attempts} times")]
    Conflict { function: String, attempts: u32 },
    /// All instances are taken. Repeat after a moment. (HTTP 503)
    #[error("no free instance for function {function}")]
    Busy { function: String },
    /// The state store failed; nothing was written. (HTTP 500)
    #[error("the state of app {app} cannot be written")]
    State {
        app: AppName,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RunError {
    /// The code under which `nubes explain` has this failure.
    pub const fn code(&self) -> Code {
        Code::new(match self {
            Self::Trapped { .. } => 4001,
            Self::TimedOut { .. } => 4002,
            Self::OutOfMemory { .. } => 4003,
            Self::BodyTooLarge { .. } => 4004,
            Self::Load { .. } => 4005,
            Self::Invalid { .. } => 4006,
            Self::Conflict { .. } => 4007,
            Self::Busy { .. } => 4008,
            Self::State { .. } => 4009,
        })
    }
}
