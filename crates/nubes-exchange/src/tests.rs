mod dag;
mod sockets;

use crate::{Config, Exchange, Listen};
use nubes_base::SystemClock;
use nubes_testkit::blocks::MemoryBlocks;
use std::{net::SocketAddr, sync::Arc};

/// A node with its blocks in memory, on loopback.
struct Node {
    exchange: Exchange,
    blocks: Arc<MemoryBlocks>,
    _dir: tempfile::TempDir,
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const EVERYWHERE: Listen = Listen { tcp: Some(ANY_PORT), websocket: Some(ANY_PORT), quic: Some(ANY_PORT) };

impl Node {
    async fn start(listen: Listen) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { key_file: dir.path().join("peer.key"), listen, routing_server: true };
        let blocks = Arc::new(MemoryBlocks::default());
        let exchange =
            Exchange::start(config, Arc::clone(&blocks) as _, Arc::new(SystemClock)).await.unwrap();
        Self { exchange, blocks, _dir: dir }
    }

    /// Its address over the transport that `part` is in.
    fn address(&self, part: &str) -> String {
        let plain = part == "/tcp/";
        let fits = |address: &String| address.contains(part) && !(plain && address.contains("/ws"));
        self.exchange.addresses().into_iter().find(fits).unwrap()
    }
}
