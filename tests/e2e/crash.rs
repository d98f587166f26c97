//! `kill -9` in the middle of writes, again and again: whatever was acknowledged is there.

use nubes_tests::{Cloud, free_port_base, repository};
use serde_json::{Value, json};
use std::time::Duration;

const ROUNDS: u32 = 20;
const WRITES_PER_ROUND_MIN: u32 = 3;

#[tokio::test]
async fn acknowledged_entries_and_blocks_survive_kill_9_slow() {
    let data = tempfile::tempdir().unwrap();
    let app = repository().join("examples/guestbook");
    let base = free_port_base().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut head = 0;
    for round in 0..ROUNDS {
        let cloud = Cloud::start(Some(&app), data.path(), base).await.unwrap();
        let rpc = cloud.rpc().unwrap();
        let now = rpc.block_number().await.unwrap();
        assert!(now >= head, "round {round}: the head went from {head} back to {now}");
        check_entries(&cloud.door(), &acknowledged).await;
        let url = format!("{}/api/entries", cloud.door());
        // Keeps writing while the process is killed under it; only answered writes count.
        let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
        let mut writer = tokio::task::JoinSet::new();
        writer.spawn(write_until_refused(url, round, sender));
        for _ in 0..WRITES_PER_ROUND_MIN {
            acknowledged.extend(answered.recv().await);
        }
        head = rpc.block_number().await.unwrap();
        cloud.process.kill().await.unwrap();
        writer.join_all().await;
        while let Ok(name) = answered.try_recv() {
            acknowledged.push(name);
        }
    }
    let cloud = Cloud::start(Some(&app), data.path(), base).await.unwrap();
    check_entries(&cloud.door(), &acknowledged).await;
    cloud.process.stop().await.unwrap();
}

async fn write_until_refused(url: String, round: u32, answered: tokio::sync::mpsc::UnboundedSender<String>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    for number in 0u32.. {
        let name = format!("r{round}n{number}");
        let body = json!({ "name": name, "message": "kept" });
        let request = client.post(&url).header("host", "guestbook.localhost").json(&body);
        let Ok(answer) = request.send().await else { return };
        if !answer.status().is_success() || answered.send(name).is_err() {
            return;
        }
    }
}

async fn check_entries(door: &str, acknowledged: &[String]) {
    let request = reqwest::Client::new().get(format!("{door}/api/entries?limit=100"));
    let mut found: Vec<String> = Vec::new();
    let page: Value =
        request.header("host", "guestbook.localhost").send().await.unwrap().json().await.unwrap();
    let entries = page["entries"].as_array().or_else(|| page.as_array()).cloned().unwrap_or_default();
    found.extend(entries.iter().filter_map(|entry| entry["name"].as_str().map(str::to_owned)));
    // One page holds the newest 100; older ones were checked in the rounds before.
    for name in acknowledged.iter().rev().take(90) {
        assert!(found.contains(name), "{name} was acknowledged and is lost; there are {found:?}");
    }
}
