//! Two and more nodes over real sockets on loopback.

use super::{EVERYWHERE, Node};
use crate::{Config, ConnectError, Exchange, FetchError, Listen, RoutingError, StartError};
use nubes_base::{SystemClock, port::Blocks};
use nubes_testkit::blocks::{MemoryBlocks, raw};
use std::{sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);
/// Parts of an address that only one transport has.
const TRANSPORTS: [&str; 3] = ["/tcp/", "/ws/", "/quic-v1"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_is_fetched_over_each_transport() {
    for transport in TRANSPORTS {
        let (one, other) = (Node::start(EVERYWHERE).await, Node::start(Listen::default()).await);
        let (cid, bytes) = raw(vec![7; 100_000]);
        one.blocks.put(vec![(cid, bytes.clone())]).await.unwrap();
        let named = other.exchange.connect(&one.address(transport)).await.unwrap();
        assert_eq!(named, one.exchange.peer_id());
        assert_eq!(other.exchange.fetch(&cid, PATIENCE).await.unwrap(), bytes, "{transport}");
        assert!(other.blocks.has(&cid).await.unwrap(), "what is fetched is stored");
        let peers = other.exchange.peers().await;
        assert_eq!(peers.len(), 1);
        assert!(peers[0].address.contains(transport.trim_end_matches('/')), "{peers:?}");
        one.exchange.stop().await;
        other.exchange.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_to_can_fetch_too() {
    let (one, other) = (Node::start(EVERYWHERE).await, Node::start(EVERYWHERE).await);
    let (cid, bytes) = raw("the other way round");
    other.blocks.put(vec![(cid, bytes.clone())]).await.unwrap();
    other.exchange.connect(&one.address("/tcp/")).await.unwrap();
    assert_eq!(one.exchange.fetch(&cid, PATIENCE).await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_nobody_has_is_waited_for_and_comes_when_somebody_gets_it() {
    let (one, two, three) =
        (Node::start(EVERYWHERE).await, Node::start(EVERYWHERE).await, Node::start(EVERYWHERE).await);
    let (cid, bytes) = raw("late");
    one.exchange.connect(&two.address("/tcp/")).await.unwrap();
    let missing = one.exchange.fetch(&cid, SHORT).await.unwrap_err();
    assert!(matches!(missing, FetchError::NotFound { .. }), "{missing}");
    let waiting = one.exchange.fetch(&cid, PATIENCE);
    let comes = async {
        three.blocks.put(vec![(cid, bytes.clone())]).await.unwrap();
        two.exchange.connect(&three.address("/tcp/")).await.unwrap();
        two.exchange.fetch(&cid, PATIENCE).await.unwrap()
    };
    let (waited, _) = tokio::join!(waiting, comes);
    assert_eq!(waited.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_in_turn_leave_nothing_behind() {
    let one = Node::start(EVERYWHERE).await;
    let (cid, bytes) = raw(vec![1; 3000]);
    one.blocks.put(vec![(cid, bytes.clone())]).await.unwrap();
    for round in 0..30 {
        let other = Node::start(Listen::default()).await;
        other.exchange.connect(&one.address(TRANSPORTS[round % 3])).await.unwrap();
        assert_eq!(other.exchange.fetch(&cid, PATIENCE).await.unwrap(), bytes, "round {round}");
        other.exchange.stop().await;
    }
}

#[tokio::test]
async fn a_peer_keeps_its_name_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        || Config { key_file: dir.path().join("peer.key"), listen: Listen::default(), routing_server: false };
    let start = || Exchange::start(config(), Arc::new(MemoryBlocks::default()), Arc::new(SystemClock));
    let first = start().await.unwrap();
    let name = first.peer_id();
    first.stop().await;
    assert_eq!(start().await.unwrap().peer_id(), name);
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_said() {
    let (one, other) = (Node::start(EVERYWHERE).await, Node::start(Listen::default()).await);
    let nonsense = other.exchange.connect("localhost:4001").await.unwrap_err();
    assert!(matches!(nonsense, ConnectError::Address { .. }), "{nonsense}");
    let nobody = other.exchange.connect("/ip4/127.0.0.1/tcp/1").await.unwrap_err();
    assert!(matches!(nobody, ConnectError::Dial { .. }), "{nobody}");
    let address = one.address("/tcp/");
    let (place, _) = address.split_once("/p2p/").unwrap();
    let impostor = format!("{place}/p2p/{}", other.exchange.peer_id());
    other.exchange.connect(&impostor).await.unwrap_err();
    let stranger = format!("{place}/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA");
    other.exchange.connect(&stranger).await.unwrap_err();
    other.exchange.connect(place).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_said() {
    let one = Node::start(EVERYWHERE).await;
    let address = one.address("/tcp/");
    let port = address.split('/').nth(4).unwrap().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let listen = Listen { tcp: Some(taken), ..Listen::default() };
    let config = Config { key_file: dir.path().join("peer.key"), listen, routing_server: false };
    let blocks = Arc::new(MemoryBlocks::default());
    let error = Exchange::start(config, blocks, Arc::new(SystemClock)).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
}

#[tokio::test]
async fn a_stopped_exchange_answers_nothing() {
    let one = Node::start(EVERYWHERE).await;
    one.exchange.stop().await;
    let (cid, _) = raw("x");
    assert!(matches!(one.exchange.fetch(&cid, PATIENCE).await, Err(FetchError::Stopped)));
    assert!(matches!(one.exchange.connect("/ip4/127.0.0.1/tcp/1").await, Err(ConnectError::Stopped)));
    assert!(one.exchange.peers().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_are_found_through_the_routing() {
    let (server, one, other) =
        (Node::start(EVERYWHERE).await, Node::start(EVERYWHERE).await, Node::start(EVERYWHERE).await);
    let (cid, bytes) = raw("announced");
    assert!(matches!(other.exchange.find_providers(&cid).await, Err(RoutingError::NobodyKnown)));
    one.blocks.put(vec![(cid, bytes.clone())]).await.unwrap();
    for node in [&one, &other] {
        node.exchange.connect(&server.address("/tcp/")).await.unwrap();
        // A block that the server has not: its answer shows that the peers have been introduced to each other.
        let _ = node.exchange.fetch(&raw("nowhere").0, SHORT).await;
    }
    one.exchange.provide(&cid).await.unwrap();
    let providers = other.exchange.find_providers(&cid).await.unwrap();
    assert_eq!(providers, [one.exchange.peer_id()]);
    other.exchange.connect(&format!("/p2p/{}", providers[0])).await.unwrap();
    assert_eq!(other.exchange.fetch(&cid, PATIENCE).await.unwrap(), bytes);
}
