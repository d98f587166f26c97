//! Real engines over loopback.

use super::counter::{Counter, Defect, Disk, Load};
use crate::{Committee, Config, Engine, Pacing, Peer, StateMachine, ValidatorKeys, deal_committee};
use std::{net::TcpListener, sync::Arc, time::Duration};
use tempfile::TempDir;

const SOON: Duration = Duration::from_mins(1);
/// Far longer than any pause of a chain that is alive: leader timeout, skip timeout and a margin.
const QUIET: Duration = Duration::from_secs(6);

struct Seat {
    keys: ValidatorKeys,
    disk: Arc<Disk>,
    running: Option<(Engine, Arc<Counter>)>,
}

struct Cluster {
    committee: Committee,
    peers: Vec<Peer>,
    seats: Vec<Seat>,
    load: Load,
    pacing: Pacing,
    folder: TempDir,
}

impl Cluster {
    fn start(validators: u32, load: Load) -> Self {
        let (committee, keys) = deal_committee(validators, [9; 32]).unwrap();
        let listeners: Vec<_> = keys.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap());
        let peers =
            keys.iter().zip(addresses).map(|(keys, address)| Peer { identity: keys.identity(), address });
        let peers = peers.collect();
        drop(listeners);
        let seats = keys.into_iter().map(|keys| Seat { keys, disk: Arc::default(), running: None }).collect();
        let pacing = Pacing { heartbeat: Duration::from_secs(2), leader_timeout: Duration::from_secs(3) };
        let mut cluster =
            Self { committee, peers, seats, load, pacing, folder: tempfile::tempdir().unwrap() };
        (0..cluster.seats.len()).for_each(|index| cluster.resume(index));
        cluster
    }

    fn resume(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let machine = Arc::new(Counter::new(self.load, Defect::None, Arc::clone(&seat.disk)));
        let config = Config {
            namespace: b"test".to_vec(),
            keys: seat.keys.clone(),
            committee: self.committee.clone(),
            peers: self.peers.clone(),
            listen: self.peers[index].address,
            storage: self.folder.path().join(index.to_string()),
            pacing: self.pacing,
        };
        let engine = Engine::start(config, Arc::clone(&machine) as Arc<dyn StateMachine>).unwrap();
        seat.running = Some((engine, machine));
    }

    fn stop(&mut self, index: usize) {
        let (engine, _) = self.seats[index].running.take().unwrap();
        engine.stop();
    }

    fn machine(&self, index: usize) -> &Arc<Counter> {
        &self.seats[index].running.as_ref().unwrap().1
    }

    fn engine(&self, index: usize) -> &Engine {
        &self.seats[index].running.as_ref().unwrap().0
    }

    fn running(&self) -> impl Iterator<Item = &Arc<Counter>> {
        self.seats.iter().filter_map(|seat| seat.running.as_ref()).map(|(_, machine)| machine)
    }

    fn height(&self) -> u64 {
        self.running().map(|machine| machine.head().0).max().unwrap()
    }

    #[track_caller]
    fn all_reach(&self, height: u64) {
        for machine in self.running() {
            assert!(machine.reaches(height, SOON), "stuck at {}, not {height}", machine.head().0);
        }
    }

    /// The chains of all machines are one chain.
    #[track_caller]
    fn agree(&self) {
        let chains: Vec<_> = self.running().map(|machine| machine.hashes()).collect();
        let common = chains.iter().map(Vec::len).min().unwrap();
        for chain in &chains {
            assert_eq!(chain[..common], chains[0][..common]);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (engine, _) in self.seats.iter_mut().filter_map(|seat| seat.running.take()) {
            engine.stop();
        }
    }
}

#[test]
fn a_single_validator_makes_blocks_and_continues_after_a_restart() {
    let mut cluster = Cluster::start(1, Load::Endless);
    cluster.all_reach(20);
    cluster.stop(0);
    cluster.resume(0);
    let before = cluster.height();
    assert!(before >= 20);
    cluster.all_reach(before + 20);
}

#[test]
fn four_validators_agree_and_survive_the_loss_of_one_and_of_two_slow() {
    let mut cluster = Cluster::start(4, Load::Endless);
    cluster.all_reach(20);
    cluster.agree();

    cluster.stop(3);
    cluster.all_reach(cluster.height() + 20);
    cluster.resume(3);
    cluster.all_reach(cluster.height() + 10);
    cluster.agree();

    cluster.stop(2);
    cluster.stop(3);
    // What was certified before the stop may still become final.
    let last = cluster.height() + 3;
    assert!(!cluster.machine(0).reaches(last, QUIET), "two of four went on");
    cluster.resume(2);
    cluster.resume(3);
    cluster.all_reach(last + 10);
    cluster.agree();
}

#[test]
fn a_validator_that_was_away_for_500_blocks_catches_up_slow() {
    let mut cluster = Cluster::start(4, Load::Endless);
    cluster.all_reach(5);
    cluster.stop(3);
    let away = cluster.height() + 500;
    assert!(cluster.machine(0).reaches(away, 4 * SOON), "at {}", cluster.height());
    cluster.resume(3);
    cluster.all_reach(away);
    cluster.agree();
}

#[test]
fn an_idle_chain_beats_slowly_and_takes_a_transaction_at_once_slow() {
    let cluster = Cluster::start(4, Load::Clients);
    cluster.all_reach(1);
    for (turn, nonce) in (0..21_u64).enumerate() {
        let sender = cluster.machine(turn % 4);
        cluster.engine(turn % 4).gossip().send(nonce.to_be_bytes().to_vec().into());
        sender.submit(nonce);
        for machine in cluster.running() {
            assert!(machine.includes(nonce, SOON));
        }
    }
    assert!(cluster.height() < 60, "an idle chain made {} blocks", cluster.height());
    assert_eq!(cluster.machine(0).sum(), (1..=21).sum::<u64>());
    cluster.agree();
}

#[test]
fn a_batch_over_the_limit_is_dropped_and_one_at_the_limit_arrives() {
    let cluster = Cluster::start(4, Load::Clients);
    cluster.all_reach(1);
    let gossip = cluster.engine(0).gossip();
    gossip.send(vec![0; crate::BATCH_BYTES_MAX + 1].into());
    let nonce = 0x0101_0101_0101_0101_u64;
    gossip.send(vec![1; crate::BATCH_BYTES_MAX].into());
    for machine in cluster.running() {
        assert!(machine.includes(nonce, SOON));
        assert!(!machine.includes(0, Duration::ZERO));
    }
}

#[tokio::test]
async fn metrics_tell_what_consensus_did() {
    let cluster = Cluster::start(1, Load::Endless);
    cluster.all_reach(3);
    let metrics = cluster.engine(0).metrics().await.unwrap();
    assert!(metrics.contains("engine_"), "{metrics}");
}
