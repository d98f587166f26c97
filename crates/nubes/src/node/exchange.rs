//! The exchange of blocks with IPFS peers, and its part of the node's own API.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /api/v1/peers` | | `{"peers": [{"id", "address", "agent"}]}` |
//! | `POST /api/v1/peers` | `{"address": MULTIADDR}` | `{"id"}`, once connected |
//! | `POST /api/v1/fetch/CID` | | lines of JSON: progress while blocks come, then one with `done` or `error` |
//!
//! A client that goes away ends its fetch; the blocks that came are kept, and the next fetch goes on from there.

use super::{config::ExchangeFile, problem::problem};
use crate::failure::{Exit, Failure};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path as UrlPath, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use cid::Cid;
use futures_util::{future::BoxFuture, stream};
use http::{StatusCode, header};
use nubes_base::{Code, SystemClock, chain};
use nubes_dapi::Mount;
use nubes_exchange::{
    Config, DagError, DagLimits, Exchange, FetchError, Listen, PeerInfo, Progress, StartError,
};
use nubes_storage::{LocalBlocks, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};

const KEY_FILE: &str = "peer.key";
/// How often a fetch says how far it is.
const REPORT_PERIOD: Duration = Duration::from_millis(200);

pub(super) async fn start(file: &ExchangeFile, data: &Path, store: &Store) -> Result<Exchange, Failure> {
    let config = Config {
        key_file: data.join(KEY_FILE),
        listen: Listen { tcp: file.tcp, websocket: file.ws, quic: file.quic },
        // Loopback is not reachable for others, and records stored there would be lost to them.
        routing_server: [file.tcp, file.quic]
            .into_iter()
            .flatten()
            .any(|address| !address.ip().is_loopback()),
    };
    let blocks = Arc::new(LocalBlocks::new(store.clone()));
    let started = Exchange::start(config, blocks, Arc::new(SystemClock)).await;
    started.map_err(|error| {
        let code = if matches!(error, StartError::Listen { .. }) { 1010 } else { 3033 };
        Failure::new(code, Exit::Failure, "IPFS peers cannot be served").because(error)
    })
}

pub(super) fn mounts(exchange: Exchange) -> Vec<Mount> {
    let routes = Router::new()
        .route("/api/v1/peers", get(peers).post(connect))
        .route("/api/v1/fetch/{cid}", post(fetch))
        .with_state(exchange);
    vec![Mount::new("/api/v1/peers", routes.clone()), Mount::new("/api/v1/fetch", routes)]
}

#[derive(Serialize)]
struct Peer {
    id: String,
    address: String,
    agent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    address: String,
}

async fn peers(State(exchange): State<Exchange>) -> Json<Value> {
    let peer = |PeerInfo { id, address, agent }| Peer { id, address, agent };
    let peers: Vec<Peer> = exchange.peers().await.into_iter().map(peer).collect();
    Json(json!({ "peers": peers }))
}

async fn connect(State(exchange): State<Exchange>, body: Bytes) -> Response {
    let target: Target = match serde_json::from_slice(&body) {
        Ok(target) => target,
        Err(error) => return problem(StatusCode::BAD_REQUEST, 3014, &error),
    };
    match exchange.connect(&target.address).await {
        Ok(id) => Json(json!({ "id": id })).into_response(),
        Err(error) => problem(StatusCode::BAD_GATEWAY, 3031, &error),
    }
}

async fn fetch(State(exchange): State<Exchange>, UrlPath(cid): UrlPath<String>) -> Response {
    let cid = match Cid::try_from(cid.as_str()) {
        Ok(cid) => cid,
        Err(error) => return problem(StatusCode::BAD_REQUEST, 3001, &error),
    };
    let body = Body::from_stream(stream::unfold(Some(Fetching::new(exchange, cid)), |fetching| async {
        let (line, fetching) = fetching?.next_line().await;
        Some((Ok::<_, Infallible>(format!("{line}\n")), fetching))
    }));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// A fetch and those who look at it. It runs only while its lines are read.
struct Fetching {
    work: BoxFuture<'static, Result<Progress, DagError>>,
    seen: watch::Receiver<Progress>,
    period: Interval,
}

impl Fetching {
    fn new(exchange: Exchange, root: Cid) -> Self {
        let (report, seen) = watch::channel(Progress::default());
        let work = Box::pin(async move {
            exchange.fetch_dag(root, DagLimits::STANDARD, &|progress| _ = report.send_replace(progress)).await
        });
        let mut period = interval(REPORT_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { work, seen, period }
    }

    /// The next line, and what is left to do after it.
    async fn next_line(mut self) -> (Value, Option<Self>) {
        tokio::select! {
            result = &mut self.work => (last_line(result), None),
            _ = self.period.tick() => {
                let line = line(*self.seen.borrow());
                (line, Some(self))
            }
        }
    }
}

fn line(progress: Progress) -> Value {
    json!({
        "blocks": progress.blocks, "bytes": progress.bytes, "bytesClaimed": progress.bytes_claimed,
        "fetchedBlocks": progress.fetched_blocks, "fetchedBytes": progress.fetched_bytes,
    })
}

fn last_line(result: Result<Progress, DagError>) -> Value {
    match result {
        Ok(progress) => {
            let mut line = line(progress);
            line["done"] = json!(true);
            line
        }
        Err(error) => {
            let code = Code::new(code_of(&error));
            json!({ "error": { "code": code.to_string(), "detail": chain(&error) } })
        }
    }
}

const fn code_of(error: &DagError) -> u16 {
    match error {
        DagError::Fetch(FetchError::NotFound { .. } | FetchError::Busy) => 3032,
        DagError::Fetch(FetchError::Read(_)) => 3016,
        DagError::Fetch(FetchError::Put(_)) => 3017,
        DagError::Fetch(FetchError::Stopped) => 3018,
        DagError::Malformed { .. } => 3010,
        DagError::TooLarge { .. } => 3013,
    }
}
