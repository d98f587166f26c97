//! A part of Kubo's RPC below `/api/v0`, so that tools made for Kubo (`kubo-rpc-client`, `ipfs-deploy`, …) work with a node.
//!
//! | calls | differ from Kubo in |
//! |---|---|
//! | `id`, `version`, `repo/stat`, `swarm/{connect,peers}`, `resolve` | the version is the node's own; `/ipfs` paths only |
//! | `add` | chunkers `size-N` only; no trickle, inline, nocopy, mode, mtime; hash SHA-256 |
//! | `name/resolve` | records that the node knows, and linked domains as the gateway knows them |
//! | `cat`, `get`, `ls`, `files/stat`, `refs` | what is here, nothing is fetched; `/ipfs` paths only; `get` does not compress |
//! | `block/{put,get,stat}`, `dag/{put,get,import,export,resolve}` | SHA-256 and SHA-512; CAR version 1; `put` converts DAG-JSON and DAG-CBOR |
//! | `pin/{add,ls,rm,update}` | `add` fetches what is missing; `rm` removes all pins of a CID, those of the pinning service too |
//!
//! As in Kubo only POST is answered, errors are `{"Message", "Code", "Type": "error"}`, and lines of JSON come where a call
//! gives many. An error after the first line breaks the answer off.
//!
//! These calls have no key, so no page of a browser may reach them: what carries an `Origin` or a `Referer`, or comes from a
//! browser without one, is refused (403), as Kubo does with pages that are not its own.

mod about;
mod add;
mod args;
mod block;
mod codec;
mod dag;
mod error;
mod lines;
mod multipart;
mod name;
mod path;
mod pin;
mod read;
mod refs;
mod timeout;

use crate::gateway::Gateway;
use crate::pins::Pinner;
use crate::store::Store;
use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::Semaphore;

/// What the calls need to know of the node.
#[derive(Clone, Debug)]
pub struct About {
    /// Of the program.
    pub version: String,
    /// The storage folder.
    pub folder: PathBuf,
    /// Largest upload.
    pub upload_bytes_max: u64,
}

#[derive(Clone, Debug)]
struct Rpc {
    pinner: Pinner,
    gateway: Gateway,
    about: About,
    adds: Arc<Semaphore>,
}

impl Rpc {
    const fn store(&self) -> &Store {
        self.pinner.store()
    }
}

/// The routes below `/api/v0`.
pub fn routes(pinner: Pinner, gateway: Gateway, about: About) -> Router {
    let calls = Router::new()
        .route("/id", post(about::id))
        .route("/version", post(about::version))
        .route("/repo/stat", post(about::repository))
        .route("/swarm/connect", post(about::connect))
        .route("/swarm/peers", post(about::peers))
        .route("/add", post(add::add))
        .route("/cat", post(read::cat))
        .route("/get", post(read::get))
        .route("/ls", post(read::ls))
        .route("/files/stat", post(read::stat))
        .route("/resolve", post(read::resolve))
        .route("/name/resolve", post(name::resolve))
        .route("/refs", post(refs::refs))
        .route("/block/put", post(block::put))
        .route("/block/get", post(block::get))
        .route("/block/stat", post(block::stat))
        .route("/dag/put", post(dag::put))
        .route("/dag/get", post(dag::get))
        .route("/dag/resolve", post(dag::resolve))
        .route("/dag/import", post(dag::import))
        .route("/dag/export", post(dag::export))
        .route("/pin/add", post(pin::add))
        .route("/pin/ls", post(pin::ls))
        .route("/pin/rm", post(pin::rm))
        .route("/pin/update", post(pin::update));
    Router::new()
        .nest("/api/v0", calls)
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found\n"))
        .with_state(Rpc { pinner, gateway, about, adds: Arc::new(Semaphore::new(add::ADDS_MAX)) })
        .layer(middleware::from_fn(timeout::keep))
        .layer(middleware::from_fn(refuse_browsers))
}

async fn refuse_browsers(request: Request, next: Next) -> Response {
    if is_from_browser(request.headers()) {
        return (StatusCode::FORBIDDEN, "403 - Forbidden\n").into_response();
    }
    next.run(request).await
}

// A browser sends an `Origin` with every POST, but old ones did not with forms; and a page can leave out the `Referer`, but
// not change the name of the browser.
pub(crate) fn is_from_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map(http::HeaderValue::as_bytes).unwrap_or_default();
    headers.contains_key(header::ORIGIN)
        || headers.contains_key(header::REFERER)
        || agent.starts_with(b"Mozilla")
}

#[cfg(test)]
mod tests;
