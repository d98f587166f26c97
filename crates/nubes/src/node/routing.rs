//! Delegated routing v1 for content and peers: who does not speak the DHT asks here over HTTP.
//!
//! | call | answer |
//! |---|---|
//! | `GET /routing/v1/providers/CID` | this node if it can give the block, and whoever told the DHT that he can |
//! | `GET /routing/v1/peers/PEER` | where this node, or a peer that is connected to it, is reached |
//!
//! This node gives a block that is here over bitswap and over its trustless gateway. What only the providers of its deals have it
//! gives over the gateway alone, which brings it when it is asked for (`[gateway] providers`).
//!
//! JSON, or lines of JSON for `Accept: application/x-ndjson`; an empty list where nothing is known (IPIP-513).

use super::{keepers::Providers, problem::problem};
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use cid::Cid;
use http::{HeaderMap, StatusCode, header};
use nubes_base::port::{Blocks, ReadBlockError};
use nubes_dapi::Mount;
use nubes_exchange::Exchange;
use nubes_storage::{LocalBlocks, Store};
use serde_json::{Value, json};
use std::{
    error::Error,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

/// How content is given, in the words of the specification.
const BITSWAP: &str = "transport-bitswap";
const HTTP_GATEWAY: &str = "transport-ipfs-gateway-http";
const NDJSON: &str = "application/x-ndjson";
/// The DHT may take longer than a browser waits.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);
/// What is known may be kept for so long, and that nothing is known for less (as the specification has it).
const FOUND_MAX_AGE_S: u32 = 300;
const NOTHING_MAX_AGE_S: u32 = 15;

#[derive(Clone, Debug)]
pub(super) struct Routing {
    pub(super) exchange: Exchange,
    pub(super) store: Store,
    /// None: what is not here is not brought.
    pub(super) keepers: Option<Arc<Providers>>,
    /// Where the front door listens.
    pub(super) door: SocketAddr,
}

pub(super) fn mounts(routing: Routing) -> Vec<Mount> {
    let routes = Router::new()
        .route("/routing/v1/providers/{cid}", get(providers))
        .route("/routing/v1/peers/{peer}", get(peers))
        .with_state(routing);
    vec![Mount::new("/routing/v1/providers", routes.clone()), Mount::new("/routing/v1/peers", routes)]
}

impl Routing {
    /// Multiaddrs of this node without the peer id, which has a field of its own.
    fn addresses(&self) -> Vec<String> {
        let addresses = self.exchange.addresses();
        let bare = |address: &String| address.split("/p2p/").next().unwrap_or_default().to_owned();
        addresses.iter().map(bare).collect()
    }

    /// How this node gives a block; none if it cannot.
    async fn own(&self, cid: &Cid) -> Result<Option<Value>, ReadBlockError> {
        let is_here = LocalBlocks::new(self.store.clone()).has(cid).await?;
        let (mut addresses, mut protocols) = (Vec::new(), Vec::new());
        if is_here {
            addresses = self.addresses();
            protocols.push(BITSWAP);
        }
        if let Some(gateway) = gateway_address(self.door)
            && (is_here || self.is_kept(cid).await)
        {
            addresses.push(gateway);
            protocols.push(HTTP_GATEWAY);
        }
        let is_given = !protocols.is_empty();
        Ok(is_given.then(|| record(&self.exchange.peer_id(), &addresses, &protocols)))
    }

    /// Whether somebody else keeps what the gateway would bring.
    async fn is_kept(&self, cid: &Cid) -> bool {
        let Some(keepers) = &self.keepers else { return false };
        Box::pin(keepers.keep(cid)).await.unwrap_or_else(|error| {
            // What is known without the market is an answer all the same.
            tracing::warn!(error = &error as &dyn Error, "routing does not know what deals keep");
            false
        })
    }
}

/// None: the door listens at every address of the machine, and which of them others reach is not known here.
fn gateway_address(door: SocketAddr) -> Option<String> {
    let (ip, port) = (door.ip(), door.port());
    let kind = if matches!(ip, IpAddr::V4(_)) { "ip4" } else { "ip6" };
    (!ip.is_unspecified()).then(|| format!("/{kind}/{ip}/tcp/{port}/http"))
}

fn record(id: &str, addresses: &[String], protocols: &[&str]) -> Value {
    json!({ "Schema": "peer", "ID": id, "Addrs": addresses, "Protocols": protocols })
}

async fn providers(State(routing): State<Routing>, Path(cid): Path<String>, headers: HeaderMap) -> Response {
    let cid = match Cid::try_from(cid.as_str()) {
        Ok(cid) => cid,
        Err(error) => return problem(StatusCode::BAD_REQUEST, 3001, &error),
    };
    let mut found = Vec::new();
    match routing.own(&cid).await {
        Ok(own) => found.extend(own),
        Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, 3016, &error),
    }
    // Nobody may answer there; what is known here is an answer all the same.
    if let Ok(Ok(others)) = timeout(SEARCH_TIMEOUT, routing.exchange.find_providers(&cid)).await {
        let own = routing.exchange.peer_id();
        found.extend(others.iter().filter(|id| **id != own).map(|id| record(id, &[], &[BITSWAP])));
    }
    answer("Providers", &found, &headers)
}

async fn peers(State(routing): State<Routing>, Path(peer): Path<String>, headers: HeaderMap) -> Response {
    if peer == routing.exchange.peer_id() {
        let own = record(&peer, &routing.addresses(), &[BITSWAP]);
        return answer("Peers", &[own], &headers);
    }
    let connected = routing.exchange.peers().await;
    let found = connected.iter().filter(|other| other.id == peer);
    let found = found.map(|other| {
        let address = other.address.split("/p2p/").next().unwrap_or_default();
        record(&other.id, &[address.to_owned()], &[BITSWAP])
    });
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

#[cfg(test)]
mod tests {
    use super::gateway_address;

    #[test]
    fn the_doors_address_is_a_multiaddr_unless_it_is_all_of_them() {
        for (door, expect) in [
            ("127.0.0.1:8080", Some("/ip4/127.0.0.1/tcp/8080/http")),
            ("[::1]:80", Some("/ip6/::1/tcp/80/http")),
            ("0.0.0.0:8080", None),
            ("[::]:8080", None),
        ] {
            assert_eq!(gateway_address(door.parse().unwrap()).as_deref(), expect, "{door}");
        }
    }
}
