//! Requests at the same time, on several threads.

use super::{GUEST, House};
use crate::STATE_ATTEMPTS_MAX;
use nubes_base::port::{Function, Runner};
use std::sync::Arc;
use tokio::task::JoinSet;

/// `count` requests at once must count to `count`, and none may be refused.
async fn check_counts(house: House, counter: Function, path: &'static str, count: u64) {
    house.runtime.prepare(&counter).await.unwrap();
    let (house, counter) = (Arc::new(house), Arc::new(counter));
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let (house, counter) = (Arc::clone(&house), Arc::clone(&counter));
        calls.spawn(async move { house.get(&counter, path).await.unwrap().parse::<u64>().unwrap() });
    }
    let mut counts = calls.join_all().await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=count).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_requests_at_once_count_to_a_hundred() {
    let house = House::new();
    let counter = house.component(GUEST).await;
    check_counts(house, counter, "/count", 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_counts_as_well() {
    const SOURCE: &str = r#"
export default {
  async fetch(request, env) {
    const n = Number(await env.KV.get("n") ?? 0) + 1;
    await env.KV.put("n", String(n));
    return new Response(String(n));
  },
};
"#;
    let house = House::new();
    let counter = house.javascript(SOURCE).await;
    check_counts(house, counter, "/", 40).await;
}

/// All of them read before the first one writes, because each gives way in between; so each round has one winner.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_slow_requests_than_attempts_all_succeed() {
    const SOURCE: &str = r#"
export default {
  async fetch(request, env) {
    const n = Number(await env.KV.get("n") ?? 0) + 1;
    for (let step = 0; step < 150_000; step += 1);
    await env.KV.put("n", String(n));
    return new Response(String(n));
  },
};
"#;
    let house = House::new();
    let mut counter = house.javascript(SOURCE).await;
    counter.record.limits.time_ms = 120_000;
    check_counts(house, counter, "/", u64::from(STATE_ATTEMPTS_MAX) + 16).await;
}
