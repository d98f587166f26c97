//! Delegated routing v1 for content and peers: who does not speak the DHT asks here over HTTP.
//!
//! | call | answer |
//! |---|---|
//! | `GET /routing/v1/providers/CID` | this node if it has the block, and whoever told the DHT so |
//! | `GET /routing/v1/peers/PEER` | where this node, or a peer that is connected to it, is reached |
//!
//! JSON, or lines of JSON for `Accept: application/x-ndjson`; an empty list where nothing is known (IPIP-513).

use super::problem::problem;
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use cid::Cid;
use http::{HeaderMap, StatusCode, header};
use nubes_base::port::Blocks;
use nubes_dapi::Mount;
use nubes_exchange::Exchange;
use nubes_storage::{LocalBlocks, Store};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

const NDJSON: &str = "application/x-ndjson";
/// The DHT may take longer than a browser waits.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);
/// What is known may be kept for so long, and that nothing is known for less (as the specification has it).
const FOUND_MAX_AGE_S: u32 = 300;
const NOTHING_MAX_AGE_S: u32 = 15;

#[derive(Clone, Debug)]
struct Routing {
    exchange: Exchange,
    store: Store,
}

pub(super) fn mounts(exchange: Exchange, store: Store) -> Vec<Mount> {
    let routes = Router::new()
        .route("/routing/v1/providers/{cid}", get(providers))
        .route("/routing/v1/peers/{peer}", get(peers))
        .with_state(Routing { exchange, store });
    vec![Mount::new("/routing/v1/providers", routes.clone()), Mount::new("/routing/v1/peers", routes)]
}

impl Routing {
    /// Multiaddrs of this node without the peer id, which has a field of its own.
    fn own(&self) -> Value {
        let addresses = self.exchange.addresses();
        let addresses = addresses.iter().map(|address| address.split("/p2p/").next().unwrap_or_default());
        record(&self.exchange.peer_id(), &addresses.collect::<Vec<_>>())
    }
}

fn record(id: &str, addresses: &[&str]) -> Value {
    json!({ "Schema": "peer", "ID": id, "Addrs": addresses, "Protocols": ["transport-bitswap"] })
}

async fn providers(State(routing): State<Routing>, Path(cid): Path<String>, headers: HeaderMap) -> Response {
    let cid = match Cid::try_from(cid.as_str()) {
        Ok(cid) => cid,
        Err(error) => return problem(StatusCode::BAD_REQUEST, 3001, &error),
    };
    let mut found = Vec::new();
    match LocalBlocks::new(routing.store.clone()).has(&cid).await {
        Ok(true) => found.push(routing.own()),
        Ok(false) => {}
        Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, 3016, &error),
    }
    // Nobody may answer there; what is known here is an answer all the same.
    if let Ok(Ok(others)) = timeout(SEARCH_TIMEOUT, routing.exchange.find_providers(&cid)).await {
        let own = routing.exchange.peer_id();
        found.extend(others.iter().filter(|id| **id != own).map(|id| record(id, &[])));
    }
    answer("Providers", &found, &headers)
}

async fn peers(State(routing): State<Routing>, Path(peer): Path<String>, headers: HeaderMap) -> Response {
    if peer == routing.exchange.peer_id() {
        return answer("Peers", &[routing.own()], &headers);
    }
    let connected = routing.exchange.peers().await;
    let found = connected.iter().filter(|other| other.id == peer);
    let found =
        found.map(|other| record(&other.id, &[other.address.split("/p2p/").next().unwrap_or_default()]));
    answer("Peers", &found.collect::<Vec<_>>(), &headers)
}

fn answer(name: &str, records: &[Value], headers: &HeaderMap) -> Response {
    let max_age_s = if records.is_empty() { NOTHING_MAX_AGE_S } else { FOUND_MAX_AGE_S };
    let wants = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, body) = if wants.contains(NDJSON) {
        (NDJSON, records.iter().fold(String::new(), |lines, record| format!("{lines}{record}\n")))
    } else {
        ("application/json", json!({ name: records }).to_string())
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CACHE_CONTROL, format!("public, max-age={max_age_s}")),
        (header::VARY, "Accept".to_owned()),
        // Browsers of any origin ask.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    (headers, body).into_response()
}
