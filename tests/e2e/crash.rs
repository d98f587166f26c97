//! `kill -9` in the middle of writes, again and again: whatever was acknowledged is there.

use alloy_primitives::Address;
use nubes_tests::{Cloud, Rpc, Wallet, free_port_base, repository};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{sync::mpsc::UnboundedSender, task::JoinSet};

const ROUNDS: u32 = 20;
const WRITES_PER_ROUND_MIN: u32 = 3;
/// Entries of one page.
const PAGE: usize = 100;

/// What a client was told that it has.
#[derive(Debug)]
enum Acknowledged {
    Entry(String),
    Receipt(Value),
}

#[tokio::test]
async fn acknowledged_entries_blocks_and_transactions_survive_kill_9_slow() {
    let data = tempfile::tempdir().unwrap();
    let app = repository().join("examples/guestbook");
    let base = free_port_base().unwrap();
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    let mut head = 0;
    for round in 0..ROUNDS {
        let cloud = Cloud::start(Some(&app), data.path(), base).await.unwrap();
        let rpc = cloud.rpc().unwrap();
        let now = rpc.block_number().await.unwrap();
        assert!(now >= head, "round {round}: the head went from {head} back to {now}");
        check(&cloud, &acknowledged).await;
        // Both keep writing while the process is killed under them; only answered writes count.
        let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let mut writers = JoinSet::new();
        writers.spawn(write_entries(format!("{}/api/entries", cloud.door()), round, sender.clone()));
        writers.spawn(send_transactions(rpc.clone(), sender));
        let (mut entries, mut receipts) = (0, 0);
        while entries < WRITES_PER_ROUND_MIN || receipts < WRITES_PER_ROUND_MIN {
            let one = answered.recv().await.unwrap();
            match one {
                Acknowledged::Entry(_) => entries += 1,
                Acknowledged::Receipt(_) => receipts += 1,
            }
            acknowledged.push(one);
        }
        head = rpc.block_number().await.unwrap();
        cloud.process.kill().await.unwrap();
        writers.join_all().await;
        while let Ok(one) = answered.try_recv() {
            acknowledged.push(one);
        }
    }
    let cloud = Cloud::start(Some(&app), data.path(), base).await.unwrap();
    check(&cloud, &acknowledged).await;
    cloud.process.stop().await.unwrap();
}

async fn write_entries(url: String, round: u32, answered: UnboundedSender<Acknowledged>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    for number in 0u32.. {
        let name = format!("r{round}n{number}");
        let body = json!({ "name": name, "message": "kept" });
        let request = client.post(&url).header("host", "guestbook.localhost").json(&body);
        let Ok(answer) = request.send().await else { return };
        if !answer.status().is_success() || answered.send(Acknowledged::Entry(name)).is_err() {
            return;
        }
    }
}

async fn send_transactions(rpc: Rpc, answered: UnboundedSender<Acknowledged>) {
    let wallet = Wallet::development(7).unwrap();
    while let Ok(receipt) = wallet.send(&rpc, Address::repeat_byte(0xcc)).await {
        if answered.send(Acknowledged::Receipt(receipt)).is_err() {
            return;
        }
    }
}

async fn check(cloud: &Cloud, acknowledged: &[Acknowledged]) {
    let (rpc, found) = (cloud.rpc().unwrap(), entries(&cloud.door()).await);
    for one in acknowledged {
        match one {
            Acknowledged::Entry(name) => {
                assert!(found.contains(name), "{name} was acknowledged and is lost; there are {found:?}");
            }
            Acknowledged::Receipt(receipt) => {
                let (transaction, block) = (&receipt["transactionHash"], &receipt["blockHash"]);
                let now = rpc.call("eth_getTransactionReceipt", json!([transaction])).await.unwrap();
                assert_eq!(&now, receipt);
                let block = rpc.call("eth_getBlockByHash", json!([block, false])).await.unwrap();
                assert!(block["transactions"].as_array().unwrap().contains(transaction), "{block}");
                let canonical =
                    rpc.call("eth_getBlockByNumber", json!([receipt["blockNumber"], false])).await;
                assert_eq!(canonical.unwrap()["hash"], receipt["blockHash"]);
            }
        }
    }
}

/// Names of all entries, page by page.
async fn entries(door: &str) -> BTreeSet<String> {
    let (client, mut found, mut before) = (reqwest::Client::new(), BTreeSet::new(), u64::from(u32::MAX));
    loop {
        let request = client.get(format!("{door}/api/entries?limit={PAGE}&before={before}"));
        let page = request.header("host", "guestbook.localhost").send().await.unwrap();
        let page: Value = page.json().await.unwrap();
        let entries = page["entries"].as_array().unwrap();
        found.extend(entries.iter().map(|entry| entry["name"].as_str().unwrap().to_owned()));
        let Some(last) = entries.last() else { return found };
        before = last["number"].as_u64().unwrap();
    }
}
