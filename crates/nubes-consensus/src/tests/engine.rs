//! What an engine refuses to start with.

use super::counter::{Counter, Defect, Load};
use crate::{
    Config, Engine, MachineError, Pacing, Peer, StartError, StateMachine, ValidatorKeys, deal_committee,
    machine::{EthBlock, Slot},
};
use alloy_primitives::B256;
use bytes::Bytes;
use std::{net::TcpListener, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::sync::Notify;

fn config(folder: &TempDir) -> Config {
    let (committee, mut keys) = deal_committee(1, [3; 32]).unwrap();
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let keys = keys.remove(0);
    Config {
        namespace: b"test".to_vec(),
        peers: vec![Peer { identity: keys.identity(), address: listen }],
        keys,
        committee,
        listen,
        storage: folder.path().to_owned(),
        pacing: Pacing { heartbeat: Duration::from_millis(100), leader_timeout: Duration::from_secs(1) },
    }
}

fn counter() -> Arc<Counter> {
    Arc::new(Counter::new(Load::Endless, Defect::None, Arc::default()))
}

#[track_caller]
fn check(change: impl FnOnce(&mut Config), refused: impl FnOnce(&StartError) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    change(&mut config);
    let error = Engine::start(config, counter()).unwrap_err();
    assert!(refused(&error), "{error}");
}

fn stranger() -> ValidatorKeys {
    deal_committee(1, [4; 32]).unwrap().1.remove(0)
}

#[test]
fn a_heartbeat_as_long_as_the_leader_timeout_is_refused() {
    check(
        |config| config.pacing.heartbeat = config.pacing.leader_timeout,
        |error| matches!(error, StartError::Pacing { .. }),
    );
}

#[test]
fn keys_of_another_committee_are_refused() {
    check(|config| config.keys = stranger(), |error| matches!(error, StartError::NotAMember));
}

#[test]
fn the_share_of_another_seat_is_refused() {
    let (committee, keys) = deal_committee(4, [3; 32]).unwrap();
    check(
        |config| {
            config.committee = committee;
            config.keys = ValidatorKeys { signer: keys[0].signer.clone(), share: keys[1].share.clone() };
        },
        |error| matches!(error, StartError::NotAMember),
    );
}

#[test]
fn a_peer_listed_twice_is_refused() {
    check(
        |config| config.peers.push(config.peers[0].clone()),
        |error| matches!(error, StartError::DuplicatePeer),
    );
}

#[test]
fn an_address_in_use_is_refused() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    check(
        |config| config.listen = other.local_addr().unwrap(),
        |error| matches!(error, StartError::Listen { .. }),
    );
}

/// Fails where it is told to.
#[derive(Debug)]
struct Broken {
    inner: Counter,
    at: &'static str,
}

impl Broken {
    fn store(&self, call: &str) -> Result<(), MachineError> {
        if self.at == call {
            return Err(MachineError::Store { source: "disk full".into() });
        }
        Ok(())
    }
}

impl StateMachine for Broken {
    fn genesis(&self) -> EthBlock {
        self.inner.genesis()
    }

    fn head(&self) -> (u64, B256) {
        self.inner.head()
    }

    fn knows(&self, hash: &B256) -> bool {
        self.inner.knows(hash)
    }

    fn build(&self, slot: &Slot) -> Result<EthBlock, MachineError> {
        self.store("build")?;
        self.inner.build(slot)
    }

    fn execute(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        self.inner.execute(block, hash)
    }

    fn finalize(&self, block: &EthBlock, hash: B256) -> Result<(), MachineError> {
        self.store("finalize")?;
        self.inner.finalize(block, hash)
    }

    fn has_work(&self, parent: &B256) -> bool {
        self.inner.has_work(parent)
    }

    fn work(&self) -> &Notify {
        self.inner.work()
    }

    fn hear(&self, batch: Bytes) {
        self.inner.hear(batch);
    }
}

async fn fails_with_its_store(at: &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let inner = Counter::new(Load::Endless, Defect::None, Arc::default());
    let mut engine = Engine::start(config(&folder), Arc::new(Broken { inner, at })).unwrap();
    let error = engine.failed().await;
    assert!(matches!(error, MachineError::Store { .. }), "{error}");
    engine.stop();
}

#[tokio::test]
async fn a_store_that_fails_to_keep_a_final_block_ends_the_engine() {
    fails_with_its_store("finalize").await;
}

#[tokio::test]
async fn a_store_that_fails_while_building_ends_the_engine() {
    fails_with_its_store("build").await;
}
