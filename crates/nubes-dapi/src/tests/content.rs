//! Content hosts, names and the way to them.

use super::{CODE, House, request};

const V1: &str = "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf47mvof4";

#[tokio::test]
async fn content_is_served_at_its_own_host_for_ever() {
    let house = House::new().await;
    let answer = house.get(&format!("{CODE}.ipfs.localhost:8080"), "/a%20b?format=raw").await;
    assert_eq!(answer.body, format!("GET {CODE} /a%20b Content {{ gateway: \"localhost:8080\" }}"));
    let refused = house.send(request("DELETE", &format!("{CODE}.ipfs.localhost"), "/")).await;
    refused.is_problem(405, "NX5006");
    house.get(&format!("{CODE}.ipfs.localhost"), "/..").await.is_problem(400, "NX5004");
}

#[tokio::test]
async fn paths_of_content_are_the_gateways_to_read() {
    let house = House::new().await;
    let path = format!("/ipfs/{V1}");
    for (method, host, path, answer) in [
        ("GET", "127.0.0.1:8080", path.as_str(), format!("GET {path} by None")),
        ("POST", "localhost:8080", &path, format!("POST {path} by Some(\"localhost:8080\")")),
        ("GET", "localhost", "/ipfs/nonsense?a", "GET /ipfs/nonsense?a by Some(\"localhost\")".to_owned()),
        ("GET", "localhost", "/ipns/a.b", "GET /ipns/a.b by Some(\"localhost\")".to_owned()),
        // Content is public, whatever the name of the host that somebody made point here.
        ("GET", "evil.example", &path, format!("GET {path} by None")),
    ] {
        assert_eq!(house.send(request(method, host, path)).await.body, answer);
    }
    house.get("evil.example", "/healthz").await.is_problem(421, "NX5002");
}

#[tokio::test]
async fn a_proxy_in_front_says_which_domain_was_asked() {
    let house = House::new().await;
    let path = format!("/ipfs/{V1}");
    for (forwarded, by) in
        [("localhost:1", "Some(\"localhost:1\")"), ("shop.localhost", "None"), ("evil.example", "None")]
    {
        let mut request = request("GET", "proxied.example", &path);
        request.headers_mut().insert("x-forwarded-host", forwarded.parse().unwrap());
        assert_eq!(house.send(request).await.body, format!("GET {path} by {by}"));
    }
}

#[tokio::test]
async fn names_and_linked_domains_have_hosts() {
    let house = House::new().await;
    assert_eq!(house.get("k51.ipns.localhost:8080", "/a").await.body, "/a of k51 at localhost:8080");
    assert_eq!(house.get("a.b.ipns.localhost", "/").await.body, "/ of a.b at localhost");
    assert_eq!(house.get("linked.example:8080", "/ipfs/a").await.body, "/ipfs/a of linked.example");
    house.send(request("POST", "linked.example", "/")).await.is_problem(405, "NX5006");
}
