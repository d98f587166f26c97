//! An error as HTTP clients read it (RFC 9457), for the routes that the composition root has itself.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use nubes_base::{Code, chain};
use serde_json::json;

pub(super) fn problem(status: StatusCode, code: u16, error: &dyn std::error::Error) -> Response {
    let code = Code::new(code);
    let (title, hint) = code.explanation().map_or(("error", ""), |entry| (entry.title, entry.fix));
    let document = json!({
        "title": title, "status": status.as_u16(), "code": code.to_string(), "detail": chain(error), "hint": hint,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], format!("{document}\n")).into_response()
}
