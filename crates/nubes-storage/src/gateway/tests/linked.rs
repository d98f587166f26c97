//! Domains whose links the domain name system knows.

use super::{Fixture, fixture};
use crate::gateway::{Gateway, Links, Names};
use crate::ipns::DomainMap;
use async_trait::async_trait;
use http::StatusCode;
use nubes_base::SystemClock;
use nubes_base::port::{TextRecords, Texts, TextsError};
use std::sync::Arc;

const HELLO: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

/// A domain name system of a few names.
#[derive(Debug)]
struct Zone;

#[async_trait]
impl TextRecords for Zone {
    async fn texts(&self, name: &str) -> Result<Texts, TextsError> {
        let text = match name {
            "_dnslink.here.example" => format!("dnslink=/ipfs/{HELLO}"),
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

async fn linked() -> Fixture {
    let mut fixture = fixture();
    fixture.import_car("subdomain.car").await;
    let clock = Arc::new(SystemClock);
    let names = Names {
        domains: DomainMap::parse(&format!("mapped.example:/ipfs/{HELLO}")).unwrap(),
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
