//! The node's own host.

use super::{House, limits, record, request};
use crate::Mount;
use axum::{Router, routing::get};
use serde_json::json;
use std::time::Duration;

const REQUEST_BYTES_MAX: usize = 3_072;

#[tokio::test]
async fn the_node_is_ready_while_the_ledger_moves() {
    let mut house = House::with(limits(), Vec::new());
    assert_eq!(house.get("localhost", "/healthz").await.status, 200);
    house.get("localhost", "/readyz").await.is_problem(503, "NX5013");
    house.follow().await;
    assert_eq!(house.get("localhost", "/readyz").await.status, 200);
    house.clock.advance(limits().head_age_max + Duration::from_millis(1));
    house.get("localhost", "/readyz").await.is_problem(503, "NX5013");
    house.finalize(Vec::new()).await;
    house.clock.advance(Duration::from_millis(5));
    let ready = house.get("localhost", "/readyz").await;
    assert_eq!(ready.json()["head"], json!({ "number": 1, "ageMs": 5 }));
    assert_eq!(house.get("localhost", "/healthz").await.status, 200);
}

#[tokio::test]
async fn an_apps_record_can_be_read() {
    let house = House::new().await;
    let app = record("shop", &[("api", "/api/*")]);
    let cid = house.deploy(&app).await;
    let document = house.get("127.0.0.1", "/api/v1/apps/shop").await.json();
    assert_eq!(document["name"], "shop");
    assert_eq!(document["recordCid"], cid.to_string());
    assert_eq!(document["record"], serde_json::to_value(&app).unwrap());
    house.get("localhost", "/api/v1/apps/nobody").await.is_problem(404, "NX5001");
    house.get("localhost", "/api/v1/apps/No%20Name").await.is_problem(404, "NX5001");
}

#[tokio::test]
async fn requests_are_counted_by_what_answered_them() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("f", "/f/*")])).await;
    house.get("shop.localhost", "/f").await;
    house.get("shop.localhost", "/f/trap").await;
    house.get("example.com", "/").await;
    let answer = house.get("localhost", "/metrics").await;
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        r#"nubes_door_requests_total{target="function",status="202"} 1"#,
        r#"nubes_door_requests_total{target="function",status="502"} 1"#,
        r#"nubes_door_requests_total{target="refused",status="421"} 1"#,
        r#"nubes_door_request_seconds_count{target="function"} 2"#,
        "nubes_door_apps 1",
        "nubes_door_head 1",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line} in {}", answer.body);
    }
    assert!(answer.body.contains(r#"nubes_door_request_seconds_sum{target="function"} 0."#));
}

#[tokio::test]
async fn mounted_routers_get_what_is_below_their_path_unchanged() {
    let echo = |name: &'static str| {
        let answer = move |uri: http::Uri| async move { format!("{name} {uri}") };
        Router::new().fallback(get(answer))
    };
    let mounts = vec![
        Mount::new("/api/v1/car", echo("car"))
            .described(json!({ "/api/v1/car": { "post": { "summary": "Store." } } })),
        Mount::new("/api/v1/car/deep", echo("deep")),
    ];
    let house = House::with(limits(), mounts);
    assert_eq!(house.get("localhost", "/api/v1/car?x").await.body, "car /api/v1/car?x");
    assert_eq!(house.get("localhost", "/api/v1/car/deep/a").await.body, "deep /api/v1/car/deep/a");
    house.get("localhost", "/api/v1/cars").await.is_problem(404, "NX5005");
    let document = house.get("localhost", "/api/v1/openapi.json").await.json();
    assert_eq!(document["paths"]["/api/v1/car"]["post"]["summary"], "Store.");
    assert!(house.get("localhost", "/").await.body.contains("/api/v1/car"));
}

#[tokio::test]
async fn no_page_reaches_the_api_not_even_one_with_the_nodes_own_origin() {
    let mounts = vec![
        Mount::new("/api/v1/pins", Router::new().fallback(|| async { "pins" })),
        Mount::new("/routing/v1", Router::new().fallback(|| async { "routing" })),
    ];
    let house = House::with(limits(), mounts);
    let ask = async |path: &str, header: (&str, &str)| {
        let mut asked = request("DELETE", "localhost", path);
        asked.headers_mut().insert(http::HeaderName::try_from(header.0).unwrap(), header.1.parse().unwrap());
        house.send(asked).await
    };
    let pages = [
        ("origin", "http://localhost"),
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "cross-site"),
        ("user-agent", "Mozilla/5.0 (X11; Linux)"),
    ];
    for page in pages {
        ask("/api/v1/pins/x", page).await.is_problem(403, "NX5015");
        assert_eq!(ask("/routing/v1/ipns/k", page).await.body, "routing", "{page:?}");
    }
    for program in [("sec-fetch-site", "none"), ("sec-fetch-mode", "cors"), ("user-agent", "curl/8")] {
        assert_eq!(ask("/api/v1/pins/x", program).await.body, "pins", "{program:?}");
    }
    let mut of_an_app = request("GET", "localhost", "/api/v1/apps/shop");
    of_an_app.headers_mut().insert("origin", "http://shop.localhost".parse().unwrap());
    house.send(of_an_app).await.is_problem(403, "NX5015");
}

#[tokio::test]
async fn the_console_is_a_page_that_loads_nothing() {
    let house = House::new().await;
    let page = house.get("localhost:8080", "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(page.body.contains("<a href=\"/readyz\">") && page.body.contains("41414"), "{}", page.body);
    assert!(!page.body.contains("<script") && !page.body.contains("src="));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let house = House::new().await;
    house.get("localhost", "/nothing").await.is_problem(404, "NX5005");
    let refused = house.send(request("DELETE", "localhost", "/healthz")).await;
    refused.is_problem(405, "NX5006");
    assert_eq!(refused.header("allow"), "GET, HEAD");
}

/// The connection moves it for each request, so what is asked for rarely waits in a box of its own.
#[tokio::test]
async fn what_a_request_waits_in_is_small() {
    let house = House::new().await;
    let bytes = size_of_val(&house.door.answer(request("GET", "localhost", "/ipfs/x")));
    assert!(bytes <= REQUEST_BYTES_MAX, "{bytes} bytes");
}
