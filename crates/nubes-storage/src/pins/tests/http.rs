use super::{Fixture, Generous, fixture, leaf};
use crate::pins::{routes, service};
use axum::{Router, body::Body};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

const TOKEN: &str = "a token that is long enough to be one";

fn psa(fixture: &Fixture) -> Router {
    let pinner = fixture.pinner(Generous::new(&fixture.store, Vec::new()));
    service::routes(pinner, service::Token::new(TOKEN).unwrap())
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
}

fn request(call: &str, body: &Value, token: Option<&str>) -> Request<Body> {
    let (method, uri) = call.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    request.body(body).unwrap()
}

async fn call(router: &Router, call: &str, body: &Value) -> (StatusCode, Value) {
    send(router, request(call, body, Some(TOKEN))).await
}

#[tokio::test]
async fn without_the_token_nobody_is_served() {
    let psa = psa(&fixture());
    for token in [None, Some("wrong"), Some(""), Some("a token that is long enough to be on")] {
        for path in ["GET /psa/pins", "POST /psa/pins", "DELETE /psa/pins/1", "GET /psa/other"] {
            let (status, body) = send(&psa, request(path, &Value::Null, token)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {token:?}");
            assert_eq!(body["error"]["reason"], "UNAUTHORIZED");
        }
    }
    let (status, _) = send(&psa, request("OPTIONS /psa/pins", &Value::Null, None)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(service::Token::new("short").is_err());
    assert_eq!(format!("{:?}", service::Token::new(TOKEN).unwrap()), "Token(…)");
}

#[tokio::test]
async fn a_pin_is_made_read_replaced_and_removed() {
    let fixture = fixture();
    let psa = psa(&fixture);
    let here = fixture.put(&leaf("here")).await.to_string();
    let wish = json!({ "cid": here, "name": "x", "meta": { "a": "b" }, "origins": ["/p2p/me"], "new": 1 });
    let (status, made) = call(&psa, "POST /psa/pins", &wish).await;
    assert_eq!((status, &made["status"]), (StatusCode::ACCEPTED, &json!("pinned")));
    assert_eq!(
        made["pin"],
        json!({ "cid": here, "name": "x", "meta": { "a": "b" }, "origins": ["/p2p/me"] })
    );
    assert_eq!(made["delegates"], json!(["/ip4/192.0.2.1/tcp/4001/p2p/me"]));
    assert!(made["created"].as_str().unwrap().ends_with('Z'));
    let id = made["requestid"].as_str().unwrap();
    assert_eq!(
        call(&psa, &format!("GET /psa/pins/{id}"), &Value::Null).await,
        (StatusCode::OK, made.clone())
    );
    let gone = json!({ "cid": leaf("gone").cid().to_string(), "name": null });
    let (status, new) = call(&psa, &format!("POST /psa/pins/{id}"), &gone).await;
    assert_eq!((status, &new["status"]), (StatusCode::ACCEPTED, &json!("queued")));
    let (status, body) = call(&psa, &format!("GET /psa/pins/{id}"), &Value::Null).await;
    assert_eq!((status, &body["error"]["reason"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")));
    let id = new["requestid"].as_str().unwrap();
    let remove = format!("DELETE /psa/pins/{id}");
    assert_eq!(call(&psa, &remove, &Value::Null).await, (StatusCode::ACCEPTED, Value::Null));
    assert_eq!(call(&psa, &remove, &Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_are_filtered_and_read_page_by_page() {
    let fixture = fixture();
    let psa = psa(&fixture);
    let mut cids = Vec::new();
    for at in 0..25 {
        let block = leaf(&at.to_string());
        if at != 7 {
            fixture.put(&block).await;
        }
        let wish = json!({ "cid": block.cid().to_string(), "name": format!("Name {at}"), "meta": { "at": at.to_string() } });
        call(&psa, "POST /psa/pins", &wish).await;
        cids.push(block.cid().to_string());
    }
    let names = async |query: &str| {
        let (status, body) = call(&psa, &format!("GET /psa/pins?{query}"), &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{query}: {body}");
        let results = body["results"].as_array().unwrap();
        let names: Vec<_> =
            results.iter().map(|pin| pin["pin"]["name"].as_str().unwrap().to_owned()).collect();
        let last = results.last().map(|pin| pin["created"].as_str().unwrap().to_owned());
        (body["count"].as_u64().unwrap(), names, last.unwrap_or_default())
    };
    let all = "status=queued,pinning&status=pinned,failed";
    let (count, mut seen, mut last) = names(all).await;
    assert_eq!((count, seen.len(), seen[0].as_str()), (25, 10, "Name 24"));
    while !last.is_empty() {
        let (_, page, oldest) = names(&format!("{all}&before={last}")).await;
        seen.extend(page);
        last = oldest;
    }
    assert_eq!(seen.len(), 25, "each once: {seen:?}");
    assert_eq!(names("limit=1000").await.0, 24, "what is pinned");
    assert_eq!(names("status=queued").await.1, ["Name 7"]);
    assert_eq!(names("name=Name+3").await.1, ["Name 3"]);
    assert_eq!(names("name=name%203").await.0, 0);
    assert_eq!(names("name=NAME+3&match=iexact").await.1, ["Name 3"]);
    assert_eq!(
        names("name=ame+1&match=partial&limit=2").await,
        (11, vec!["Name 19".to_owned(), "Name 18".to_owned()], names("name=Name+18").await.2)
    );
    assert_eq!(names("name=AME+24&match=ipartial").await.1, ["Name 24"]);
    assert_eq!(names(&format!("cid={}&cid={}", cids[1], cids[2])).await.1, ["Name 2", "Name 1"]);
    assert_eq!(names(&format!("cid={},{}", cids[1], cids[2])).await.1, ["Name 2", "Name 1"]);
    assert_eq!(names("meta=%7B%22at%22%3A%225%22%7D").await.1, ["Name 5"]);
    assert_eq!(names("meta%5Bat%5D=6").await.1, ["Name 6"]);
    let third = names("name=Name+3").await.2;
    assert_eq!(names(&format!("after={third}&limit=1000")).await.0, 20);
    assert_eq!(names(&format!("after={third}&before={third}")).await.0, 0);
}

#[tokio::test]
async fn bad_questions_and_wishes_are_refused_as_the_api_has_it() {
    let psa = psa(&fixture());
    let cid = leaf("x").cid().to_string();
    let many = [cid.as_str(); 11].join(",");
    let queries = [
        "limit=0",
        "limit=1001",
        "limit=x",
        "match=fuzzy",
        "status=lost",
        "cid=Qm",
        "before=yesterday",
        "meta=1",
        "after=1969-01-01T00:00:00Z",
        "name=%ff",
        &format!("name={}", "x".repeat(256)),
        &format!("cid={many}"),
    ];
    for query in queries {
        let (status, body) = call(&psa, &format!("GET /psa/pins?{query}"), &Value::Null).await;
        assert_eq!(
            (status, &body["error"]["reason"]),
            (StatusCode::BAD_REQUEST, &json!("BAD_REQUEST")),
            "{query}"
        );
    }
    let wishes = [
        json!({}),
        json!({ "cid": "Qm" }),
        json!([]),
        json!({ "cid": cid, "name": "x".repeat(256) }),
        json!({ "cid": cid, "meta": { "a": 1 } }),
        json!({ "cid": cid, "origins": vec!["x"; 21] }),
    ];
    for wish in wishes {
        let (status, body) = call(&psa, "POST /psa/pins", &wish).await;
        assert_eq!(
            (status, &body["error"]["reason"]),
            (StatusCode::BAD_REQUEST, &json!("BAD_REQUEST")),
            "{wish}"
        );
    }
    let too_long = json!({ "cid": cid, "name": "x".repeat(200_000) });
    let response = psa.clone().oneshot(request("POST /psa/pins", &too_long, Some(TOKEN))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(call(&psa, "PUT /psa/pins", &Value::Null).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(call(&psa, "GET /psa/pins/abc", &Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call(&psa, "GET /psa/other", &Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_node_s_own_api_lists_makes_and_removes() {
    let fixture = fixture();
    let api = routes(fixture.alone());
    let here = fixture.put(&leaf("here")).await.to_string();
    let (status, made) = call(&api, "POST /api/v1/pins", &json!({ "cid": here, "name": "x" })).await;
    assert_eq!(
        (status, &made["status"], &made["mode"]),
        (StatusCode::CREATED, &json!("pinned"), &json!("recursive"))
    );
    let gone = json!({ "cid": leaf("gone").cid().to_string(), "mode": "direct" });
    assert_eq!(call(&api, "POST /api/v1/pins", &gone).await.0, StatusCode::ACCEPTED);
    let (_, listed) = call(&api, "GET /api/v1/pins", &Value::Null).await;
    assert_eq!(listed["pins"].as_array().unwrap().len(), 2);
    assert_eq!(listed["pins"][1], made);
    let remove = format!("DELETE /api/v1/pins/{here}");
    assert_eq!(call(&api, &remove, &Value::Null).await, (StatusCode::OK, json!({ "removed": 1 })));
    let (status, problem) = call(&api, &remove, &Value::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("NX3041")));
}

#[tokio::test]
async fn the_node_s_own_api_refuses_what_it_does_not_understand() {
    let fixture = fixture();
    let api = routes(fixture.alone());
    let cid = leaf("x").cid().to_string();
    let cases = [
        (json!({ "cid": "Qm" }), "NX3001"),
        (json!({ "cid": cid, "mode": "half" }), "NX3042"),
        (json!({ "cid": cid, "name": "x".repeat(256) }), "NX3042"),
        (json!({ "cid": cid, "other": 1 }), "NX3014"),
    ];
    for (wish, code) in cases {
        let (status, problem) = call(&api, "POST /api/v1/pins", &wish).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!(code)), "{wish}");
    }
    assert_eq!(call(&api, "DELETE /api/v1/pins/x", &Value::Null).await.1["code"], "NX3001");
    let plain = Request::post("/api/v1/pins").header("content-type", "text/plain");
    let plain = plain.body(Body::from(json!({ "cid": cid }).to_string())).unwrap();
    assert_eq!(send(&api, plain).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
