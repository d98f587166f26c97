//! The IPFS Pinning Service API, version 1.0.0, below `/psa`.
//!
//! | call | answer |
//! |---|---|
//! | `GET /psa/pins?cid&name&match&status&before&after&limit&meta` | the newest 10, or `limit`, that all filters hold for |
//! | `POST /psa/pins` | a new pin; pinned at once if all of it is here, else queued |
//! | `GET /psa/pins/ID` | one pin |
//! | `POST /psa/pins/ID` | a new pin in place of the old one |
//! | `DELETE /psa/pins/ID` | 202, and it is gone |
//!
//! Every call carries the node's one token (`Authorization: Bearer TOKEN`); without it the answer is 401. So any page may
//! call: a browser does not send this header by itself. Without `status` only what is pinned is listed, as the API wants.
//! The delegates are the addresses at which this node takes part in the exchange of blocks.

mod filter;

use super::{Mode, Pin, PinError, PinId, Pinner, Wish, WishError};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use cid::Cid;
use filter::Filter;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use multihash_codetable::{Code, MultihashDigest};
use nubes_base::chain;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// Longest body of a wish: notes, origins and a name.
const BODY_BYTES_MAX: usize = 128 << 10;
/// Delegates in an answer (Pinning Service API).
const DELEGATES_MAX: usize = 20;
/// Shortest token that can be made.
pub const TOKEN_CHARS_MIN: usize = 32;

/// What a caller has to know. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Make a longer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token has fewer than {TOKEN_CHARS_MIN} characters")]
pub struct TokenError;

impl Token {
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = text.into();
        if text.chars().count() < TOKEN_CHARS_MIN { Err(TokenError) } else { Ok(Self(text)) }
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let expected = format!("Bearer {}", self.0);
        // Hashes are compared, so that the time says nothing about how much of a guess was right.
        Code::Sha2_256.digest(given) == Code::Sha2_256.digest(expected.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The routes below `/psa`.
pub fn routes(pinner: Pinner, token: Token) -> Router {
    Router::new()
        .route("/psa/pins", get(list).post(add))
        .route("/psa/pins/{requestid}", get(one).post(replace).delete(remove))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such call"))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "there is no such call")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(pinner)
        .layer(middleware::from_fn_with_state(token, admit))
}

async fn admit(State(token): State<Token>, request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else if token.is_in(request.headers()) {
        next.run(request).await
    } else {
        let details = "the access token is missing or not that of this node";
        Failure::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", details).into_response()
    };
    let open = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in open {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Deserialize)]
struct Wanted {
    cid: String,
    name: Option<String>,
    origins: Option<Vec<String>>,
    meta: Option<BTreeMap<String, String>>,
}

async fn list(State(pinner): State<Pinner>, uri: Uri) -> Result<Json<Value>, Failure> {
    let filter = Filter::of(&uri).map_err(|error| Failure::bad(error.to_string()))?;
    let own = delegates(&pinner);
    // Every pin is looked at, which may take longer than other requests should wait.
    let work = tokio::task::spawn_blocking(move || -> Result<Value, PinError> {
        let (mut count, mut results) = (0_u64, Vec::new());
        pinner.pins().newest_first(|pin| {
            if filter.fits(&pin) {
                count += 1;
                if results.len() < filter.limit {
                    results.push(document(&pin, &own));
                }
            }
            true
        })?;
        Ok(json!({ "count": count, "results": results }))
    });
    let listed = work.await.map_err(|_| Failure::stopping())?;
    Ok(Json(listed?))
}

async fn add(State(pinner): State<Pinner>, body: Bytes) -> Result<(StatusCode, Json<Value>), Failure> {
    let pin = pinner.promise(wish(&body)?).await?;
    Ok((StatusCode::ACCEPTED, Json(document(&pin, &delegates(&pinner)))))
}

async fn one(State(pinner): State<Pinner>, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    let pin = pinner.pins().get(number(&id)?)?.ok_or_else(|| Failure::unknown(&id))?;
    Ok(Json(document(&pin, &delegates(&pinner))))
}

async fn replace(
    State(pinner): State<Pinner>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (old, wish) = (number(&id)?, wish(&body)?);
    let pin = pinner.promise_instead(old, wish).await?.ok_or_else(|| Failure::unknown(&id))?;
    Ok((StatusCode::ACCEPTED, Json(document(&pin, &delegates(&pinner)))))
}

async fn remove(State(pinner): State<Pinner>, Path(id): Path<String>) -> Result<Response, Failure> {
    if !pinner.pins().remove(number(&id)?)? {
        return Err(Failure::unknown(&id));
    }
    Ok((StatusCode::ACCEPTED, Body::empty()).into_response())
}

/// An id that this node cannot have given is as unknown as one that it has not.
fn number(id: &str) -> Result<PinId, Failure> {
    id.parse().map_err(|_| Failure::unknown(id))
}

fn wish(body: &[u8]) -> Result<Wish, Failure> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| Failure::bad(error.to_string()))?;
    let cid = Cid::try_from(wanted.cid.as_str())
        .map_err(|error| Failure::bad(format!("`cid` is no CID: {error}")))?;
    let wish = Wish::new(cid, Mode::Recursive).named(wanted.name)?;
    Ok(wish.with_origins(wanted.origins.unwrap_or_default())?.with_meta(wanted.meta.unwrap_or_default())?)
}

fn delegates(pinner: &Pinner) -> Vec<String> {
    let addresses = pinner.peers().own().map(|own| own.addresses).unwrap_or_default();
    addresses.into_iter().take(DELEGATES_MAX).collect()
}

fn document(pin: &Pin, delegates: &[String]) -> Value {
    let mut own = json!({ "cid": pin.wish.cid().to_string() });
    if let Some(name) = pin.wish.name() {
        own["name"] = json!(name);
    }
    if !pin.wish.origins().is_empty() {
        own["origins"] = json!(pin.wish.origins());
    }
    if !pin.wish.meta().is_empty() {
        own["meta"] = json!(pin.wish.meta());
    }
    let mut document = json!({
        "requestid": pin.id.to_string(),
        "status": pin.status.name(),
        "created": filter::moment(pin.id.created()),
        "pin": own,
        "delegates": delegates,
    });
    if let Some(details) = &pin.details {
        document["info"] = json!({ "status_details": details });
    }
    document
}

/// An answer that is an error, as the API has it.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    reason: &'static str,
    details: String,
}

impl Failure {
    fn new(status: StatusCode, reason: &'static str, details: impl Into<String>) -> Self {
        Self { status, reason, details: details.into() }
    }

    fn bad(details: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", details)
    }

    fn unknown(id: &str) -> Self {
        let shown: String = id.chars().take(64).collect();
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no pin request `{shown}`"))
    }

    fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "STOPPING", "the node is going down")
    }
}

impl From<WishError> for Failure {
    fn from(error: WishError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        if matches!(error, PinError::Full) {
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "FULL", error.to_string());
        }
        tracing::error!(error = chain(&error), "storage.pins");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let document = json!({ "error": { "reason": self.reason, "details": self.details } });
        (self.status, Json(document)).into_response()
    }
}
