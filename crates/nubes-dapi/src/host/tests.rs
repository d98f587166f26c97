use super::{BaseDomains, HostError, LABEL_BYTES_MAX, Target, of_request};
use cid::Cid;
use http::{HeaderMap, HeaderValue, Uri, header};
use proptest::{prelude::any, prop_assert, prop_assume, proptest};

const V0: &str = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG";
const V1: &str = "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf47mvof4";

fn domains() -> BaseDomains {
    BaseDomains::new(["localhost", "nubes.example"]).unwrap()
}

#[track_caller]
fn check(host: &str, expect: &str) {
    let found = match domains().target(host) {
        Ok(Target::Front { .. }) => "front".to_owned(),
        Ok(Target::App(name)) => format!("app {name}"),
        Ok(Target::Content { cid, .. }) => format!("content {cid}"),
        Ok(Target::Name { name, .. }) => format!("name {name}"),
        Ok(Target::Foreign { .. }) => "unknown".to_owned(),
        Err(HostError::Label { .. }) => "long label".to_owned(),
        Err(HostError::Syntax { .. }) => "syntax".to_owned(),
        Err(HostError::Name { .. }) => "bad name".to_owned(),
        Err(HostError::Content { .. }) => "bad cid".to_owned(),
        Err(HostError::Missing | HostError::Repeated) => unreachable!(),
    };
    assert_eq!(found, expect, "{host}");
}

#[test]
fn the_nodes_own_host_is_a_base_domain_or_an_address() {
    for host in
        ["localhost", "localhost:8080", "LOCALHOST.", "127.0.0.1:80", "[::1]:8080", "[::1]", "nubes.example"]
    {
        check(host, "front");
    }
}

#[test]
fn an_app_is_below_a_base_domain_or_its_top_level_name() {
    check("guestbook.localhost", "app guestbook");
    check("guestbook.localhost:8080", "app guestbook");
    check("Guestbook.LocalHost.:8080", "app guestbook");
    check("guestbook.nubes.localhost", "app guestbook");
    check("guestbook.nubes.example", "app guestbook");
    check("guestbook.nubes.nubes.example", "app guestbook");
    check("1.localhost", "app 1");
    check("Fix--guestbook.localhost:8080", "app fix--guestbook");
    check("fix--guestbook.nubes.localhost", "app fix--guestbook");
    check("fix.guestbook.localhost", "unknown");
    check("xn--guestbook.localhost", "bad name");
    check("a--b--c.localhost", "bad name");
}

#[test]
fn content_has_a_host_for_each_root() {
    check(&format!("{V1}.ipfs.localhost:8080"), &format!("content {V1}"));
    check(&format!("{}.ipfs.localhost", V1.to_uppercase()), &format!("content {V1}"));
    check(&format!("{V0}.ipfs.localhost"), &format!("content {V1}"));
    check("nonsense.ipfs.localhost", "bad cid");
    check(&format!("{}.ipfs.localhost", V0.to_lowercase()), "bad cid");
}

#[test]
fn a_name_has_a_host() {
    check("name.ipns.localhost", "name name");
    check("a.b.ipns.nubes.example:80", "name a.b");
}

#[test]
fn other_hosts_are_unknown() {
    for host in
        ["example.com", "notlocalhost", "a.b.localhost", "a.b.nubes.localhost", "localhost.evil.example"]
    {
        check(host, "unknown");
    }
    for host in ["ipfs.localhost", "ipns.localhost", "nubes.localhost", "ipfs.nubes.localhost"] {
        check(host, "unknown");
    }
}

#[test]
fn malformed_hosts_are_refused() {
    for host in
        ["", ".", "..localhost", "a..localhost", "a b.localhost", "user@localhost", "localhost:80:80", "[::1"]
    {
        check(host, "syntax");
    }
    for host in
        ["localhost:99999", "localhost:x", "localhost:+1", "[::g]", "[::1]x", "a/b.localhost", "ä.localhost"]
    {
        check(host, "syntax");
    }
    check("-a.localhost", "bad name");
    check("a_b.localhost", "bad name");
    check(
        &format!("{}.localhost", "a".repeat(LABEL_BYTES_MAX)),
        &format!("app {}", "a".repeat(LABEL_BYTES_MAX)),
    );
    check(&format!("{}.localhost", "a".repeat(LABEL_BYTES_MAX + 1)), "long label");
    check(&format!("{}localhost", "a.".repeat(123)), "syntax");
}

#[test]
fn the_gateway_is_the_base_domain_that_was_asked() {
    let target = |host: &str| domains().target(host).unwrap();
    let (cid, gateway): (Cid, _) = (V1.parse().unwrap(), "nubes.example:81".to_owned());
    assert_eq!(
        target(&format!("{V1}.ipfs.Nubes.Example:81")),
        Target::Content { cid, gateway: gateway.clone() }
    );
    let name = "a.b".to_owned();
    assert_eq!(target("a.b.ipns.nubes.example:81"), Target::Name { name, gateway: gateway.clone() });
    assert_eq!(target("nubes.example:81"), Target::Front { domain: Some(gateway) });
    assert_eq!(target("127.0.0.1:81"), Target::Front { domain: None });
    assert_eq!(target("Evil.example:81"), Target::Foreign { host: "evil.example".to_owned() });
}

#[test]
fn a_request_names_exactly_one_host() {
    let mut headers = HeaderMap::new();
    let origin: Uri = "/path".parse().unwrap();
    assert!(matches!(of_request(&origin, &headers), Err(HostError::Missing)));
    headers.append(header::HOST, HeaderValue::from_static("a.localhost"));
    assert_eq!(of_request(&origin, &headers).unwrap(), "a.localhost");
    let absolute: Uri = "http://b.localhost:1/path".parse().unwrap();
    assert_eq!(of_request(&absolute, &headers).unwrap(), "b.localhost:1");
    headers.append(header::HOST, HeaderValue::from_static("c.localhost"));
    assert!(matches!(of_request(&origin, &headers), Err(HostError::Repeated)));
    headers.insert(header::HOST, HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(matches!(of_request(&origin, &headers), Err(HostError::Syntax { .. })));
}

#[test]
fn a_base_domain_may_be_below_another() {
    let domains = BaseDomains::new(["localhost", "nubes.localhost"]).unwrap();
    assert_eq!(
        domains.target("nubes.localhost").unwrap(),
        Target::Front { domain: Some("nubes.localhost".to_owned()) }
    );
    assert_eq!(domains.target("shop.nubes.localhost").unwrap(), Target::App("shop".parse().unwrap()));
    assert!(matches!(domains.target(&format!("{V1}.ipfs.nubes.localhost")).unwrap(), Target::Content { .. }));
    assert_eq!(domains.target("shop.localhost").unwrap(), Target::App("shop".parse().unwrap()));
    assert_eq!(domains.first(), "localhost");
}

#[test]
fn a_base_domain_is_a_bare_name() {
    for bad in ["", "a:1", "http://a", "A.example", ".a"] {
        assert!(BaseDomains::new([bad]).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn any_text_is_judged(host in any::<String>()) {
        let _ = domains().target(&host);
        let _ = domains().target(&format!("{host}.localhost"));
    }

    #[test]
    fn any_app_name_has_a_host(
        name in "([a-z0-9]{1,3}(-[a-z0-9]{1,4}){0,3}--)?[a-z0-9]{1,10}(-[a-z0-9]{1,10}){0,3}"
    ) {
        prop_assume!(!name.starts_with("xn--"));
        let target = domains().target(&format!("{name}.localhost")).unwrap();
        let is_reserved = ["ipfs", "ipns", "nubes"].contains(&name.as_str());
        prop_assert!(is_reserved || target == Target::App(name.parse().unwrap()));
    }
}
