//! Who has what: Kademlia provider records, as the Amino network of IPFS keeps them.

use super::swarm::Behaviour;
use crate::exchange::RoutingError;
use cid::Cid;
use libp2p::{
    PeerId, Swarm, identify,
    kad::{self, GetProvidersOk, QueryId, QueryResult, RecordKey},
};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// Providers that one search remembers.
const PROVIDERS_MAX: usize = 64;
/// Addresses of one peer that are kept for the routing.
const ADDRESSES_PER_PEER_MAX: usize = 16;

type Providing = oneshot::Sender<Result<(), RoutingError>>;
type Finding = oneshot::Sender<Result<Vec<String>, RoutingError>>;

/// Questions that run.
#[derive(Debug, Default)]
pub(super) struct Routing {
    provides: Vec<(QueryId, Providing)>,
    searches: Vec<(QueryId, BTreeSet<PeerId>, Finding)>,
}

impl Routing {
    pub(super) fn identified(swarm: &mut Swarm<Behaviour>, peer: PeerId, info: &identify::Info) {
        if info.protocols.contains(&kad::PROTOCOL_NAME) {
            for address in info.listen_addrs.iter().take(ADDRESSES_PER_PEER_MAX) {
                swarm.behaviour_mut().kad.add_address(&peer, address.clone());
            }
        }
    }

    pub(super) fn provide(&mut self, swarm: &mut Swarm<Behaviour>, cid: &Cid, reply: Providing) {
        let started = knows_somebody(swarm).and_then(|()| {
            swarm.behaviour_mut().kad.start_providing(key(cid)).map_err(|_| RoutingError::TooMany)
        });
        match started {
            Ok(query) => self.provides.push((query, reply)),
            Err(error) => _ = reply.send(Err(error)),
        }
    }

    pub(super) fn find(&mut self, swarm: &mut Swarm<Behaviour>, cid: &Cid, reply: Finding) {
        match knows_somebody(swarm) {
            Ok(()) => {
                let query = swarm.behaviour_mut().kad.get_providers(key(cid));
                self.searches.push((query, BTreeSet::new(), reply));
            }
            Err(error) => _ = reply.send(Err(error)),
        }
    }

    pub(super) fn progressed(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { id, result, step, .. } = event else { return };
        match result {
            QueryResult::StartProviding(result) => {
                if let Some(at) = self.provides.iter().position(|(query, _)| *query == id) {
                    let (_, reply) = self.provides.swap_remove(at);
                    let _ = reply.send(result.map(|_| ()).map_err(|_| RoutingError::TimedOut));
                }
            }
            QueryResult::GetProviders(result) => {
                let Some(at) = self.searches.iter().position(|(query, ..)| *query == id) else { return };
                if let Ok(GetProvidersOk::FoundProviders { providers, .. }) = &result {
                    let found = &mut self.searches[at].1;
                    found.extend(providers.iter().take(PROVIDERS_MAX.saturating_sub(found.len())));
                }
                if step.last {
                    let (_, found, reply) = self.searches.swap_remove(at);
                    let timed_out = result.is_err() && found.is_empty();
                    let found = found.iter().map(ToString::to_string).collect();
                    let _ = reply.send(if timed_out { Err(RoutingError::TimedOut) } else { Ok(found) });
                }
            }
            _ => {}
        }
    }
}

fn knows_somebody(swarm: &mut Swarm<Behaviour>) -> Result<(), RoutingError> {
    let known = swarm.behaviour_mut().kad.kbuckets().next().is_some();
    if known { Ok(()) } else { Err(RoutingError::NobodyKnown) }
}

fn key(cid: &Cid) -> RecordKey {
    RecordKey::new(&cid.hash().to_bytes())
}
