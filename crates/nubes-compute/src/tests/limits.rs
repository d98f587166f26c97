//! Every limit is met, and the next request does not notice.

use super::{GUEST, House};
use crate::{FuelUsed, REQUEST_BYTES_MAX};
use nubes_base::{
    app::FunctionLimits,
    port::{Function, GetError, RunError, Runner},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::task::JoinSet;

async fn guest(house: &House, change: impl FnOnce(&mut FunctionLimits)) -> Function {
    let mut guest = house.component(GUEST).await;
    change(&mut guest.record.limits);
    guest
}

#[tokio::test]
async fn the_largest_body_passes_and_one_byte_more_does_not() {
    let house = House::new();
    let guest = guest(&house, |_| ()).await;
    let mut body = "x".repeat(REQUEST_BYTES_MAX);
    let (_, echo) = house.call(&guest, "POST", "/echo", &body).await.unwrap();
    assert!(echo == body);
    body.push('x');
    let refused = house.call(&guest, "POST", "/echo", &body).await;
    assert!(
        matches!(refused, Err(RunError::BodyTooLarge { bytes_max }) if bytes_max == REQUEST_BYTES_MAX as u64)
    );
}

#[tokio::test]
async fn a_response_that_is_too_large_is_cut_off() {
    let house = House::new();
    let guest = guest(&house, |limits| limits.memory_bytes = 128 << 20).await;
    match house.get(&guest, "/large").await {
        Err(RunError::Trapped { what, .. }) => assert!(what.contains("length limit"), "{what}"),
        other => panic!("{:?}", other.map(|body| body.len())),
    }
}

#[tokio::test]
async fn a_body_that_was_never_finished_does_not_keep_anybody_waiting() {
    let house = House::new();
    let guest = guest(&house, |_| ()).await;
    // As on other hosts, the body is what was written. Waiting for more would end in a time-out.
    assert_eq!(house.get(&guest, "/unfinished").await.unwrap(), "");
}

#[tokio::test]
async fn who_finds_no_free_instance_is_told_to_come_back() {
    let house = House::with(|config| {
        config.instances_max = 1;
        config.instance_wait = Duration::from_millis(50);
    });
    let busy = guest(&house, |limits| (limits.fuel, limits.time_ms) = (u64::MAX / 2, 1_000)).await;
    assert_eq!(house.get(&busy, "/warm").await.unwrap(), "hello /warm");
    let (first, second) = tokio::join!(house.get(&busy, "/loop"), house.get(&busy, "/ada"));
    assert!(matches!(first, Err(RunError::TimedOut { limit: "time", .. })), "{first:?}");
    assert!(matches!(second, Err(RunError::Busy { .. })), "{second:?}");
    assert_eq!(house.get(&busy, "/ada").await.unwrap(), "hello /ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_instances_may_be_taken_at_once() {
    const SLOW: &str =
        "export default { fetch() { for (let n = 0; n < 150_000; n += 1); return new Response('done'); } };";
    const INSTANCES: u32 = 16;
    let house = Arc::new(House::with(|config| config.instances_max = INSTANCES));
    let slow = house.javascript(SLOW).await;
    house.runtime.prepare(&slow).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..INSTANCES {
        let (house, slow) = (Arc::clone(&house), slow.clone());
        calls.spawn(async move { house.get(&slow, "/").await.unwrap() });
    }
    assert_eq!(calls.join_all().await, vec!["done"; 16]);
}

#[tokio::test]
async fn memory_that_is_too_small_to_begin_with_is_named() {
    let house = House::new();
    let small = guest(&house, |limits| limits.memory_bytes = 64 << 10).await;
    assert!(matches!(house.get(&small, "/ada").await, Err(RunError::OutOfMemory { bytes_max: 65_536, .. })));
}

#[tokio::test]
async fn an_app_that_has_used_its_share_may_read_and_delete() {
    const SOURCE: &str = r#"
export default {
  async fetch(request, env) {
    const key = new URL(request.url).pathname.slice(1);
    if (request.method === "DELETE") await env.KV.delete(key);
    if (request.method === "PUT") await env.KV.put(key, await request.text());
    return new Response(await env.KV.get(key) ?? "none");
  },
};
"#;
    let house = House::with(|config| config.app_bytes_max = 100);
    let keeper = house.javascript(SOURCE).await;
    assert_eq!(house.call(&keeper, "PUT", "/a", &"a".repeat(99)).await.unwrap().1, "a".repeat(99));
    let full = house.call(&keeper, "PUT", "/b", "").await;
    assert!(matches!(full, Err(RunError::State { .. })), "{full:?}");
    assert_eq!(house.get(&keeper, "/b").await.unwrap(), "none");
    assert_eq!(house.call(&keeper, "DELETE", "/a", "").await.unwrap().1, "none");
    assert_eq!(house.call(&keeper, "PUT", "/b", "fits").await.unwrap().1, "fits");
}

async fn fuels(house: &House, function: &Function, path: &str) -> BTreeSet<FuelUsed> {
    let mut fuels = BTreeSet::new();
    for _ in 0..100 {
        let response = house.send(function, ("GET", path), "").await.unwrap();
        fuels.insert(*response.extensions().get::<FuelUsed>().unwrap());
    }
    fuels
}

#[tokio::test]
async fn equal_requests_use_equal_fuel() {
    let house = House::new();
    let guest = guest(&house, |_| ()).await;
    let fuels_of_guest = fuels(&house, &guest, "/work").await;
    assert_eq!(fuels_of_guest.len(), 1, "{fuels_of_guest:?}");
    let file =
        house.javascript("export default { fetch: () => new Response([3, 1, 2].sort().join()) };").await;
    let fuels_of_file = fuels(&house, &file, "/").await;
    assert_eq!(fuels_of_file.len(), 1, "{fuels_of_file:?}");
    assert!(fuels_of_guest.first().unwrap().0 > 0 && fuels_of_file.first().unwrap().0 > 0);
}

#[test]
fn every_failure_has_its_own_code_that_can_be_explained() {
    let function = || "f".to_owned();
    let what = || "w".to_owned();
    let errors = [
        RunError::Trapped { function: function(), what: what() },
        RunError::TimedOut { function: function(), limit: "time" },
        RunError::OutOfMemory { function: function(), bytes_max: 1 },
        RunError::BodyTooLarge { bytes_max: 1 },
        RunError::Load { function: function(), source: GetError::NotFound { cid: cid::Cid::default() } },
        RunError::Invalid { function: function(), what: what() },
        RunError::Conflict { function: function(), attempts: 1 },
        RunError::Busy { function: function() },
        RunError::State { app: "app".parse().unwrap(), source: "disk".into() },
    ];
    let codes: BTreeSet<_> = errors.iter().map(RunError::code).collect();
    assert_eq!(codes.len(), errors.len());
    assert!(codes.iter().all(|code| code.explanation().is_some()));
}
