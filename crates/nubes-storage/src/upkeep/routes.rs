//! `/api/v1/store`: the operator's API of the block store.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /api/v1/store` | | a STATUS |
//! | `POST /api/v1/store/collect` | | `{"removedBlocks", "removedBytes", "freedBytes", "storedBytes", "unusedBytes"}` |
//! | `POST /api/v1/store/check` | | a CHECK |
//! | `POST /api/v1/store/backup` | `{"dir"}`, on the node's machine | `{"dir", "blocks", "segments", "bytes"}` |
//!
//! A STATUS is `{"engine", "blocks", "bytes", "segments", "storedBytes", "unusedBytes", "bytesMax", "freeBytesMin", "pins",
//! "lastCheck"}`, without a quota with null as `bytesMax`. `lastCheck` is a CHECK or null. The `engine` is `segments` or
//! `bucket`; a bucket has no segments and no backup, and null as `bytesMax` and `freeBytesMin`.
//! A CHECK is `{"at", "blocks", "bytes", "damagedBlocks", "damaged": [{"cid", "what"}]}`.
//! `unusedBytes` are those of removed blocks in segments that are more than half kept; a later collection frees them.
//!
//! An answer comes when the work is done. These calls have no key, so no page of a browser may make them.

use super::{Checked, Freed, Status, Upkeep};
use crate::kubo::is_from_browser;
use crate::problem::Problem;
use crate::segments::{Config, Damage, Stats};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Longest body of a call.
const BODY_BYTES_MAX: usize = 16 << 10;
/// Damaged blocks that an answer names.
const NAMED_MAX: usize = 100;

/// The routes that look after the store.
pub fn routes(upkeep: Upkeep) -> Router {
    Router::new()
        .route("/api/v1/store", get(status))
        .route("/api/v1/store/collect", post(collect))
        .route("/api/v1/store/check", post(check))
        .route("/api/v1/store/backup", post(backup))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(refuse_browsers))
        .with_state(upkeep)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    dir: PathBuf,
}

async fn refuse_browsers(request: Request, next: Next) -> Response {
    if is_from_browser(request.headers()) {
        let detail = "no page of a browser may look after the store";
        return Problem::new(StatusCode::FORBIDDEN, 3055, detail).into_response();
    }
    next.run(request).await
}

async fn status(State(upkeep): State<Upkeep>) -> Result<Json<Value>, Problem> {
    let Status { stats, pins, last_check } = upkeep.status().await?;
    let sizes = upkeep.store().config();
    let quota = sizes.map(|Config { stored_bytes_max, .. }| stored_bytes_max);
    Ok(Json(json!({
        "engine": upkeep.store().engine(),
        "blocks": stats.blocks,
        "bytes": stats.bytes,
        "segments": stats.segments,
        "storedBytes": stats.stored_bytes,
        "unusedBytes": unused(&stats),
        "bytesMax": quota.filter(|bytes| *bytes != u64::MAX),
        "freeBytesMin": sizes.map(|sizes| sizes.free_bytes_min),
        "pins": pins,
        "lastCheck": last_check.as_ref().map(document),
    })))
}

async fn collect(State(upkeep): State<Upkeep>) -> Result<Json<Value>, Problem> {
    let Freed { collected, freed_bytes, left } = upkeep.collect().await?;
    Ok(Json(json!({
        "removedBlocks": collected.removed_blocks,
        "removedBytes": collected.removed_bytes,
        "freedBytes": freed_bytes,
        "storedBytes": left.stored_bytes,
        "unusedBytes": unused(&left),
    })))
}

async fn check(State(upkeep): State<Upkeep>) -> Result<Json<Value>, Problem> {
    Ok(Json(document(&upkeep.check().await?)))
}

async fn backup(State(upkeep): State<Upkeep>, body: Bytes) -> Result<Json<Value>, Problem> {
    let Wanted { dir } = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, 3014, error.to_string()))?;
    let backup = upkeep.backup(&dir).await?;
    Ok(Json(json!({
        "dir": dir, "blocks": backup.blocks, "segments": backup.segments, "bytes": backup.bytes,
    })))
}

/// Of removed blocks in segments that are more than half kept.
const fn unused(stats: &Stats) -> u64 {
    stats.stored_bytes.saturating_sub(stats.live_bytes)
}

fn document(Checked { at, scrub }: &Checked) -> Value {
    let named = scrub.damaged.iter().take(NAMED_MAX);
    let damaged: Vec<Value> =
        named.map(|Damage { cid, what, .. }| json!({ "cid": cid.to_string(), "what": what })).collect();
    json!({
        "at": at,
        "blocks": scrub.blocks,
        "bytes": scrub.bytes,
        "damagedBlocks": scrub.damaged_blocks,
        "damaged": damaged,
    })
}
