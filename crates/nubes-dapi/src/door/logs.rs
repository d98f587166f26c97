//! `/api/v1/apps/{name}/logs`: what an app's functions print, one JSON document a line, or as server-sent
//! events for a page (`Accept: text/event-stream`).
//!
//! A line that is printed while the request arrives may come twice, once from the store and once live; none
//! is lost.

use super::{House, front};
use crate::problem::{self, Form, Problem};
use axum::{
    body::Body,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
};
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderValue, Response, StatusCode, header};
use nubes_base::port::LogLine;
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc};

/// Lines that are sent at once, whatever the request asks for.
pub(crate) const LINES_MAX: usize = 10_000;
const LINES: usize = 100;

#[derive(Deserialize)]
pub(super) struct Parameters {
    lines: Option<usize>,
    follow: Option<Switch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Switch {
    #[serde(rename = "1", alias = "true")]
    On,
    #[serde(rename = "0", alias = "false")]
    Off,
}

pub(super) async fn logs(
    State(house): State<Arc<House>>,
    Path(name): Path<String>,
    query: Result<Query<Parameters>, QueryRejection>,
    request: Request,
) -> Response<Body> {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        EVENTS
    } else {
        LINES_OF_JSON
    };
    let lines = match query {
        Ok(Query(parameters)) => lines(&house, &name, &parameters).await,
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, problem::QUERY, error.body_text())),
    };
    match lines {
        Ok(lines) => format.respond(lines),
        Err(problem) => problem.respond(Form::of(&request)),
    }
}

async fn lines(
    house: &House,
    name: &str,
    parameters: &Parameters,
) -> Result<BoxStream<'static, LogLine>, Problem> {
    let app = front::find(house, name).await?;
    // Followed first: what is printed in between comes twice rather than never.
    let live = (parameters.follow == Some(Switch::On)).then(|| house.ports.logs.follow());
    let tail = house.ports.logs.tail(&app.name, parameters.lines.unwrap_or(LINES).min(LINES_MAX));
    let tail = stream::iter(tail);
    let Some(live) = live else { return Ok(tail.boxed()) };
    let name = app.name.clone();
    let live = live.filter(move |line| std::future::ready(line.app == name));
    Ok(tail.chain(live.take_until(house.closing.clone().cancelled_owned())).boxed())
}

struct Format {
    media_type: &'static str,
    before: &'static [u8],
    after: &'static [u8],
}

const LINES_OF_JSON: Format = Format { media_type: "application/x-ndjson", before: b"", after: b"\n" };
const EVENTS: Format = Format { media_type: "text/event-stream", before: b"data: ", after: b"\n\n" };

impl Format {
    fn respond(self, lines: BoxStream<'static, LogLine>) -> Response<Body> {
        let Self { media_type, before, after } = self;
        let chunks = lines.map(move |line| {
            let mut chunk = before.to_vec();
            // Writing JSON of texts and numbers to memory cannot fail.
            let _ = serde_json::to_writer(&mut chunk, &line);
            chunk.extend_from_slice(after);
            Ok::<_, Infallible>(Bytes::from(chunk))
        });
        let mut response = Response::new(Body::from_stream(chunks));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
