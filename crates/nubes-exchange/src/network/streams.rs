//! Bitswap's streams as libp2p sees them: hands over those that peers open, and opens those that are asked for.
//!
//! Not `libp2p-stream`: its queue of incoming streams holds one, and a second one that comes in the same moment is dropped
//! without a word. Helia opens a stream per message, so that would lose messages.

use crate::message::Version;
use futures_util::future::{Ready, ready};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, InboundUpgrade, OutboundUpgrade, UpgradeInfo, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent,
        ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use std::{
    collections::VecDeque,
    convert::Infallible,
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// Newest first: that is the order of our offer.
const PROTOCOLS: [(StreamProtocol, Version); 4] = [
    (StreamProtocol::new("/ipfs/bitswap/1.2.0"), Version::V1_2),
    (StreamProtocol::new("/ipfs/bitswap/1.1.0"), Version::V1_1),
    (StreamProtocol::new("/ipfs/bitswap/1.0.0"), Version::V1_0),
    (StreamProtocol::new("/ipfs/bitswap"), Version::V1_0),
];
/// Streams of one connection that wait to be taken over; the connection's task does that at its next turn.
const WAITING_STREAMS_MAX: usize = 256;

/// A stream and the dialect that was agreed on.
pub(super) type Agreed = (Stream, Version);

/// A peer opened a stream.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) peer: PeerId,
    pub(super) stream: Stream,
}

/// Asks for a stream. The reply is dropped if there will be none: the connection broke, or bitswap is not spoken.
#[derive(Debug)]
pub(super) struct Open {
    reply: oneshot::Sender<Agreed>,
}

#[derive(Debug, Default)]
pub(super) struct Streams {
    // Polled by the loop that owns the swarm after each call of `open`, hence no waker.
    events: VecDeque<ToSwarm<Incoming, Open>>,
}

impl Streams {
    pub(super) fn open(&mut self, peer_id: PeerId, reply: oneshot::Sender<Agreed>) {
        let event = Open { reply };
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event });
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Incoming;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, stream: THandlerOutEvent<Self>) {
        self.events.push_back(ToSwarm::GenerateEvent(Incoming { peer, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Incoming, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Handler {
    incoming: VecDeque<Stream>,
    opens: VecDeque<Open>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Stream;
    type InboundProtocol = Negotiation;
    type OutboundProtocol = Negotiation;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Open;

    fn listen_protocol(&self) -> SubstreamProtocol<Negotiation> {
        SubstreamProtocol::new(Negotiation, ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Negotiation, Open, Stream>> {
        if let Some(open) = self.opens.pop_front() {
            let protocol = SubstreamProtocol::new(Negotiation, open);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        let stream = self.incoming.pop_front().map(ConnectionHandlerEvent::NotifyBehaviour);
        stream.map_or(Poll::Pending, Poll::Ready)
    }

    fn on_behaviour_event(&mut self, open: Open) {
        self.opens.push_back(open);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Negotiation, Negotiation, (), Open>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, _), ..
            }) if self.incoming.len() < WAITING_STREAMS_MAX => {
                self.incoming.push_back(stream);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                // Whoever asked may have gone; the stream is closed then.
                let _ = info.reply.send(protocol);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                tracing::debug!(%error, "no bitswap stream");
            }
            _ => {}
        }
    }
}

/// Agrees on a dialect; bytes are not touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiation;

impl UpgradeInfo for Negotiation {
    type Info = StreamProtocol;
    type InfoIter = std::array::IntoIter<StreamProtocol, 4>;

    fn protocol_info(&self) -> Self::InfoIter {
        PROTOCOLS.map(|(protocol, _)| protocol).into_iter()
    }
}

fn agreed(stream: Stream, protocol: &StreamProtocol) -> Ready<Result<Agreed, Infallible>> {
    let version =
        PROTOCOLS.iter().find(|(own, _)| own == protocol).map_or(Version::V1_2, |(_, version)| *version);
    ready(Ok((stream, version)))
}

impl InboundUpgrade<Stream> for Negotiation {
    type Output = Agreed;
    type Error = Infallible;
    type Future = Ready<Result<Agreed, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        agreed(stream, &protocol)
    }
}

impl OutboundUpgrade<Stream> for Negotiation {
    type Output = Agreed;
    type Error = Infallible;
    type Future = Ready<Result<Agreed, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        agreed(stream, &protocol)
    }
}
