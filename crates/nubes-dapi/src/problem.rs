//! Errors as the visitor gets them: a problem document (RFC 9457) for programs, a page for people.

use crate::{host::HostError, names::ResolveError, page, route::PathError, upload::TooLongError};
use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use nubes_base::{Code, port::RunError};
use serde_json::json;
use std::{error::Error, time::Duration};

pub(crate) const UNKNOWN_APP: Code = Code::new(5001);
pub(crate) const UNKNOWN_HOST: Code = Code::new(5002);
pub(crate) const MALFORMED_HOST: Code = Code::new(5003);
pub(crate) const MALFORMED_PATH: Code = Code::new(5004);
pub(crate) const UNKNOWN_PATH: Code = Code::new(5005);
pub(crate) const METHOD: Code = Code::new(5006);
pub(crate) const BUSY: Code = Code::new(5007);
const TIMED_OUT: Code = Code::new(5008);
pub(crate) const LEDGER: Code = Code::new(5010);
pub(crate) const RECORD_MISSING: Code = Code::new(5011);
pub(crate) const RECORD_INVALID: Code = Code::new(5012);
pub(crate) const NOT_READY: Code = Code::new(5013);
pub(crate) const QUERY: Code = Code::new(5014);
pub(crate) const FROM_PAGE: Code = Code::new(5015);

/// Of the detail of an error, as much is shown.
const DETAIL_CHARS_MAX: usize = 1000;
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// An error with its answer.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) detail: String,
    /// Methods that would be answered.
    pub(crate) allow: Option<&'static str>,
    /// The request's body stays unread, so the connection cannot be used again.
    pub(crate) close: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), allow: None, close: false }
    }

    fn of(status: StatusCode, code: Code, error: &dyn Error) -> Self {
        Self::new(status, code, chain(error))
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let detail = format!("only {allow} are answered here");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, METHOD, detail) }
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        let detail = format!("no answer within {} ms", limit.as_millis());
        Self::new(StatusCode::GATEWAY_TIMEOUT, TIMED_OUT, detail)
    }

    pub(crate) fn respond(&self, form: Form) -> Response<Body> {
        let (media_type, body) = match form {
            Form::Document => ("application/problem+json", self.document()),
            Form::Page => ("text/html; charset=utf-8", self.page()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if form == Form::Page {
            let policy = HeaderValue::from_static(page::CONTENT_SECURITY_POLICY);
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn title(&self) -> &'static str {
        self.code.explanation().map_or("error", |explanation| explanation.title)
    }

    fn hint(&self) -> &'static str {
        self.code.explanation().map_or("", |explanation| explanation.fix)
    }

    fn document(&self) -> String {
        let mut document = json!({
            "title": self.title(),
            "status": self.status.as_u16(),
            "code": self.code.to_string(),
            "detail": self.detail,
            "hint": self.hint(),
        })
        .to_string();
        document.push('\n');
        document
    }

    fn page(&self) -> String {
        let (title, status, code) = (page::escape(self.title()), self.status.as_u16(), self.code);
        let (detail, hint) = (page::escape(&self.detail), page::escape(self.hint()));
        let body =
            format!("<h1>{status}: {title}</h1><p>{detail}</p><p>{hint}</p><p><code>{code}</code></p>");
        page::page(self.title(), &body)
    }
}

/// In which form the visitor reads an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Document,
    Page,
}

impl Form {
    /// What a browser asks for when it goes to an address; its scripts ask otherwise.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let accept = request.headers().get(header::ACCEPT).map_or(&[][..], HeaderValue::as_bytes);
        let is_page = request.method() == Method::GET && accept.windows(9).any(|part| part == b"text/html");
        if is_page { Self::Page } else { Self::Document }
    }
}

/// The error and its causes in one line, cut off where it is too long for an answer.
pub(crate) fn chain(error: &dyn Error) -> String {
    let text = nubes_base::chain(error);
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((end, _)) => text.split_at(end).0.to_owned(),
        None => text,
    }
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        Self::of(StatusCode::BAD_REQUEST, MALFORMED_HOST, &error)
    }
}

impl From<PathError> for Problem {
    fn from(error: PathError) -> Self {
        Self::of(StatusCode::BAD_REQUEST, MALFORMED_PATH, &error)
    }
}

impl From<TooLongError> for Problem {
    fn from(error: TooLongError) -> Self {
        Self { close: true, ..Self::from(RunError::from(error)) }
    }
}

impl From<&ResolveError> for Problem {
    fn from(error: &ResolveError) -> Self {
        let (status, code) = match error {
            ResolveError::Unknown { .. } => (StatusCode::NOT_FOUND, UNKNOWN_APP),
            ResolveError::Ledger { .. } => (StatusCode::SERVICE_UNAVAILABLE, LEDGER),
            ResolveError::RecordMissing { .. } => (StatusCode::BAD_GATEWAY, RECORD_MISSING),
            ResolveError::Resolver { .. }
            | ResolveError::RecordCid { .. }
            | ResolveError::RecordJson { .. }
            | ResolveError::RecordVersion { .. }
            | ResolveError::RecordName { .. }
            | ResolveError::Route { .. } => (StatusCode::BAD_GATEWAY, RECORD_INVALID),
        };
        Self::of(status, code, error)
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let status = match &error {
            RunError::Load { .. } | RunError::Invalid { .. } | RunError::Trapped { .. } => {
                StatusCode::BAD_GATEWAY
            }
            RunError::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            RunError::OutOfMemory { .. } => StatusCode::INSUFFICIENT_STORAGE,
            RunError::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            RunError::Conflict { .. } | RunError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            RunError::State { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(status, error.code(), &error)
    }
}

#[cfg(test)]
mod tests {
    use super::{DETAIL_CHARS_MAX, Form, chain};
    use http::Request;
    use nubes_base::port::{GetError, RunError};

    #[test]
    fn an_error_is_told_with_its_causes_and_not_endlessly() {
        let source = GetError::Read { source: std::io::Error::other("disk on fire") };
        let error = RunError::Load { function: "api".into(), source };
        let told = "cannot load the code of function api: cannot read the block store: disk on fire";
        assert_eq!(chain(&error), told);
        let error = RunError::Trapped { function: "api".into(), what: "ä".repeat(DETAIL_CHARS_MAX) };
        assert_eq!(chain(&error).chars().count(), DETAIL_CHARS_MAX);
    }

    #[test]
    fn only_a_browser_that_goes_to_an_address_gets_a_page() {
        let form = |method: &str, accept: &str| {
            Form::of(&Request::builder().method(method).header("accept", accept).body(()).unwrap())
        };
        assert_eq!(form("GET", "text/html,application/xml;q=0.9"), Form::Page);
        assert_eq!(form("POST", "text/html"), Form::Document);
        assert_eq!(form("GET", "*/*"), Form::Document);
        assert_eq!(form("GET", ""), Form::Document);
    }
}
