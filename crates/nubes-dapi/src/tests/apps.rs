//! Apps: names, routes, functions, errors.

use super::{CODE, House, limits, name_changed, record, record_changed, records_cleared, request};
use crate::names::PREPARING_MAX;
use alloy_primitives::Bytes;
use axum::body::Body;
use http::Request;
use nubes_base::app::RECORD_BYTES_MAX;
use nubes_contracts::NAME_REGISTRY;

#[tokio::test]
async fn a_request_goes_to_the_function_of_its_route_else_to_the_site() {
    let house = House::new().await;
    let mut app = record("shop", &[("api", "/api/*"), ("one", "/api/one")]);
    app.site = Some(CODE.parse().unwrap());
    house.deploy(&app).await;
    let answer = house.get("shop.localhost:8080", "/api/a?b=c").await;
    assert_eq!((answer.status, answer.header("x-own")), (202, "1"));
    assert_eq!(answer.body, "api GET /api/a?b=c 0");
    assert_eq!(house.get("shop.nubes.localhost", "/api/one").await.body, "one GET /api/one 0");
    let site = house.get("shop.localhost", "/index.html").await;
    assert_eq!(site.body, format!("GET {CODE} /index.html App {{ host: \"shop.localhost\" }}"));
}

#[tokio::test]
async fn methods_are_the_functions_business_and_the_sites_are_fixed() {
    let house = House::new().await;
    let mut app = record("shop", &[("api", "/api/*")]);
    app.site = Some(CODE.parse().unwrap());
    house.deploy(&app).await;
    for method in ["HEAD", "OPTIONS", "PUT", "BREW"] {
        let answer = house.send(request(method, "shop.localhost", "/api/a")).await;
        assert_eq!(answer.body, format!("api {method} /api/a 0"));
        assert!(answer.header("access-control-allow-origin").is_empty());
    }
    let refused = house.send(request("POST", "shop.localhost", "/")).await;
    refused.is_problem(405, "NX5006");
    assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
    let refused = house.send(request("POST", "shop.localhost", "/.well-known/nubes.json")).await;
    refused.is_problem(405, "NX5006");
}

#[tokio::test]
async fn a_page_learns_of_its_surroundings() {
    let house = House::new().await;
    let mut app = record("shop", &[("api", "/*")]);
    app.site = Some(CODE.parse().unwrap());
    app.contracts.insert("till".into(), NAME_REGISTRY);
    let cid = house.deploy(&app).await;
    let answer = house.get("shop.localhost", "/.well-known/nubes.json").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    let about = answer.json();
    let contract = about["contracts"]["till"].as_str().unwrap();
    assert!(contract.eq_ignore_ascii_case(&NAME_REGISTRY.to_string()), "{contract}");
    assert_eq!(about["app"], "shop");
    assert_eq!(about["chainId"], 41_414);
    assert_eq!(about["rpc"]["http"], "http://localhost:8545");
    assert_eq!(about["rpc"]["ws"], "ws://localhost:8545");
    assert_eq!(about["site"], CODE);
    assert_eq!(about["record"], cid.to_string());
    assert_eq!(about["functions"]["api"]["route"], "/*");
}

#[tokio::test]
async fn a_redeployment_is_live_when_its_block_is_final() {
    let house = House::new().await;
    let first = house.deploy(&record("shop", &[("old", "/*")])).await;
    assert!(house.get("shop.localhost", "/").await.body.starts_with("old"));
    let calls = house.ledger.calls();
    assert!(house.get("shop.localhost", "/").await.body.starts_with("old"));
    assert_eq!(house.ledger.calls(), calls, "what has not changed is not asked for again");

    let second = record("shop", &[("new", "/*")]);
    let cid = house.store(&second).await;
    house.point("shop", &cid.to_string());
    assert!(house.get("shop.localhost", "/").await.body.starts_with("old"), "not final yet");
    house.finalize(vec![record_changed("shop", &cid.to_string())]).await;
    assert!(house.get("shop.localhost", "/").await.body.starts_with("new"));
    assert_ne!(first, cid);

    house.point("shop", "");
    house.finalize(vec![name_changed("shop")]).await;
    house.get("shop.localhost", "/").await.is_problem(404, "NX5001");
}

#[tokio::test]
async fn who_asks_after_a_block_does_not_get_an_answer_from_before_it() {
    let house = House::new().await;
    let old = house.store(&record("shop", &[("old", "/*")])).await;
    house.point("shop", &old.to_string());
    let gate = house.ledger.hold_calls().await;
    let early = house.get("shop.localhost", "/");
    let late = async {
        // The early request has read the ledger's state and waits for the answer; now the state changes.
        house.until(|house| house.ledger.calls() > 0).await;
        let new = house.store(&record("shop", &[("new", "/*")])).await;
        house.point("shop", &new.to_string());
        house.finalize(vec![record_changed("shop", &new.to_string())]).await;
        let late = house.get("shop.localhost", "/");
        drop(gate);
        late.await
    };
    let (early, late) = tokio::join!(early, late);
    assert_eq!(early.status, 202);
    assert!(late.body.starts_with("new"), "{late:?}");
    assert!(house.get("shop.localhost", "/").await.body.starts_with("new"));
}

#[tokio::test]
async fn a_deployed_app_is_prepared_before_anybody_asks() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("api", "/api/*"), ("b", "/b")])).await;
    house.until(|house| house.runner.prepared().len() == 2).await;
    let names: Vec<_> = house.runner.prepared().into_iter().map(|function| function.name).collect();
    assert_eq!(names, ["b", "api"], "the most exact route first");

    // A record of another name than the transaction's prepares nothing.
    let cid = house.store(&record("other", &[("x", "/")])).await;
    house.finalize(vec![record_changed("elsewhere", &cid.to_string())]).await;
    house.deploy(&record("last", &[("last", "/")])).await;
    house.until(|house| house.runner.prepared().len() > 2).await;
    assert_eq!(house.runner.prepared()[2].name, "last");
}

#[tokio::test]
async fn a_flood_of_deployments_is_prepared_a_few_at_a_time() {
    let house = House::new().await;
    let gate = house.ledger.hold_calls().await;
    let mut logs = Vec::new();
    for n in 0..=PREPARING_MAX {
        let name = format!("app{n}");
        let cid = house.store(&record(&name, &[("f", "/")])).await.to_string();
        house.point(&name, &cid);
        logs.push(record_changed(&name, &cid));
    }
    house.finalize(logs).await;
    house.until(|house| house.ledger.calls() == PREPARING_MAX).await;
    drop(gate);
    house.until(|house| house.runner.prepared().len() == PREPARING_MAX).await;
    for n in 0..=PREPARING_MAX {
        assert_eq!(house.get(&format!("app{n}.localhost"), "/").await.status, 202);
    }
    house.until(|house| house.runner.prepared().len() == PREPARING_MAX + 1).await;
}

#[tokio::test]
async fn everybody_who_asks_at_once_waits_for_one_answer() {
    let house = House::new().await;
    let cid = house.store(&record("shop", &[("api", "/*")])).await;
    house.point("shop", &cid.to_string());
    let asked = futures_util::future::join_all((0..50).map(|_| house.get("shop.localhost", "/"))).await;
    assert!(asked.iter().all(|answer| answer.status == 202));
    assert_eq!(house.ledger.calls(), 3);
}

#[tokio::test]
async fn an_unknown_app_is_asked_for_once() {
    let house = House::new().await;
    house.get("nobody.localhost", "/").await.is_problem(404, "NX5001");
    let calls = house.ledger.calls();
    house.get("nobody.localhost", "/x").await.is_problem(404, "NX5001");
    assert_eq!(house.ledger.calls(), calls);
    house.deploy(&record("nobody", &[("f", "/*")])).await;
    assert_eq!(house.get("nobody.localhost", "/").await.status, 202);
}

#[tokio::test]
async fn without_the_ledger_what_is_known_is_served_and_the_rest_is_told() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    assert_eq!(house.get("shop.localhost", "/").await.status, 202);
    house.ledger.set_unreachable(true);
    assert_eq!(house.get("shop.localhost", "/").await.status, 202);
    house.get("other.localhost", "/").await.is_problem(503, "NX5010");
    house.ledger.set_unreachable(false);
    house.get("other.localhost", "/").await.is_problem(404, "NX5001");
}

#[tokio::test]
async fn a_door_that_does_not_follow_asks_every_time() {
    let house = House::with(limits(), Vec::new());
    let cid = house.store(&record("shop", &[("old", "/*")])).await;
    house.point("shop", &cid.to_string());
    assert!(house.get("shop.localhost", "/").await.body.starts_with("old"));
    let cid = house.store(&record("shop", &[("new", "/*")])).await;
    house.point("shop", &cid.to_string());
    assert!(house.get("shop.localhost", "/").await.body.starts_with("new"));
}

#[tokio::test]
async fn an_ended_stream_of_blocks_is_followed_again() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("old", "/*")])).await;
    assert!(house.get("shop.localhost", "/").await.body.starts_with("old"));
    house.ledger.drop_followers();
    house.until(|house| house.door.head().is_none()).await;
    // A block that nobody sees.
    let cid = house.store(&record("shop", &[("new", "/*")])).await;
    house.point("shop", &cid.to_string());
    house.ledger.finalize(vec![record_changed("shop", &cid.to_string())]);
    assert!(house.get("shop.localhost", "/").await.body.starts_with("new"));
    house.until(|house| house.door.head().is_some()).await;
    house.deploy(&record("shop", &[("newest", "/*")])).await;
    assert!(house.get("shop.localhost", "/").await.body.starts_with("newest"));
}

#[tokio::test]
async fn a_record_that_cannot_be_used_is_told() {
    let house = House::new().await;
    let check = async |text: &str, status: u16, code: &str, word: &str| {
        house.point("shop", text);
        house.finalize(vec![name_changed("shop")]).await;
        let answer = house.get("shop.localhost", "/").await;
        answer.is_problem(status, code);
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{answer:?}");
    };
    check("no cid", 502, "NX5012", "`no cid`").await;
    check(&format!("/ipfs/{CODE}"), 502, "NX5012", "not a CID").await;
    check(CODE, 502, "NX5011", "not in storage").await;
    let put = async |json: String| {
        nubes_base::port::Blobs::put(&*house.blobs, json.into()).await.unwrap().to_string()
    };
    check(&put("{".into()).await, 502, "NX5012", "cannot be read").await;
    check(&put(r#"{"version":2,"shape":"new"}"#.into()).await, 502, "NX5012", "version 2").await;
    check(&put(r#"{"version":1,"name":"other"}"#.into()).await, 502, "NX5012", "app other").await;
    let conflict = record("shop", &[("a", "/x"), ("b", "/x")]);
    check(&house.store(&conflict).await.to_string(), 502, "NX5012", "same route").await;
    let long = format!(
        "{{\"version\":1,\"name\":\"shop\"{}}}",
        " ".repeat(usize::try_from(RECORD_BYTES_MAX).unwrap())
    );
    check(&put(long).await, 502, "NX5011", "limit").await;
    house.ledger.set_otherwise(NAME_REGISTRY, Bytes::new());
    house.get("broken.localhost", "/").await.is_problem(502, "NX5012");
}

#[tokio::test]
async fn a_failing_function_has_its_status_and_code() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    for (path, status, code) in [
        ("/load", 502, "NX4005"),
        ("/invalid", 502, "NX4006"),
        ("/trap", 502, "NX4001"),
        ("/slow", 504, "NX4002"),
        ("/memory", 507, "NX4003"),
        ("/body", 413, "NX4004"),
        ("/conflict", 503, "NX4007"),
        ("/busy", 503, "NX4008"),
        ("/state", 500, "NX4009"),
    ] {
        house.get("shop.localhost", path).await.is_problem(status, code);
    }
    assert_eq!(house.get("shop.localhost", "/well").await.status, 202);
}

#[tokio::test]
async fn a_person_gets_an_error_as_a_page_without_foreign_markup() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    let asked = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("host", "shop.localhost");
        request.header("accept", "text/html,*/*;q=0.8").body(Body::empty()).unwrap()
    };
    let answer = house.send(asked("GET", "/invalid")).await;
    assert_eq!((answer.status, answer.header("content-type")), (502, "text/html; charset=utf-8"));
    assert!(
        answer.body.contains("no &lt;exports&gt;") && !answer.body.contains("<exports>"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("NX4006"));
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    house.send(asked("POST", "/invalid")).await.is_problem(502, "NX4006");
}

#[tokio::test]
async fn malformed_hosts_and_paths_are_refused() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    house.get("a b", "/").await.is_problem(400, "NX5003");
    house.get("-.localhost", "/").await.is_problem(400, "NX5003");
    house.send(Request::builder().uri("/").body(Body::empty()).unwrap()).await.is_problem(400, "NX5003");
    house.get("example.com", "/").await.is_problem(421, "NX5002");
    for path in ["/%zz", "/a/%2e%2e/b", "/../etc", "/%00"] {
        house.get("shop.localhost", path).await.is_problem(400, "NX5004");
    }
    house.deploy(&record("bare", &[("f", "/f")])).await;
    house.get("bare.localhost", "/").await.is_problem(404, "NX5005");
}

#[tokio::test]
async fn a_preview_is_an_app_of_its_own_and_is_gone_when_it_is_taken_down() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("live", "/*")])).await;
    assert_eq!(house.get("fix--shop.localhost", "/a").await.status, 404);
    house.deploy(&record("fix--shop", &[("fixed", "/*")])).await;
    assert_eq!(house.get("fix--shop.localhost", "/a").await.body, "fixed GET /a 0");
    assert_eq!(house.get("shop.localhost", "/a").await.body, "live GET /a 0");
    let of_preview = house.get("localhost", "/api/v1/apps/fix--shop").await;
    assert_eq!((of_preview.status, &of_preview.json()["name"]), (200, &"fix--shop".into()));

    house.point("fix--shop", "");
    house.finalize(vec![record_changed("fix--shop", ""), name_changed("fix--shop")]).await;
    house.get("fix--shop.localhost", "/a").await.is_problem(404, "NX5001");
    assert_eq!(house.get("shop.localhost", "/a").await.body, "live GET /a 0");
}

#[tokio::test]
async fn who_takes_a_lapsed_name_is_told_apart_from_who_had_it() {
    let house = House::new().await;
    house.deploy(&record("shop", &[("f", "/*")])).await;
    house.begin_anew("fix--shop", 1);
    house.deploy(&record("fix--shop", &[("f", "/*")])).await;
    assert_eq!(house.get("shop.localhost", "/a").await.body, "f GET /a 0");
    assert_eq!(house.get("fix--shop.localhost", "/a").await.body, "f GET /a 0 @1");
    house.begin_anew("shop", 1);
    house.finalize(vec![records_cleared("shop")]).await;
    assert_eq!(house.get("shop.localhost", "/a").await.body, "f GET /a 0 @1");
    assert_eq!(
        house.get("fix--shop.localhost", "/a").await.body,
        "f GET /a 0 @2",
        "a preview goes with its app"
    );
}
