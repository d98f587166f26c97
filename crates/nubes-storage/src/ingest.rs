//! Adding content over HTTP: the storage part of a node's own API.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `POST /api/v1/car` | a CAR of version 1, streamed | `{"roots": [CID], "blocks": n, "bytes": n}` |
//! | `POST /api/v1/blocks/missing` | `{"cids": [CID]}` | `{"missing": [CID]}`: those that are not here |
//! | `POST /api/v1/files` | a file's bytes, streamed | `{"cid": CID, "bytes": n}` |
//!
//! Without `?pin=NAME` a collection removes what was added. With it the roots, or the file, are pinned under that name before
//! the answer; if a collection that ran meanwhile took blocks that were sent before, the answer is 409 and NX3050: send what
//! is missing. A CAR of a header alone pins what is here already.
//!
//! An answer means that everything is durable. A refused upload may leave blocks behind; they are true to their CIDs and
//! sending again does not store them twice. Who may call, and for what price, is decided in front of these routes.

use crate::car::{Decoder, Item};
use crate::pins::{Mode, Pinner, Wish};
use crate::problem::Problem;
use crate::query::Query;
use crate::store::Batches;
use crate::unixfs::{self, BuildError, ImportError};
use axum::{
    Json, Router,
    body::{self, Body},
    extract::{Request, State},
    routing::post,
};
use bytes::Bytes;
use cid::Cid;
use futures_util::{Stream, TryStreamExt};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::future;

/// CIDs in one question for missing blocks.
pub const CIDS_MAX: usize = 20_000;
/// Longest body of that question.
const CIDS_BYTES_MAX: usize = CIDS_MAX * 128;
/// What one upload may weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngestLimits {
    pub car_bytes_max: u64,
    pub file_bytes_max: u64,
}

#[derive(Clone, Debug)]
struct Ingest {
    pinner: Pinner,
    limits: IngestLimits,
}

/// The routes that add content.
pub fn routes(pinner: Pinner, limits: IngestLimits) -> Router {
    Router::new()
        .route("/api/v1/car", post(add_car))
        .route("/api/v1/blocks/missing", post(find_missing))
        .route("/api/v1/files", post(add_file))
        .with_state(Ingest { pinner, limits })
}

#[derive(Debug, Serialize)]
struct CarAdded {
    roots: Vec<String>,
    blocks: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct FileAdded {
    cid: String,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    cids: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Missing {
    missing: Vec<String>,
}

async fn add_car(State(ingest): State<Ingest>, request: Request) -> Result<Json<CarAdded>, Problem> {
    let promise = Promise::of(request.uri())?;
    let mut chunks = limited(request.into_body(), ingest.limits.car_bytes_max);
    let mut upload = Batches::new(ingest.pinner.store().clone());
    let (mut decoder, mut roots) = (Decoder::default(), Vec::new());
    let mut added = CarAdded { roots: Vec::new(), blocks: 0, bytes: 0 };
    while let Some(chunk) = chunks.try_next().await.map_err(ChunkError::into_problem)? {
        decoder.push(chunk);
        while let Some(item) = decoder.next_item().map_err(|error| Problem::decode(&error))? {
            match item {
                Item::Roots(all) => roots = all,
                Item::Block(block) => {
                    added.blocks += 1;
                    added.bytes += block.bytes().len() as u64;
                    upload.push(block).await?;
                }
            }
        }
    }
    decoder.finish().map_err(|error| Problem::decode(&error))?;
    upload.finish().await?;
    promise.keep(&ingest.pinner, &roots).await?;
    added.roots = roots.iter().map(ToString::to_string).collect();
    Ok(Json(added))
}

async fn find_missing(State(ingest): State<Ingest>, request: Request) -> Result<Json<Missing>, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, 3014, detail);
    let body = body::to_bytes(request.into_body(), CIDS_BYTES_MAX).await;
    let body = body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, 3013, "the list is too long"))?;
    let question: Question = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    if question.cids.len() > CIDS_MAX {
        return Err(bad(format!("{} CIDs, more than {CIDS_MAX}", question.cids.len())));
    }
    let mut missing = Vec::new();
    for text in question.cids {
        let cid = Cid::try_from(text.as_str()).map_err(|error| Problem::cid(&error))?;
        if !ingest.pinner.store().has(&cid).await? {
            missing.push(text);
        }
    }
    Ok(Json(Missing { missing }))
}

async fn add_file(State(ingest): State<Ingest>, request: Request) -> Result<Json<FileAdded>, Problem> {
    let promise = Promise::of(request.uri())?;
    let chunks = limited(request.into_body(), ingest.limits.file_bytes_max);
    let built = unixfs::import_stream(ingest.pinner.store(), chunks).await.map_err(import_problem)?;
    promise.keep(&ingest.pinner, &[built.cid]).await?;
    Ok(Json(FileAdded { cid: built.cid.to_string(), bytes: built.bytes }))
}

/// Under which name what was added is kept, if it is.
struct Promise(Option<String>);

impl Promise {
    /// Refuses before anything is read, not after everything is stored.
    fn of(uri: &Uri) -> Result<Self, Problem> {
        let query = Query::of(uri)
            .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, 3042, "the query is not UTF-8"))?;
        let name = query.first("pin").map(str::to_owned);
        Wish::new(Cid::default(), Mode::Recursive).named(name.clone())?;
        Ok(Self(name))
    }

    async fn keep(self, pinner: &Pinner, roots: &[Cid]) -> Result<(), Problem> {
        let Some(name) = self.0 else { return Ok(()) };
        // Not during the upload: a slow one would keep a collection, and who waits behind it, from their work.
        let _adding = pinner.pins().adding().await;
        for root in roots {
            pinner.keep_named(Wish::new(*root, Mode::Recursive).named(Some(name.clone()))?).await?;
        }
        Ok(())
    }
}

fn import_problem(error: ImportError) -> Problem {
    match &error {
        ImportError::Build(BuildError::Read { source, .. }) => {
            match source.get_ref().and_then(|source| source.downcast_ref::<ChunkError>()) {
                Some(ChunkError::TooLarge { bytes_max }) => {
                    ChunkError::TooLarge { bytes_max: *bytes_max }.into_problem()
                }
                _ => error.into(),
            }
        }
        _ => error.into(),
    }
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
enum ChunkError {
    #[error("the upload exceeds {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("the upload broke off")]
    Broken {
        #[source]
        source: axum::Error,
    },
}

impl ChunkError {
    fn into_problem(self) -> Problem {
        let (status, code) = match self {
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, 3013),
            Self::Broken { .. } => (StatusCode::BAD_REQUEST, 3015),
        };
        Problem::new(status, code, self.to_string())
    }
}

fn limited(body: Body, bytes_max: u64) -> impl Stream<Item = Result<Bytes, ChunkError>> + Unpin {
    let mut bytes = 0_u64;
    body.into_data_stream().map_err(|source| ChunkError::Broken { source }).and_then(move |chunk| {
        bytes += chunk.len() as u64;
        future::ready(if bytes > bytes_max { Err(ChunkError::TooLarge { bytes_max }) } else { Ok(chunk) })
    })
}

#[cfg(test)]
mod tests;
