//! `/api/v1/pins`: the node's own API for pins.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /api/v1/pins` | | `{"pins": [PIN]}`, the newest first; with `?name=` those so named |
//! | `POST /api/v1/pins` | `{"cid", "mode"?, "name"?}` | PIN: pinned if all of it is here, else queued; no second one of a CID |
//! | `DELETE /api/v1/pins/CID` | | `{"removed": n}`: all pins of the CID are gone; with `?name=` those so named |
//!
//! A PIN is `{"id", "cid", "mode", "status", "created", "name"?, "details"?}`.

use super::{Mode, Pin, PinError, Pinner, Wish, WishError};
use crate::problem::Problem;
use crate::query::Query;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::HeaderMap,
    routing::{delete, get},
};
use cid::Cid;
use http::{StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest body of a wish.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The routes that list, make and remove pins.
pub fn routes(pinner: Pinner) -> Router {
    Router::new()
        .route("/api/v1/pins", get(list).post(add))
        .route("/api/v1/pins/{cid}", delete(remove))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(pinner)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    cid: String,
    mode: Option<String>,
    name: Option<String>,
}

async fn list(State(pinner): State<Pinner>, uri: Uri) -> Result<Json<Value>, Problem> {
    let (mut pins, name) = (Vec::new(), named(&uri)?);
    pinner.pins().newest_first(|pin| {
        if name.is_none() || pin.wish.name() == name.as_deref() {
            pins.push(document(&pin));
        }
        true
    })?;
    Ok(Json(json!({ "pins": pins })))
}

async fn add(
    State(pinner): State<Pinner>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    // A page elsewhere can have a browser send text without asking, but not JSON.
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(';').next().unwrap_or_default().trim() == "application/json")
    });
    if !is_json {
        let detail = "the body's type has to be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3014, detail));
    }
    let pin = pinner.promise_once(wish(&body)?).await?;
    let status = if pin.status.is_waiting() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    Ok((status, Json(document(&pin))))
}

fn wish(body: &[u8]) -> Result<Wish, Problem> {
    let wanted: Wanted = serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, 3014, error.to_string()))?;
    let cid = Cid::try_from(wanted.cid.as_str()).map_err(|error| Problem::cid(&error))?;
    let mode = wanted.mode.as_deref().unwrap_or(Mode::Recursive.name());
    let mode = Mode::of(mode).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, 3042, format!("`{mode}` is neither recursive nor direct"))
    })?;
    Ok(Wish::new(cid, mode).named(wanted.name)?)
}

async fn remove(
    State(pinner): State<Pinner>,
    Path(cid): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let cid = Cid::try_from(cid.as_str()).map_err(|error| Problem::cid(&error))?;
    let removed = match named(&uri)? {
        Some(name) => pinner.pins().remove_named(&cid, &name)?.len(),
        None => pinner.pins().remove_cid(&cid)?.len(),
    };
    if removed == 0 {
        return Err(Problem::new(StatusCode::NOT_FOUND, 3041, format!("{cid} is not pinned")));
    }
    Ok(Json(json!({ "removed": removed })))
}

/// The name that the query gives.
fn named(uri: &Uri) -> Result<Option<String>, Problem> {
    let query = Query::of(uri)
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, 3042, "the query is not UTF-8"))?;
    Ok(query.first("name").map(str::to_owned))
}

fn document(pin: &Pin) -> Value {
    let mut document = json!({
        "id": pin.id.to_string(),
        "cid": pin.wish.cid().to_string(),
        "mode": pin.wish.mode().name(),
        "status": pin.status.name(),
        "created": pin.id.created(),
    });
    let optional = [("name", pin.wish.name()), ("details", pin.details.as_deref())];
    for (key, value) in optional.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        document[key] = json!(value);
    }
    document
}

impl From<WishError> for Problem {
    fn from(error: WishError) -> Self {
        Self::of(StatusCode::BAD_REQUEST, 3042, &error)
    }
}

impl From<PinError> for Problem {
    fn from(error: PinError) -> Self {
        let (status, code) = match error {
            PinError::Full => (StatusCode::INSUFFICIENT_STORAGE, 3040),
            PinError::Recursive { .. } => (StatusCode::CONFLICT, 3042),
            PinError::Store { .. } => (StatusCode::INSUFFICIENT_STORAGE, 3017),
            PinError::Foreign { .. } => (StatusCode::INTERNAL_SERVER_ERROR, 3044),
        };
        Self::of(status, code, &error)
    }
}
