//! Content hosts and the way to them.

use super::{CODE, House, request};
use axum::body::Body;
use http::Request;

const V0: &str = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG";
const V1: &str = "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf47mvof4";

#[tokio::test]
async fn content_is_served_at_its_own_host_for_ever() {
    let house = House::new().await;
    let answer = house.get(&format!("{CODE}.ipfs.localhost:8080"), "/a%20b?format=raw").await;
    assert_eq!(answer.body, format!("GET {CODE} /a%20b Immutable"));
    let refused = house.send(request("DELETE", &format!("{CODE}.ipfs.localhost"), "/")).await;
    refused.is_problem(405, "NX5006");
    house.get(&format!("{CODE}.ipfs.localhost"), "/..").await.is_problem(400, "NX5004");
}

#[tokio::test]
async fn a_browser_is_sent_to_the_contents_own_host() {
    let house = House::new().await;
    for (path, location) in [
        (format!("/ipfs/{V1}"), format!("//{V1}.ipfs.localhost:8080/")),
        (format!("/ipfs/{V0}/a/b%20c?q=1"), format!("//{V1}.ipfs.localhost:8080/a/b%20c?q=1")),
        (format!("/ipfs/{}/", V1.to_uppercase()), format!("//{V1}.ipfs.localhost:8080/")),
    ] {
        let answer = house.get("localhost:8080", &path).await;
        assert_eq!((answer.status, answer.header("location")), (301, location.as_str()), "{path}");
    }
}

#[tokio::test]
async fn programs_and_addresses_are_served_where_they_ask() {
    let house = House::new().await;
    let path = format!("/ipfs/{V1}");
    let served = [
        (request("GET", "127.0.0.1:8080", &path), format!("GET {path}")),
        (request("GET", "localhost", &format!("{path}?format=car")), format!("GET {path}?format=car")),
        (request("POST", "localhost", &path), format!("POST {path}")),
        // Which addresses there are is the gateway's to say.
        (request("GET", "localhost", "/ipfs/nonsense"), "GET /ipfs/nonsense".to_owned()),
    ];
    for (request, answer) in served {
        assert_eq!(house.send(request).await.body, answer);
    }
    let raw = Request::builder()
        .uri(&path)
        .header("host", "localhost")
        .header("accept", "application/vnd.ipld.raw");
    assert_eq!(house.send(raw.body(Body::empty()).unwrap()).await.body, format!("GET {path}"));
}
