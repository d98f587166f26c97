//! The loop that owns the swarm and the machine: it turns what happens on sockets into events, and effects into messages.
//!
//! ```text
//!  peer's stream --> reader --> +------+ --> writer --> our one stream to that peer
//!                               | loop |
//!  facade's commands ---------> +------+ --> loads from the store
//! ```
//! One reader per incoming stream, one writer per peer, one task per look-up; all belong to the loop and end with it. Answers
//! never go back over the stream on which a question came: Helia does not read there.

mod frames;
mod handle;
mod routing;
mod streams;
mod swarm;

use crate::bitswap::{Bitswap, Effect, Event, Found, Peer, Session};
use crate::exchange::{ConnectError, FetchError, PeerInfo};
use bytes::Bytes;
use cid::{Cid, multihash::Multihash};
use frames::{Note, Outgoing, Received, WAITING_MESSAGES_MAX};
use futures_util::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify,
    swarm::{ConnectionId, SwarmEvent, dial_opts::DialOpts},
};
use nubes_base::{Clock, port::Blocks};
use routing::Routing;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use streams::Incoming;
use swarm::{Behaviour, BehaviourEvent};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

pub(crate) use handle::{Command, Handle, parse, start};

/// The machine is told that time passed.
const TICK: Duration = Duration::from_secs(1);
/// Streams that are read at once, of all peers.
const READERS_MAX: usize = 4096;

type Hash = Multihash<64>;
type Answer = oneshot::Sender<Result<Bytes, FetchError>>;

struct Network {
    swarm: Swarm<Behaviour>,
    bitswap: Bitswap,
    blocks: Arc<dyn Blocks>,
    clock: Arc<dyn Clock>,
    peers: BTreeMap<PeerId, Connected>,
    names: BTreeMap<Peer, PeerId>,
    next_peer: u64,
    waiting: BTreeMap<Hash, Vec<(Session, Answer)>>,
    dials: BTreeMap<ConnectionId, Dial>,
    routing: Routing,
    addresses: watch::Sender<Vec<String>>,
    tasks: Tasks,
}

/// A connected peer.
struct Connected {
    peer: Peer,
    address: Multiaddr,
    agent: Option<String>,
    queue: mpsc::Sender<Outgoing>,
}

struct Dial {
    address: Multiaddr,
    reply: oneshot::Sender<Result<String, ConnectError>>,
}

/// What works for the loop, and how it reports.
struct Tasks {
    readers: JoinSet<()>,
    writers: JoinSet<()>,
    loads: JoinSet<(Peer, Cid, Found)>,
    room: Arc<Semaphore>,
    received: (mpsc::Sender<Received>, mpsc::Receiver<Received>),
    notes: (mpsc::Sender<Note>, mpsc::Receiver<Note>),
}

impl Network {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => break,
                    Some(command) => self.obey(command),
                },
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(received) = self.tasks.received.1.recv() => self.receive(received),
                Some(note) = self.tasks.notes.1.recv() => self.note(note),
                Some(Ok((peer, cid, found))) = self.tasks.loads.join_next() => {
                    self.on(Event::Loaded { peer, cid, found });
                }
                Some(_) = self.tasks.readers.join_next() => {}
                Some(_) = self.tasks.writers.join_next() => {}
                _ = tick.tick() => self.tick(),
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        drop(self.swarm);
        self.tasks.readers.shutdown().await;
        self.tasks.writers.shutdown().await;
        self.tasks.loads.shutdown().await;
    }

    fn on(&mut self, event: Event) {
        let effects = self.bitswap.handle(self.clock.now(), event);
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send { peer, message, bytes } => {
                let connected = self.names.get(&peer).and_then(|id| self.peers.get(id));
                let sent =
                    connected.is_none_or(|peer| peer.queue.try_send(Outgoing { message, bytes }).is_ok());
                if !sent {
                    self.turn_away(peer, "it does not read");
                }
            }
            Effect::Load { peer, cid, bytes_max } => {
                let blocks = Arc::clone(&self.blocks);
                self.tasks.loads.spawn(async move { (peer, cid, load(&*blocks, &cid, bytes_max).await) });
            }
            Effect::Deliver(block) => {
                let (cid, bytes) = block.into_parts();
                for (_, answer) in self.waiting.remove(cid.hash()).unwrap_or_default() {
                    // Whoever waited may have given up.
                    let _ = answer.send(Ok(bytes.clone()));
                }
            }
            Effect::Refused { cid, .. } => {
                for (_, answer) in self.waiting.remove(cid.hash()).unwrap_or_default() {
                    let _ = answer.send(Err(FetchError::Busy));
                }
            }
            Effect::Disconnect(peer) => self.turn_away(peer, "it does not keep to the protocol"),
        }
    }

    fn turn_away(&mut self, peer: Peer, why: &str) {
        let Some(id) = self.names.get(&peer) else { return };
        tracing::warn!(peer = %id, why, "exchange.disconnect");
        // Fails only if the connection is closing already.
        let _ = self.swarm.disconnect_peer_id(*id);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Want { session, cid, reply } => {
                self.waiting.entry(*cid.hash()).or_default().push((session, reply));
                self.on(Event::Wanted { session, cid });
            }
            Command::Stored { cid } => self.on(Event::Stored(vec![cid])),
            Command::End { session } => {
                self.forget(|own, _| own == session);
                self.on(Event::SessionEnded(session));
            }
            Command::Connect { address, reply } => self.connect(address, reply),
            Command::Peers { reply } => {
                let peers = self.peers.iter().map(|(id, peer)| peer.info(id)).collect();
                let _ = reply.send(peers);
            }
            Command::Provide { cid, reply } => self.routing.provide(&mut self.swarm, &cid, reply),
            Command::Find { cid, reply } => self.routing.find(&mut self.swarm, &cid, reply),
            Command::Stop => {}
        }
    }

    fn connect(&mut self, address: Multiaddr, reply: oneshot::Sender<Result<String, ConnectError>>) {
        let options = DialOpts::from(address.clone());
        let known = named(&address).filter(|id| self.peers.contains_key(id));
        if let Some(id) = known {
            let _ = reply.send(Ok(id.to_string()));
            return;
        }
        let options = if address.iter().count() == 1
            && let Some(id) = named(&address)
        {
            // Only the name: the routing knows the address, or nobody.
            DialOpts::peer_id(id).build()
        } else {
            options
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => _ = self.dials.insert(connection, Dial { address, reply }),
            Err(source) => {
                let source = Box::new(source);
                let _ = reply.send(Err(ConnectError::Dial { address: address.to_string(), source }));
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if let Some(dial) = self.dials.remove(&connection_id) {
                    let _ = dial.reply.send(Ok(peer_id.to_string()));
                }
                self.connected(peer_id, endpoint.get_remote_address().clone());
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => self.disconnected(&peer_id),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(Dial { address, reply }) = self.dials.remove(&connection_id) {
                    let address = address.to_string();
                    let _ = reply.send(Err(ConnectError::Dial { address, source: Box::new(error) }));
                }
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => self.say_addresses(),
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Bitswap(Incoming { peer, stream }) if self.tasks.readers.len() < READERS_MAX => {
                let (room, out) = (Arc::clone(&self.tasks.room), self.tasks.received.0.clone());
                self.tasks.readers.spawn(frames::read(peer, stream, room, out));
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                Routing::identified(&mut self.swarm, peer_id, &info);
                if let Some(connected) = self.peers.get_mut(&peer_id) {
                    connected.agent = Some(info.agent_version);
                }
            }
            BehaviourEvent::Kad(event) => self.routing.progressed(event),
            _ => {}
        }
    }

    fn connected(&mut self, id: PeerId, address: Multiaddr) {
        if self.peers.contains_key(&id) {
            return;
        }
        self.next_peer += 1;
        let peer = Peer(self.next_peer);
        let (queue, messages) = mpsc::channel(WAITING_MESSAGES_MAX);
        self.tasks.writers.spawn(frames::write(id, messages, self.tasks.notes.0.clone()));
        self.peers.insert(id, Connected { peer, address, agent: None, queue });
        self.names.insert(peer, id);
        self.on(Event::Connected(peer));
    }

    fn disconnected(&mut self, id: &PeerId) {
        if let Some(Connected { peer, .. }) = self.peers.remove(id) {
            self.names.remove(&peer);
            self.on(Event::Disconnected(peer));
        }
    }

    fn receive(&mut self, received: Received) {
        let address = self.peers.get(&received.peer).filter(|peer| !self.names.contains_key(&peer.peer));
        if let Some(address) = address.map(|peer| peer.address.clone()) {
            // It was given up as lost, and speaks: it is taken for a new one.
            self.peers.remove(&received.peer);
            self.connected(received.peer, address);
        }
        if let Some(connected) = self.peers.get(&received.peer) {
            let event = Event::Received(connected.peer, received.message);
            self.on(event);
        }
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Open(id, reply) => self.swarm.behaviour_mut().bitswap.open(id, reply),
            Note::Written(id, bytes) => {
                if let Some(&Connected { peer, .. }) = self.peers.get(&id) {
                    self.on(Event::Sent { peer, bytes });
                }
            }
            Note::Lost(id) => {
                // Nothing can be said to it any more. The connection may serve others, such as the routing.
                if let Some(&Connected { peer, .. }) = self.peers.get(&id) {
                    self.names.remove(&peer);
                    self.on(Event::Disconnected(peer));
                }
            }
        }
    }

    fn tick(&mut self) {
        self.forget(|_, answer| answer.is_closed());
        if self.bitswap.is_waiting() {
            self.on(Event::TimePassed);
        }
    }

    /// Drops those that wait and of whom `gone` holds, and the wants that only they had.
    fn forget(&mut self, gone: impl Fn(Session, &Answer) -> bool) {
        let mut left = Vec::new();
        self.waiting.retain(|hash, waiting| {
            let before = waiting.len();
            waiting.retain(|(session, answer)| {
                let gone = gone(*session, answer);
                if gone {
                    left.push((*session, *hash));
                }
                !gone
            });
            before == 0 || !waiting.is_empty()
        });
        for (session, hash) in left {
            let wanted = self.waiting.get(&hash);
            if wanted.is_none_or(|waiting| waiting.iter().all(|(other, _)| *other != session)) {
                // Wants are known by their hash; the codec does not matter.
                let cid = Cid::new_v1(RAW, hash);
                self.on(Event::Unwanted { session, cid });
            }
        }
    }

    fn say_addresses(&self) {
        let id = self.swarm.local_peer_id();
        let mut addresses: Vec<_> =
            self.swarm.listeners().map(|address| format!("{address}/p2p/{id}")).collect();
        addresses.sort_unstable();
        self.addresses.send_replace(addresses);
    }
}

/// Multicodec of bytes without structure.
const RAW: u64 = 0x55;

impl Connected {
    fn info(&self, id: &PeerId) -> PeerInfo {
        PeerInfo { id: id.to_string(), address: self.address.to_string(), agent: self.agent.clone() }
    }
}

/// The peer that an address names at its end.
fn named(address: &Multiaddr) -> Option<PeerId> {
    address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::P2p(id) => Some(id),
        _ => None,
    })
}

async fn load(blocks: &dyn Blocks, cid: &Cid, bytes_max: u64) -> Found {
    let found = async {
        Ok(match blocks.length(cid).await? {
            None => Found::Missing,
            Some(bytes) if bytes > bytes_max => Found::Longer,
            Some(_) => blocks.get(cid).await?.map_or(Found::Missing, Found::Content),
        })
    };
    found.await.unwrap_or_else(|error: nubes_base::port::ReadBlockError| {
        tracing::error!(%cid, error = %error.source, "exchange.load");
        Found::Missing
    })
}
