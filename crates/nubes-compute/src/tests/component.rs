//! Compiled components, among them one that misbehaves on request.

use super::House;
use nubes_base::port::{RunError, Runner};
use std::sync::Arc;

const GUEST: &[u8] = include_bytes!("../../fixtures/guest.wasm");

#[tokio::test]
async fn a_component_answers_and_what_it_prints_is_logged() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    assert_eq!(house.get(&guest, "/ada").await.unwrap(), "hello /ada");
    let lines = house.runtime.logs().tail(&guest.app, 10);
    assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["answered /ada"]);
}

#[tokio::test]
async fn a_guest_that_misbehaves_ends_alone() {
    let house = House::new();
    let mut guest = house.component(GUEST).await;
    guest.record.limits.fuel = 200_000_000;
    assert!(matches!(house.get(&guest, "/loop").await, Err(RunError::TimedOut { limit: "fuel", .. })));
    assert!(matches!(house.get(&guest, "/trap").await, Err(RunError::Trapped { .. })));
    assert!(matches!(house.get(&guest, "/silent").await, Err(RunError::Trapped { .. })));
    guest.record.limits.fuel = u64::MAX / 2;
    assert!(matches!(house.get(&guest, "/alloc").await, Err(RunError::OutOfMemory { bytes_max: 67_108_864, .. })));
    guest.record.limits.time_ms = 100;
    assert!(matches!(house.get(&guest, "/loop").await, Err(RunError::TimedOut { limit: "time", .. })));
    guest.record.limits.time_ms = 20_000;
    assert_eq!(house.get(&guest, "/after").await.unwrap(), "hello /after");
}

#[tokio::test]
async fn a_failed_request_writes_nothing() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    assert_eq!(house.get(&guest, "/count").await.unwrap(), "1");
    assert!(matches!(house.get(&guest, "/count-then-trap").await, Err(RunError::Trapped { .. })));
    assert_eq!(house.get(&guest, "/count").await.unwrap(), "2");
}

#[tokio::test]
async fn state_survives_a_restart() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    assert_eq!(house.get(&guest, "/count").await.unwrap(), "1");
    let house = house.restart().await;
    assert_eq!(house.get(&guest, "/count").await.unwrap(), "2");
}

#[tokio::test]
async fn a_hundred_requests_at_once_count_to_a_hundred() {
    let house = Arc::new(House::new());
    let guest = house.component(GUEST).await;
    house.runtime.prepare(&guest).await.unwrap();
    let calls = (0..100).map(|_| {
        let (house, guest) = (Arc::clone(&house), guest.clone());
        tokio::spawn(async move { house.get(&guest, "/count").await.unwrap().parse::<u64>().unwrap() })
    });
    let mut counts = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        counts.push(call.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn apps_do_not_see_each_others_state() {
    let house = House::new();
    let one = house.component(GUEST).await;
    let mut other = one.clone();
    other.app = "other".parse().unwrap();
    assert_eq!(house.get(&one, "/count").await.unwrap(), "1");
    assert_eq!(house.get(&other, "/count").await.unwrap(), "1");
}

#[tokio::test]
async fn there_is_no_way_out() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    let said = house.get(&guest, "/fetch").await.unwrap();
    assert!(said.starts_with("refused: ") && said.contains("Denied"), "{said}");
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    let body = "x".repeat(crate::REQUEST_BYTES_MAX + 1);
    assert!(matches!(house.call(&guest, "POST", "/", &body).await, Err(RunError::BodyTooLarge { .. })));
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let house = House::new();
    let garbage = house.component(b"\0asm garbage").await;
    assert!(matches!(house.runtime.prepare(&garbage).await, Err(RunError::Invalid { .. })));
    let mut lost = garbage.clone();
    lost.record.code = nubes_base::app::FunctionCode::Component {
        cid: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".parse().unwrap(),
    };
    assert!(matches!(house.runtime.prepare(&lost).await, Err(RunError::Load { .. })));
}

#[tokio::test]
async fn compiled_code_that_was_changed_on_disk_is_not_loaded() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    house.runtime.prepare(&guest).await.unwrap();
    let folder = house.dir.path().join("compute/code");
    let changed = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in changed.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")) {
        let mut code = std::fs::read(&path).unwrap();
        let middle = code.len() / 2;
        code[middle] ^= 0xff;
        std::fs::write(&path, code).unwrap();
    }
    let house = house.restart().await;
    assert_eq!(house.get(&guest, "/ada").await.unwrap(), "hello /ada");
}
