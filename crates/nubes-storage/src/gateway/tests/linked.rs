//! Domains whose links the domain name system knows, and names of the ledger.

use super::{Fixture, fixture};
use crate::gateway::{Gateway, Links, Names};
use crate::ipns::DomainMap;
use async_trait::async_trait;
use http::StatusCode;
use nubes_base::SystemClock;
use nubes_base::port::{Pointer, PointerError, Pointers, TextRecords, Texts, TextsError};
use std::sync::Arc;

const HELLO: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

/// A domain name system of a few names.
#[derive(Debug)]
struct Zone;

#[async_trait]
impl TextRecords for Zone {
    async fn texts(&self, name: &str) -> Result<Texts, TextsError> {
        let text = match name {
            "_dnslink.here.example" | "_dnslink.dns.nubes" => format!("dnslink=/ipfs/{HELLO}"),
            "_dnslink.of-ledger.example" => "dnslink=/ipns/shop.nubes".to_owned(),
            "_dnslink.there.example" => "dnslink=/ipns/mapped.example".to_owned(),
            "_dnslink.mapped.example" | "_dnslink.bad.example" => "dnslink=/ipfs/bad".to_owned(),
            "_dnslink.loop.example" => "dnslink=/ipns/loop.example".to_owned(),
            "_dnslink.down.example" => {
                return Err(TextsError { name: name.to_owned(), source: "down".into() });
            }
            _ => return Ok(Texts::default()),
        };
        Ok(Texts { texts: vec![text.into()], life: None })
    }
}

/// A ledger of a few names.
#[derive(Debug)]
struct Ledger;

#[async_trait]
impl Pointers for Ledger {
    fn owns(&self, name: &str) -> bool {
        name.strip_suffix("nubes").is_some_and(|rest| rest.ends_with('.'))
    }

    async fn pointer(&self, name: &str) -> Result<Pointer, PointerError> {
        match name {
            "shop.nubes" => Ok(Pointer::Content(HELLO.parse().unwrap())),
            "bad.nubes" | "mapped.nubes" => Ok(Pointer::Unusable { what: "it is a picture".to_owned() }),
            "down.nubes" => Err(PointerError { name: name.to_owned(), source: "down".into() }),
            _ => Ok(Pointer::Nothing),
        }
    }
}

async fn linked() -> Fixture {
    let mut fixture = fixture();
    fixture.import_car("subdomain.car").await;
    let clock = Arc::new(SystemClock);
    let names = Names {
        domains: DomainMap::parse(&format!("mapped.example:/ipfs/{HELLO},mapped.nubes:/ipfs/{HELLO}"))
            .unwrap(),
        ledger: Some(Arc::new(Ledger)),
        links: Some(Links::new(Arc::new(Zone), Arc::clone(&clock) as _)),
        records: fixture.records.clone(),
    };
    fixture.gateway = Gateway::new(fixture.store.clone(), names, None, clock, None);
    fixture
}

#[tokio::test]
async fn a_link_is_followed_and_the_map_counts_first() {
    let fixture = linked().await;
    for domain in ["here.example", "there.example", "mapped.example", "HERE.example"] {
        let answer = fixture.get(&format!("/ipns/{domain}")).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello\n"), "{domain}");
        assert!(fixture.gateway.has_domain(domain).await, "{domain}");
    }
}

#[tokio::test]
async fn a_link_that_leads_nowhere_says_why() {
    let fixture = linked().await;
    for (domain, status, what, is_there) in [
        ("nobody.example", 502, "no link of nobody.example is known here, nor in the DNS", false),
        ("bad.example", 502, "of no use: `/ipfs/bad` has no CID", true),
        ("loop.example", 502, "more than 32 names point to each other", true),
        ("down.example", 504, "cannot be looked up: the TXT records of _dnslink.down.example", true),
    ] {
        let answer = fixture.get(&format!("/ipns/{domain}")).await;
        assert_eq!(answer.status.as_u16(), status, "{domain}");
        assert!(answer.text().contains(what), "{}", answer.text());
        assert_eq!(fixture.gateway.has_domain(domain).await, is_there, "{domain}");
    }
}

#[tokio::test]
async fn a_name_of_the_ledger_is_what_the_ledger_says_now() {
    let fixture = linked().await;
    for name in ["shop.nubes", "SHOP.nubes", "of-ledger.example"] {
        let answer = fixture.get(&format!("/ipns/{name}")).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello\n"), "{name}");
        assert!(answer.header("cache-control").contains("max-age=0"), "{}", answer.header("cache-control"));
    }
    assert_eq!(fixture.get("/ipns/mapped.nubes").await.text(), "hello\n", "the operator's word counts first");
    let name = crate::ipns::Name::parse("shop.nubes").unwrap();
    assert_eq!(fixture.gateway.content_path(&name).await.ok(), Some(format!("/ipfs/{HELLO}")));
    for (name, is_there) in [("shop.nubes", true), ("Mapped.nubes", true), ("dns.nubes", false)] {
        assert_eq!(fixture.gateway.has_domain(name).await, is_there, "{name}");
    }
}

#[tokio::test]
async fn a_name_of_the_ledger_that_leads_nowhere_says_why_and_the_dns_is_not_asked() {
    let fixture = linked().await;
    for (name, status, what) in [
        ("nobody.nubes", 502, "nobody.nubes points to nothing on the ledger"),
        ("dns.nubes", 502, "dns.nubes points to nothing on the ledger"),
        ("bad.nubes", 502, "of no use: it is a picture"),
        ("down.nubes", 504, "cannot be looked up: the ledger does not say what down.nubes points to: down"),
    ] {
        let answer = fixture.get(&format!("/ipns/{name}")).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
        assert!(answer.text().contains(what), "{}", answer.text());
    }
}
