//! `DNSLink`: domains that say in the domain name system what they point to.
//!
//! A TXT record `dnslink=/ipfs/CID/path` or `dnslink=/ipns/NAME/path` of `_dnslink.DOMAIN`, or if there is none of DOMAIN itself, is
//! the link. Texts of other kinds and links to other namespaces are somebody else's. Of several that can be used the first in the
//! order of bytes counts, so that all who read them agree. One that cannot be used is skipped, and is an error only where no
//! other one is left.
//!
//! What was learnt is kept for as long as its records say, within bounds; that there is nothing, and that nobody answers, for a
//! shorter time. A domain is asked for once at a time, and a few domains at a time.

use crate::flights::Flights;
use crate::ipns::Name;
use bytes::Bytes;
use cid::Cid;
use lru::LruCache;
use nubes_base::port::TextRecords;
use nubes_base::{Clock, Timestamp, chain};
use parking_lot::Mutex;
use std::{convert::Infallible, fmt, num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time};

/// Domains that are remembered.
const DOMAINS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Domains that are asked for at the same time; who has another one waits.
const LOOKUPS_AT_ONCE_MAX: usize = 64;
/// For both names of a domain, waiting included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A longer text is no link.
const LINK_BYTES_MAX: usize = 1_024;
/// For how long a link holds, whatever its record says.
const LIFE_MIN: Duration = Duration::from_secs(10);
const LIFE_MAX: Duration = Duration::from_hours(1);
/// If its record says nothing.
const LIFE_DEFAULT: Duration = Duration::from_mins(1);
/// For how long it is remembered that a domain has no link.
const NOTHING_LIFE_MAX: Duration = Duration::from_mins(1);
/// For how long it is remembered that nobody answers.
const FAILED_LIFE: Duration = Duration::from_secs(5);
/// Before a domain's name for the records of its link.
const LABEL: &str = "_dnslink.";
/// Longest domain name (RFC 1035).
const NAME_BYTES_MAX: usize = 253;

/// What is known of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// It points to this path.
    To {
        path: String,
    },
    Nothing,
    /// All its links are of no use; why the first of them is.
    Malformed {
        what: String,
    },
    /// Nothing is known.
    Failed {
        what: String,
    },
}

#[derive(Clone, Debug)]
struct Known {
    linked: Linked,
    until: Timestamp,
}

/// Looks up links of domains, and remembers them; clones share the memory.
#[derive(Clone)]
pub struct Links(Arc<Inner>);

struct Inner {
    texts: Arc<dyn TextRecords>,
    clock: Arc<dyn Clock>,
    // A lock and not a task: it is held for one look-up per request.
    known: Mutex<LruCache<String, Known>>,
    lookups: Flights<String, Known>,
    room: Semaphore,
    patience: Duration,
}

impl Links {
    pub fn new(texts: Arc<dyn TextRecords>, clock: Arc<dyn Clock>) -> Self {
        Self::patient(texts, clock, LOOKUP_TIMEOUT)
    }

    fn patient(texts: Arc<dyn TextRecords>, clock: Arc<dyn Clock>, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            patience,
            texts,
            clock,
            known: Mutex::new(LruCache::new(DOMAINS_MAX)),
            lookups: Flights::new(),
            room: Semaphore::new(LOOKUPS_AT_ONCE_MAX),
        }))
    }

    /// What `domain` points to, and for how long that holds from now on.
    pub(super) async fn get(&self, domain: &str) -> (Linked, Duration) {
        let now = self.0.clock.now();
        let known = self.0.known.lock().get(domain).filter(|known| known.until > now).cloned();
        let known = if let Some(known) = known {
            known
        } else {
            let learn = async { Ok::<_, Infallible>(self.learn(domain).await) };
            let Ok(known) = self.0.lookups.join(&domain.to_owned(), learn).await;
            known
        };
        (known.linked, known.until.since(now))
    }

    async fn learn(&self, domain: &str) -> Known {
        let asked = time::timeout(self.0.patience, self.ask(domain)).await;
        let (linked, life) = asked.unwrap_or_else(|_| {
            let what = format!("no answer within {:?}", self.0.patience);
            (Linked::Failed { what }, FAILED_LIFE)
        });
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        let until = Timestamp::from_unix_ms(self.0.clock.now().unix_ms().saturating_add(life_ms));
        let known = Known { linked, until };
        self.0.known.lock().put(domain.to_owned(), known.clone());
        known
    }

    async fn ask(&self, domain: &str) -> (Linked, Duration) {
        let _place = self.0.room.acquire().await;
        let (mut malformed, mut life) = (None, NOTHING_LIFE_MAX);
        for name in [format!("{LABEL}{domain}"), domain.to_owned()] {
            if name.len() > NAME_BYTES_MAX {
                continue;
            }
            let texts = match self.0.texts.texts(&name).await {
                Ok(texts) => texts,
                Err(error) => return (Linked::Failed { what: chain(&error) }, FAILED_LIFE),
            };
            match link(&texts.texts) {
                Linked::To { path } => {
                    let life = texts.life.unwrap_or(LIFE_DEFAULT).clamp(LIFE_MIN, LIFE_MAX);
                    return (Linked::To { path }, life);
                }
                Linked::Malformed { what } if malformed.is_none() => malformed = Some(what),
                _ => {}
            }
            life = life.min(texts.life.unwrap_or(LIFE_DEFAULT)).max(LIFE_MIN);
        }
        (malformed.map_or(Linked::Nothing, |what| Linked::Malformed { what }), life)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("texts", &self.0.texts).finish_non_exhaustive()
    }
}

/// The link among the texts of one name.
fn link(texts: &[Bytes]) -> Linked {
    let mut found: Vec<Result<&str, String>> = texts.iter().filter_map(|text| read(text)).collect();
    found.sort();
    // `Ok` sorts before `Err`.
    match found.into_iter().next() {
        Some(Ok(path)) => Linked::To { path: path.to_owned() },
        Some(Err(what)) => Linked::Malformed { what },
        None => Linked::Nothing,
    }
}

/// The path of a text that is a link, or why it is of no use; none if it is about something else.
fn read(text: &[u8]) -> Option<Result<&str, String>> {
    let link = text.strip_prefix(b"dnslink=")?;
    if link.len() > LINK_BYTES_MAX {
        return Some(Err(format!("a link of {} bytes, more than {LINK_BYTES_MAX}", link.len())));
    }
    let Ok(link) = std::str::from_utf8(link) else { return Some(Err("a link that is not UTF-8".to_owned())) };
    let refuse = |what: &str| Some(Err(format!("`{}` {what}", link.escape_default())));
    let Some((namespace, rest)) = link.strip_prefix('/').and_then(|link| link.split_once('/')) else {
        return refuse("is no /NAMESPACE/IDENTIFIER");
    };
    let first = rest.split('/').next().unwrap_or_default();
    match namespace {
        "ipfs" if Cid::try_from(first).is_err() => refuse("has no CID"),
        "ipns" if Name::parse(first).is_err() => refuse("has neither a key nor a domain"),
        "ipfs" | "ipns" => Some(Ok(link)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Linked, Links, link};
    use async_trait::async_trait;
    use bytes::Bytes;
    use nubes_base::port::{TextRecords, Texts, TextsError};
    use nubes_base::{Clock, Timestamp};
    use parking_lot::Mutex;
    use proptest::prelude::*;
    use std::{
        collections::BTreeMap,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    const A: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
    const B: &str = "bafybeiaysi4s6lnjev27ln5icwm6tueaw2vdykrtjkwiphwekaywqhcjze";

    fn to(path: &str) -> Linked {
        Linked::To { path: path.to_owned() }
    }

    #[track_caller]
    fn check(texts: &[&[u8]], expect: &Linked) {
        let texts: Vec<_> = texts.iter().map(|text| Bytes::copy_from_slice(text)).collect();
        assert_eq!(&link(&texts), expect, "{texts:?}");
    }

    #[test]
    fn the_first_usable_link_in_the_order_of_bytes_counts() {
        let [a, b] = [A, B].map(|cid| format!("dnslink=/ipfs/{cid}"));
        check(&[], &Linked::Nothing);
        check(&[a.as_bytes()], &to(&format!("/ipfs/{A}")));
        check(&[b.as_bytes(), a.as_bytes()], &to(&format!("/ipfs/{A}")));
        check(&[b"dnslink=/ipns/a.example", b.as_bytes()], &to(&format!("/ipfs/{B}")));
        check(&[b"dnslink=/ipns/a.example/x/y"], &to("/ipns/a.example/x/y"));
        check(&[b"dnslink=/ipfs/nonsense", b.as_bytes()], &to(&format!("/ipfs/{B}")));
        check(
            &[b"dnslink=/ipns/k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam"],
            &to("/ipns/k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam"),
        );
    }

    #[test]
    fn what_is_no_link_of_ours_is_left_alone() {
        for text in
            ["v=spf1 -all", "dnslink", "DNSLINK=/ipfs/x", " dnslink=/ipfs/x", "dnslink=/swarm/abc", ""]
        {
            check(&[text.as_bytes()], &Linked::Nothing);
        }
    }

    #[test]
    fn a_link_that_cannot_be_used_says_why() {
        for (text, what) in [
            ("dnslink=", "`` is no /NAMESPACE/IDENTIFIER"),
            ("dnslink=ipfs/x", "`ipfs/x` is no /NAMESPACE/IDENTIFIER"),
            ("dnslink=/ipfs", "`/ipfs` is no /NAMESPACE/IDENTIFIER"),
            ("dnslink=/ipfs/", "`/ipfs/` has no CID"),
            ("dnslink=/ipfs/no\n", "`/ipfs/no\\n` has no CID"),
            ("dnslink=/ipns/nonsense", "`/ipns/nonsense` has neither a key nor a domain"),
        ] {
            check(&[text.as_bytes()], &Linked::Malformed { what: what.to_owned() });
        }
        let long = format!("dnslink=/ipfs/{A}/{}", "x".repeat(1_024));
        assert!(
            matches!(link(&[long.into()]), Linked::Malformed { what } if what.contains("more than 1024"))
        );
        check(&[b"dnslink=/ipfs/\xff"], &Linked::Malformed { what: "a link that is not UTF-8".to_owned() });
    }

    proptest! {
        #[test]
        fn any_texts_are_read_without_panic(texts in proptest::collection::vec(".{0,40}", 0..4), bytes in any::<Vec<u8>>()) {
            let mut all: Vec<Bytes> = texts.into_iter().map(|text| format!("dnslink=/{text}").into()).collect();
            all.push(bytes.into());
            let read = link(&all);
            all.reverse();
            prop_assert_eq!(link(&all), read, "the order of the answer does not matter");
        }
    }

    #[derive(Debug, Default)]
    struct Server {
        /// Texts and their life in seconds; who is not here has none.
        records: Mutex<BTreeMap<&'static str, (Vec<&'static str>, u64)>>,
        is_down: Mutex<bool>,
        asked: Mutex<Vec<String>>,
        now_ms: AtomicU64,
    }

    #[async_trait]
    impl TextRecords for Server {
        async fn texts(&self, name: &str) -> Result<Texts, TextsError> {
            self.asked.lock().push(name.to_owned());
            tokio::task::yield_now().await;
            if *self.is_down.lock() {
                return Err(TextsError { name: name.to_owned(), source: "down".into() });
            }
            let records = self.records.lock();
            let (texts, life) = records.get(name).cloned().unwrap_or_default();
            let texts = texts.into_iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
            Ok(Texts { texts, life: (life > 0).then_some(Duration::from_secs(life)) })
        }
    }

    impl Clock for Server {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(self.now_ms.load(Ordering::Relaxed))
        }
    }

    impl Server {
        fn with(records: &[(&'static str, &'static str, u64)]) -> Arc<Self> {
            let server = Arc::new(Self::default());
            for (name, text, life) in records {
                server.records.lock().insert(name, (vec![text], *life));
            }
            server
        }

        fn links(self: &Arc<Self>) -> Links {
            Links::new(Arc::clone(self) as _, Arc::clone(self) as _)
        }

        fn pass(&self, seconds: u64) {
            self.now_ms.fetch_add(seconds * 1_000, Ordering::Relaxed);
        }

        fn asked(&self) -> String {
            std::mem::take(&mut *self.asked.lock()).join(" ")
        }
    }

    #[tokio::test]
    async fn the_domain_itself_is_asked_only_if_there_is_no_link_below_it() {
        let server = Server::with(&[
            ("_dnslink.both.example", "dnslink=/ipns/below.example", 60),
            ("both.example", "dnslink=/ipns/itself.example", 60),
            ("only.example", "dnslink=/ipns/itself.example", 60),
            ("_dnslink.bad.example", "dnslink=/ipfs/bad", 60),
            ("bad.example", "dnslink=/ipns/itself.example", 60),
        ]);
        let links = server.links();
        assert_eq!(links.get("both.example").await.0, to("/ipns/below.example"));
        assert_eq!(server.asked(), "_dnslink.both.example");
        assert_eq!(links.get("only.example").await.0, to("/ipns/itself.example"));
        assert_eq!(server.asked(), "_dnslink.only.example only.example");
        assert_eq!(links.get("bad.example").await.0, to("/ipns/itself.example"));
        let long = format!("{}.example", vec!["x".repeat(60); 4].join("."));
        assert_eq!(links.get(&long).await.0, Linked::Nothing);
        assert!(!server.asked().contains(&format!("_dnslink.{long}")), "no name is that long");
    }

    #[track_caller]
    fn lives(server: &Server, seconds: u64, is_asked: bool) {
        let asked = server.asked();
        assert_eq!(!asked.is_empty(), is_asked, "after {seconds} s: {asked}");
    }

    #[tokio::test]
    async fn a_link_lives_as_long_as_it_says_within_bounds() {
        for (says, seconds) in [(300, 300), (1, 10), (0, 60), (86_400, 3_600)] {
            let server = Server::with(&[("_dnslink.a.example", "dnslink=/ipns/b.example", says)]);
            let links = server.links();
            assert_eq!(links.get("a.example").await.1, Duration::from_secs(seconds));
            server.asked();
            server.pass(seconds - 1);
            assert_eq!(links.get("a.example").await.1, Duration::from_secs(1));
            lives(&server, seconds - 1, false);
            server.pass(1);
            links.get("a.example").await;
            lives(&server, seconds, true);
        }
    }

    #[tokio::test]
    async fn that_there_is_nothing_and_that_nobody_answers_is_remembered_for_a_short_time() {
        let server = Server::with(&[]);
        let links = server.links();
        assert_eq!(links.get("a.example").await.0, Linked::Nothing);
        server.asked();
        server.pass(59);
        links.get("a.example").await;
        lives(&server, 59, false);
        server.pass(1);
        *server.is_down.lock() = true;
        assert!(matches!(links.get("a.example").await.0, Linked::Failed { what } if what.ends_with("down")));
        lives(&server, 60, true);
        server.pass(4);
        links.get("a.example").await;
        lives(&server, 4, false);
        server.pass(1);
        *server.is_down.lock() = false;
        assert_eq!(links.get("a.example").await.0, Linked::Nothing);
    }

    #[tokio::test]
    async fn many_who_want_one_domain_ask_once() {
        let server = Server::with(&[("_dnslink.a.example", "dnslink=/ipns/b.example", 60)]);
        let links = server.links();
        let all = futures_util::future::join_all((0..20).map(|_| links.get("a.example"))).await;
        assert!(all.iter().all(|(linked, _)| *linked == to("/ipns/b.example")));
        assert_eq!(server.asked(), "_dnslink.a.example");
    }

    #[derive(Debug)]
    struct Silence;

    #[async_trait]
    impl TextRecords for Silence {
        async fn texts(&self, _: &str) -> Result<Texts, TextsError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn silence_is_not_waited_for_without_end() {
        let patience = Duration::from_millis(10);
        let links = Links::patient(Arc::new(Silence), Server::with(&[]), patience);
        let (linked, _) = links.get("a.example").await;
        assert_eq!(linked, Linked::Failed { what: "no answer within 10ms".to_owned() });
    }
}
