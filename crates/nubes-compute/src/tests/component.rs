//! Compiled components, among them one that misbehaves on request.

use super::{GUEST, House};
use nubes_base::{
    app::FunctionCode,
    port::{LogSource, RunError, Runner},
};

const HELLO: &[u8] = include_bytes!("../../../../examples/hello-rust/hello.wasm");

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
    assert!(matches!(
        house.get(&guest, "/alloc").await,
        Err(RunError::OutOfMemory { bytes_max: 67_108_864, .. })
    ));
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
async fn what_is_no_component_is_refused() {
    let house = House::new();
    let core_module = b"\0asm\x01\0\0\0".as_slice();
    let component_without_handler = b"\0asm\x0d\0\x01\0".as_slice();
    for bytes in [b"".as_slice(), b"\0asm garbage", core_module, component_without_handler] {
        let function = house.component(bytes).await;
        let prepared = house.runtime.prepare(&function).await;
        assert!(matches!(prepared, Err(RunError::Invalid { .. })), "{bytes:?}: {prepared:?}");
    }
}

#[tokio::test]
async fn code_that_is_not_stored_is_asked_for_again() {
    let house = House::new();
    let mut lost = house.component(b"").await;
    lost.record.code = FunctionCode::Component { cid: cid::Cid::default() };
    assert!(matches!(house.runtime.prepare(&lost).await, Err(RunError::Load { .. })));
}

#[tokio::test]
async fn the_example_greets() {
    let house = House::new();
    let hello = house.component(HELLO).await;
    assert_eq!(house.get(&hello, "/ada").await.unwrap(), "hello ada\n");
}

#[tokio::test]
async fn a_component_reads_its_configuration() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    assert_eq!(house.get(&guest, "/config").await.unwrap(), "bonjour");
}

#[tokio::test]
async fn keys_are_written_read_deleted_and_listed_together() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    let said = house.get(&guest, "/batch").await.unwrap();
    assert_eq!(said, r#"[Some(("a", 2)), None] ["a", "c"] (Ok(true), Ok(false))"#);
}

#[tokio::test]
async fn what_the_store_refuses_is_the_guests_to_handle() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    let said = house.get(&guest, "/refused").await.unwrap();
    assert!(said.starts_with("Err(Error::Other(\"a key has 1 to 1024 bytes"), "{said}");
    assert!(said.contains("NoSuchStore") && said.ends_with("is no number\"))"), "{said}");
}

#[tokio::test]
async fn a_function_without_state_runs_and_cannot_open_the_store() {
    let house = House::new();
    let mut guest = house.component(GUEST).await;
    guest.record.state = false;
    assert_eq!(house.get(&guest, "/ada").await.unwrap(), "hello /ada");
    assert!(matches!(house.get(&guest, "/count").await, Err(RunError::Trapped { .. })));
}

#[tokio::test]
async fn what_is_printed_in_pieces_is_logged_in_lines() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    house.get(&guest, "/half-lines").await.unwrap();
    let lines = house.runtime.logs().tail(&guest.app, 10);
    let lines: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["one ü line", "and a restanswered /half-lines"]);
}

#[tokio::test]
async fn after_the_stop_state_is_refused() {
    let house = House::new();
    let guest = house.component(GUEST).await;
    house.runtime.stop().await;
    assert!(matches!(house.get(&guest, "/count").await, Err(RunError::State { .. })));
    assert_eq!(house.get(&guest, "/ada").await.unwrap(), "hello /ada");
}
