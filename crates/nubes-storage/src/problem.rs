//! Errors as HTTP answers: problem documents (RFC 9457) with an `NX` code.

use crate::ipns;
use crate::pins::{KeepError, WalkError};
use crate::segments::{GetError, PutError};
use crate::unixfs::{BuildError, ImportError, NodeError, ReadError};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use nubes_base::Code;
use serde::Serialize;
use std::error::Error;

/// Of a path that is refused, as much is shown.
const PATH_CHARS_MAX: usize = 200;
const MISSING_BLOCK: u16 = 3003;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
    plain: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: u16, detail: impl Into<String>) -> Self {
        Self { status, code: Code::new(code), detail: detail.into(), header: None, plain: false }
    }

    /// The detail is the error and its causes.
    pub(crate) fn of(status: StatusCode, code: u16, error: &dyn Error) -> Self {
        let mut detail = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            detail = format!("{detail}: {error}");
            cause = error.source();
        }
        Self::new(status, code, detail)
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Whether a block that is not here is all that is wrong.
    pub(crate) const fn is_missing_block(&self) -> bool {
        self.code.number() == MISSING_BLOCK
    }

    /// As text and not as a document: for what people type.
    pub(crate) fn plain(self) -> Self {
        Self { plain: true, ..self }
    }

    /// For an answer of another form.
    pub(crate) fn into_detail(self) -> String {
        self.detail
    }

    pub(crate) fn cid(error: &cid::Error) -> Self {
        Self::of(StatusCode::BAD_REQUEST, 3001, error)
    }

    /// What follows `/ipfs/` is no CID.
    pub(crate) fn address(path: &str, error: &cid::Error) -> Self {
        let shown: String = path.chars().take(PATH_CHARS_MAX).collect();
        Self::new(StatusCode::BAD_REQUEST, 3001, format!("invalid path \"{shown}\": {error}"))
    }

    /// What follows `/ipns/` is no name.
    pub(crate) fn name(error: &ipns::NameError) -> Self {
        Self::of(StatusCode::BAD_REQUEST, 3022, error)
    }

    pub(crate) fn decode(error: &crate::car::DecodeError) -> Self {
        use crate::car::DecodeError::{Block, TooLong};
        match error {
            Block(_) => Self::of(StatusCode::BAD_REQUEST, 3012, error),
            TooLong { .. } => Self::of(StatusCode::PAYLOAD_TOO_LARGE, 3013, error),
            _ => Self::of(StatusCode::BAD_REQUEST, 3011, error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(code = %self.code, detail = self.detail, "storage.problem");
        }
        let document = Document {
            r#type: format!("urn:nubes:{}", self.code),
            title: self.code.explanation().map_or("error", |explanation| explanation.title),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code.to_string(),
        };
        let media_type = if self.plain { "text/plain; charset=utf-8" } else { "application/problem+json" };
        let headers = [
            (header::CONTENT_TYPE, media_type),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ];
        let body = if self.plain {
            format!("{}: {} ({})\n", document.title, document.detail, document.code).into_bytes()
        } else {
            serde_json::to_vec(&document).unwrap_or_default()
        };
        let mut response = (self.status, headers, body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<GetError> for Problem {
    fn from(error: GetError) -> Self {
        match &error {
            GetError::NotFound { .. } => Self::of(StatusCode::NOT_FOUND, MISSING_BLOCK, &error),
            GetError::Corrupt { .. } => Self::of(StatusCode::INTERNAL_SERVER_ERROR, 3005, &error),
            GetError::Read { .. } | GetError::Index { .. } => {
                Self::of(StatusCode::INTERNAL_SERVER_ERROR, 3016, &error)
            }
            GetError::Aborted => Self::of(StatusCode::SERVICE_UNAVAILABLE, 3018, &error),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let (status, code) = match error {
            ReadError::Block(block) => return block.into(),
            ReadError::Node(NodeError::Codec { .. }) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3006),
            ReadError::Node(NodeError::Malformed { .. }) | ReadError::TooDeep { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, 3010)
            }
            ReadError::NoEntry { .. } | ReadError::NotADirectory { .. } | ReadError::NotAFile { .. } => {
                (StatusCode::NOT_FOUND, 3004)
            }
            ReadError::Symlink { .. } => (StatusCode::NOT_IMPLEMENTED, 3009),
            ReadError::InsideNode { .. } => (StatusCode::NOT_IMPLEMENTED, 3021),
            ReadError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, 3013),
        };
        Self::of(status, code, &error)
    }
}

impl From<PutError> for Problem {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Closed => Self::of(StatusCode::SERVICE_UNAVAILABLE, 3018, &error),
            PutError::Write { .. }
            | PutError::Full { .. }
            | PutError::Quota { .. }
            | PutError::Index { .. } => Self::of(StatusCode::INSUFFICIENT_STORAGE, 3017, &error),
        }
    }
}

impl From<ipns::PutError> for Problem {
    fn from(error: ipns::PutError) -> Self {
        let (status, code) = match error {
            ipns::PutError::Record(_) => (StatusCode::BAD_REQUEST, 3024),
            ipns::PutError::Older { .. } => (StatusCode::CONFLICT, 3024),
            ipns::PutError::Full => (StatusCode::INSUFFICIENT_STORAGE, 3025),
            ipns::PutError::Store { .. } => (StatusCode::INSUFFICIENT_STORAGE, 3017),
        };
        Self::of(status, code, &error)
    }
}

impl From<KeepError> for Problem {
    fn from(error: KeepError) -> Self {
        let (status, code) = match error {
            KeepError::Pin(error) => return error.into(),
            KeepError::Walk(WalkError::Block(error)) => return error.into(),
            KeepError::Walk(WalkError::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, 3013),
            KeepError::Walk(WalkError::Node(_)) => (StatusCode::UNPROCESSABLE_ENTITY, 3010),
            KeepError::Incomplete { .. } => (StatusCode::CONFLICT, 3050),
            KeepError::Fetch(_) => (StatusCode::BAD_GATEWAY, 3032),
        };
        Self::of(status, code, &error)
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Build(BuildError::Sink(put)) => put.into(),
            ImportError::Aborted => Self::of(StatusCode::SERVICE_UNAVAILABLE, 3018, &error),
            ImportError::Build(_) => Self::of(StatusCode::BAD_REQUEST, 3015, &error),
        }
    }
}
