//! What functions print.

use super::{House, PATIENCE, record, request};
use crate::door::LINES_MAX;
use http_body_util::BodyExt;
use nubes_base::{
    Timestamp,
    port::{LogLevel, LogLine},
};
use serde_json::{Value, json};
use tower::ServiceExt;

fn line(app: &str, at_ms: u64) -> LogLine {
    let (app, function) = (app.parse().unwrap(), "api".to_owned());
    LogLine {
        at: Timestamp::from_unix_ms(at_ms),
        app,
        function,
        level: LogLevel::Warn,
        text: format!("line\n{at_ms}"),
    }
}

async fn house() -> House {
    let house = House::new().await;
    house.deploy(&record("shop", &[("api", "/*")])).await;
    *house.logs.kept.lock() = (1..=5).map(|n| line("shop", n)).chain([line("other", 6)]).collect();
    house
}

#[tokio::test]
async fn the_newest_lines_come_as_one_document_each() {
    let house = house().await;
    let answer = house.get("localhost", "/api/v1/apps/shop/logs?lines=2&follow=0").await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let (function, text) = ("api", "line\n4");
    let expect = json!({ "at_ms": 4, "app": "shop", "function": function, "level": "warn", "text": text });
    assert_eq!(lines[0], expect);
    assert_eq!(house.get("localhost", "/api/v1/apps/shop/logs").await.body.lines().count(), 5);
    *house.logs.kept.lock() = (0..=LINES_MAX).map(|n| line("shop", u64::try_from(n).unwrap())).collect();
    let answer = house.get("localhost", "/api/v1/apps/shop/logs?lines=1000000").await;
    assert_eq!(answer.body.lines().count(), LINES_MAX);
    house.get("localhost", "/api/v1/apps/nobody/logs").await.is_problem(404, "NX5001");
    house.get("localhost", "/api/v1/apps/shop/logs?lines=-1").await.is_problem(400, "NX5014");
    house.get("localhost", "/api/v1/apps/shop/logs?follow=perhaps").await.is_problem(400, "NX5014");
}

#[tokio::test]
async fn a_page_gets_lines_as_events() {
    let house = house().await;
    let mut request = request("GET", "localhost", "/api/v1/apps/shop/logs?lines=1");
    request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
    let answer = house.send(request).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(answer.body.starts_with("data: {") && answer.body.ends_with("}\n\n"), "{}", answer.body);
}

#[tokio::test]
async fn followed_lines_of_the_app_come_until_the_door_closes() {
    let house = house().await;
    let request = request("GET", "localhost", "/api/v1/apps/shop/logs?lines=1&follow=1");
    let mut body = house.door.clone().oneshot(request).await.unwrap().into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap()?;
        let line: Value = serde_json::from_slice(frame.unwrap().data_ref().unwrap()).unwrap();
        line["at_ms"].as_u64()
    };
    assert_eq!(next().await, Some(5));
    house.logs.live.send(line("other", 7)).unwrap();
    house.logs.live.send(line("shop", 8)).unwrap();
    assert_eq!(next().await, Some(8));
    house.door.close();
    assert_eq!(next().await, None);
}
