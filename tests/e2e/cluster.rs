//! Four validators as four processes: one may die, two stop the chain without a fork, who comes back catches up.

use nubes_tests::{NodeProcess, Rpc, Wallet, free_port_base, nubes};
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tokio::time::timeout;

/// A block more takes a heartbeat at most; leader changes around a dead validator take a few timeouts.
const PROGRESS_TIMEOUT: Duration = Duration::from_mins(1);
const STALL_OBSERVED: Duration = Duration::from_secs(8);

struct Cluster {
    _dir: tempfile::TempDir,
    dirs: Vec<PathBuf>,
    nodes: Vec<Option<NodeProcess>>,
}

impl Cluster {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = free_port_base().unwrap().to_string();
        let args =
            ["network", "init", "--validators", "4", "--output", "net", "--port-base", &base, "--json"];
        let made = nubes(dir.path(), &args).await.unwrap();
        assert!(made.status.success(), "{made:?}");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let dirs: Vec<PathBuf> =
            made["nodes"].as_array().unwrap().iter().map(|d| dir.path().join(d.as_str().unwrap())).collect();
        let mut cluster = Self { _dir: dir, nodes: Vec::new(), dirs };
        cluster.nodes.resize_with(4, || None);
        for index in 0..4 {
            cluster.run(index).await;
        }
        cluster
    }

    async fn run(&mut self, index: usize) {
        let dir = &self.dirs[index];
        self.nodes[index] =
            Some(NodeProcess::start(dir, &["node", "run", dir.to_str().unwrap()]).await.unwrap());
    }

    async fn kill(&mut self, index: usize) {
        self.nodes[index].take().unwrap().kill().await.unwrap();
    }

    fn rpc(&self, index: usize) -> Rpc {
        let ready = &self.nodes[index].as_ref().unwrap().ready;
        Rpc::new(&format!("http://{}", ready["rpc"].as_str().unwrap()))
    }

    /// All running nodes have the same block at `height`.
    async fn agree(&self, height: u64) {
        let mut hashes = Vec::new();
        for index in (0..4).filter(|index| self.nodes[*index].is_some()) {
            let rpc = self.rpc(index);
            timeout(PROGRESS_TIMEOUT, rpc.reach(height)).await.unwrap().unwrap();
            let block =
                rpc.call("eth_getBlockByNumber", json!([format!("{height:#x}"), false])).await.unwrap();
            hashes.push(block["hash"].clone());
        }
        assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "fork at {height}: {hashes:?}");
    }
}

async fn transfer(rpc: &Rpc, wallet: &Wallet) -> u64 {
    let to = "0x00000000000000000000000000000000000000aa".parse().unwrap();
    let receipt = timeout(PROGRESS_TIMEOUT, wallet.send(rpc, to)).await.unwrap().unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    u64::from_str_radix(receipt["blockNumber"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn one_dead_validator_is_tolerated_two_stop_the_chain_slow() {
    let mut cluster = Cluster::start().await;
    let wallet = Wallet::development(3).unwrap();
    let height = transfer(&cluster.rpc(0), &wallet).await;
    cluster.agree(height).await;

    cluster.kill(3).await;
    let height = transfer(&cluster.rpc(0), &wallet).await;
    cluster.agree(height).await;

    cluster.kill(2).await;
    // What was in flight when the second one died may still become final; then nothing does.
    let rpc = cluster.rpc(0);
    let settled = rpc.block_number().await.unwrap() + 1;
    let moved = timeout(STALL_OBSERVED, rpc.reach(settled + 1)).await;
    assert!(moved.is_err(), "two of four made blocks final: {moved:?}");

    cluster.run(2).await;
    cluster.run(3).await;
    let height = transfer(&cluster.rpc(0), &wallet).await;
    cluster.agree(height).await;
    for node in cluster.nodes.into_iter().flatten() {
        node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_validator_away_for_500_blocks_catches_up_slow() {
    let mut cluster = Cluster::start().await;
    let wallet = Wallet::development(4).unwrap();
    let from = transfer(&cluster.rpc(0), &wallet).await;
    cluster.kill(3).await;
    let rpc = cluster.rpc(0);
    let mut height = from;
    while height < from + 500 {
        height = transfer(&rpc, &wallet).await;
    }
    cluster.run(3).await;
    cluster.agree(height).await;
    for node in cluster.nodes.into_iter().flatten() {
        node.stop().await.unwrap();
    }
}
