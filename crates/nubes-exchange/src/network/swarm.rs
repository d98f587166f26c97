//! The libp2p side, put together: transports, and the protocols beside bitswap.

use super::streams::Streams;
use crate::exchange::{Config, StartError};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    identify,
    identity::Keypair,
    kad::{self, store::MemoryStore},
    multiaddr::Protocol,
    noise, ping,
    swarm::NetworkBehaviour,
    tcp, yamux,
};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

/// A connection over which nothing happens for this long is closed.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_mins(10);
/// With 4096 streams the connection's budget of 1 GiB leaves 256 KiB of window to each. It must not be less streams: rust-yamux
/// refuses frames over 1 MiB and js-yamux sends frames as long as the window, so that a wider one would end the connection.
const YAMUX_STREAMS_MAX: usize = 4096;
/// Established connections: all, and with one peer (both may dial at once).
const CONNECTIONS_MAX: u32 = 256;
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Connections that are being made, in each direction.
const PENDING_CONNECTIONS_MAX: u32 = 64;

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) kad: kad::Behaviour<MemoryStore>,
    pub(super) bitswap: Streams,
}

pub(super) async fn build(key: &Keypair, config: &Config) -> Result<Swarm<Behaviour>, StartError> {
    let refuse = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Transport { source };
    let swarm = SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexer)
        .map_err(|error| refuse(error.into()))?
        .with_quic()
        .with_dns()
        .map_err(|error| refuse(error.into()))?
        .with_websocket(noise::Config::new, multiplexer)
        .await
        .map_err(|error| refuse(error.into()))?;
    let behaviour = behaviour(key, config);
    let swarm = swarm.with_behaviour(|_| behaviour).map_err(|error| refuse(error.into()))?;
    let settings =
        |settings: libp2p::swarm::Config| settings.with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT);
    Ok(swarm.with_swarm_config(settings).build())
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS_MAX);
    config
}

fn behaviour(key: &Keypair, config: &Config) -> Behaviour {
    let peer = PeerId::from(key.public());
    let about = identify::Config::new("ipfs/0.1.0".to_owned(), key.public())
        .with_agent_version(format!("nubes/{}", env!("CARGO_PKG_VERSION")));
    let routing = kad::Config::new(StreamProtocol::new("/ipfs/kad/1.0.0"));
    let mut kad = kad::Behaviour::with_config(peer, MemoryStore::new(peer), routing);
    let mode = if config.routing_server { kad::Mode::Server } else { kad::Mode::Client };
    kad.set_mode(Some(mode));
    let limits = ConnectionLimits::default()
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_pending_incoming(Some(PENDING_CONNECTIONS_MAX))
        .with_max_pending_outgoing(Some(PENDING_CONNECTIONS_MAX));
    Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(about),
        ping: ping::Behaviour::default(),
        kad,
        bitswap: Streams::default(),
    }
}

/// Where to listen, as libp2p says it.
pub(super) fn listen_addresses(config: &Config) -> Vec<Multiaddr> {
    let tcp = |address: SocketAddr| Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()));
    let udp = |address: SocketAddr| Multiaddr::from(address.ip()).with(Protocol::Udp(address.port()));
    let websocket = |address| tcp(address).with(Protocol::Ws("/".into()));
    let quic = |address| udp(address).with(Protocol::QuicV1);
    [config.listen.tcp.map(tcp), config.listen.websocket.map(websocket), config.listen.quic.map(quic)]
        .into_iter()
        .flatten()
        .collect()
}

/// libp2p shares its TCP ports (`SO_REUSEPORT`), so that a second node on the same port would start and get half of the
/// connections. A socket that does not share shows whether somebody is there.
pub(super) fn check_free(config: &Config) -> Result<(), StartError> {
    for address in [config.listen.tcp, config.listen.websocket].into_iter().flatten() {
        TcpListener::bind(address)
            .map_err(|source| StartError::Listen { address: address.to_string(), source })?;
    }
    Ok(())
}
