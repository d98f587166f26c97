//! `/routing/v1/ipns/{name}`: records over HTTP (delegated routing, version 1).

use super::{KeyName, Lookup, PutError, RECORD_BYTES_MAX, Records};
use crate::problem::Problem;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use nubes_base::Clock;
use std::sync::Arc;

const MEDIA_TYPE: &str = "application/vnd.ipfs.ipns-record";

#[derive(Clone)]
struct Routing {
    records: Records,
    clock: Arc<dyn Clock>,
}

/// Reads and takes records.
pub fn routes(records: Records, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/routing/v1/ipns/{name}", get(find).put(take))
        .layer(DefaultBodyLimit::max(RECORD_BYTES_MAX))
        .with_state(Routing { records, clock })
}

fn key(name: &str) -> Result<KeyName, Problem> {
    KeyName::parse(name).ok_or_else(|| {
        let detail = format!("`{name}` is not the CID of a key");
        Problem::new(StatusCode::BAD_REQUEST, 3022, detail)
    })
}

async fn find(State(routing): State<Routing>, Path(name): Path<String>) -> Result<Response, Problem> {
    let key = key(&name)?;
    match routing.records.get(&key, routing.clock.now()) {
        Ok(Lookup::Valid(record)) => {
            let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
            Ok((headers, record.bytes).into_response())
        }
        Ok(Lookup::Invalid(_) | Lookup::Unknown) => {
            Err(Problem::new(StatusCode::NOT_FOUND, 3023, format!("no valid record of {key} is kept here")))
        }
        Err(source) => Err(PutError::Store { source }.into()),
    }
}

async fn take(
    State(routing): State<Routing>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    routing.records.put(&key(&name)?, body, routing.clock.now())?;
    Ok(StatusCode::OK)
}
