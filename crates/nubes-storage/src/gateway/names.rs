//! From what a path begins with to a root and a path below it.

use super::links::{Linked, Links};
use super::{Caching, Gateway, Root};
use crate::ipns::{DomainMap, Lookup, Name, PutError, Record, Records};
use crate::problem::Problem;
use cid::Cid;
use http::StatusCode;
use nubes_base::chain;
use nubes_base::port::{Pointer, Pointers};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Names that may point to each other before a CID comes.
pub(super) const NAMES_MAX: usize = 32;
/// For how long an answer may be kept if its record says nothing.
const TTL_DEFAULT: Duration = Duration::from_mins(1);

/// For how long a name is followed.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(10);

/// By what a gateway knows names.
#[derive(Clone, Debug)]
pub struct Names {
    /// The operator's word, which counts first.
    pub domains: DomainMap,
    /// The ledger, which is asked for its own names, and nobody else is; none: it has none.
    pub ledger: Option<Arc<dyn Pointers>>,
    /// The domain name system; none: nobody is asked.
    pub links: Option<Links>,
    pub records: Records,
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) root: Cid,
    /// What the name adds in front of the request's own path; empty or ending with `/`.
    pub(super) prefix: String,
    pub(super) caching: Caching,
}

impl Gateway {
    pub(super) async fn locate(&self, root: &Root, caching: &Caching) -> Result<Found, Problem> {
        match root {
            Root::Content(cid) => Ok(Found { root: *cid, prefix: String::new(), caching: caching.clone() }),
            Root::Name(name) => Box::pin(self.follow(name)).await,
        }
    }

    /// The content path that a name leads to.
    pub(crate) async fn content_path(&self, name: &Name) -> Result<String, Problem> {
        let Found { root, prefix, .. } = self.follow(name).await?;
        let path = format!("/ipfs/{root}/{}", prefix.replace("%25", "%"));
        Ok(path.trim_end_matches('/').to_owned())
    }

    /// Follows names to a CID. The shortest life on the way is that of the answer.
    async fn follow(&self, name: &Name) -> Result<Found, Problem> {
        let (mut name, mut prefix, mut life) = (name.clone(), String::new(), None::<Duration>);
        // Each may take a look-up, and all together no longer than a reader waits.
        let until = Instant::now() + FOLLOW_TIMEOUT;
        for _ in 0..NAMES_MAX {
            let value = timeout_at(until, self.value(&name)).await;
            let (value, ttl) = value.unwrap_or_else(|_| Err(silent(&name, "too many look-ups")))?;
            life = Some(life.map_or(ttl, |life| life.min(ttl)));
            let malformed = || unresolved(format!("{name} points to `{value}`, which is no content path"));
            let (namespace, rest) =
                value.strip_prefix('/').and_then(|v| v.split_once('/')).ok_or_else(malformed)?;
            let (first, path) = rest.split_once('/').unwrap_or((rest, ""));
            let path = path.trim_matches('/');
            if !path.is_empty() {
                // The value is a path as it is, the prefix one as in a URL.
                prefix = format!("{}/{prefix}", path.replace('%', "%25"));
            }
            match namespace {
                "ipfs" => {
                    let root = Cid::try_from(first).map_err(|_| malformed())?;
                    let max_age_s = life.unwrap_or(TTL_DEFAULT).as_secs();
                    let max_age_s = u32::try_from(max_age_s).unwrap_or(u32::MAX);
                    return Ok(Found { root, prefix, caching: Caching::Mutable { max_age_s } });
                }
                "ipns" => name = Name::parse(first).map_err(|_| malformed())?,
                _ => return Err(malformed()),
            }
        }
        Err(unresolved(format!("more than {NAMES_MAX} names point to each other")))
    }

    async fn value(&self, name: &Name) -> Result<(String, Duration), Problem> {
        match name {
            Name::Domain(domain) => self.link(domain).await,
            Name::Key(_) => {
                let record = self.record(name)?;
                Ok((record.value, record.ttl.unwrap_or(TTL_DEFAULT)))
            }
        }
    }

    /// What a domain points to: the operator's word counts first, then that of whom the name belongs to, the ledger or the
    /// domain name system.
    async fn link(&self, domain: &str) -> Result<(String, Duration), Problem> {
        if let Some(path) = self.inner.names.domains.get(domain) {
            return Ok((path.to_owned(), TTL_DEFAULT));
        }
        if let Some(ledger) = self.ledger_of(domain) {
            return pointed(ledger, domain).await;
        }
        let unknown = || unresolved(format!("no link of {domain} is known here"));
        let (linked, life) = self.inner.names.links.as_ref().ok_or_else(unknown)?.get(domain).await;
        match linked {
            Linked::To { path } => Ok((path, life)),
            Linked::Nothing => Err(unresolved(format!("no link of {domain} is known here, nor in the DNS"))),
            Linked::Malformed { what } => {
                Err(unresolved(format!("the link of {domain} in the DNS is of no use: {what}")))
            }
            Linked::Failed { what } => Err(silent(&domain, &what)),
        }
    }

    /// Whether `domain` points to something. One of which nothing can be known now may, and its answer says so.
    pub async fn has_domain(&self, domain: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        if self.inner.names.domains.get(&domain).is_some() {
            return true;
        }
        if let Some(ledger) = self.ledger_of(&domain) {
            return !matches!(ledger.pointer(&domain).await, Ok(Pointer::Nothing));
        }
        match (&self.inner.names.links, Name::parse(&domain)) {
            (Some(links), Ok(Name::Domain(domain))) => links.get(&domain).await.0 != Linked::Nothing,
            _ => false,
        }
    }

    /// The ledger, if the name is one of its own.
    fn ledger_of(&self, domain: &str) -> Option<&dyn Pointers> {
        self.inner.names.ledger.as_deref().filter(|ledger| ledger.owns(domain))
    }

    /// The signed record of a key.
    pub(super) fn record(&self, name: &Name) -> Result<Record, Problem> {
        let Name::Key(key) = name else {
            return Err(unresolved(format!("{name} is a domain and has no signed record")));
        };
        match self.inner.names.records.get(key, self.inner.clock.now()) {
            Ok(Lookup::Valid(record)) => Ok(record),
            Ok(Lookup::Invalid(error)) => {
                Err(unresolved(format!("the record of {key} is of no use: {error}")))
            }
            Ok(Lookup::Unknown) => Err(unresolved(format!("no record of {key} is known here"))),
            Err(source) => Err(PutError::Store { source }.into()),
        }
    }
}

/// The path that the ledger says. It holds until the next block, so nobody keeps it.
async fn pointed(ledger: &dyn Pointers, name: &str) -> Result<(String, Duration), Problem> {
    match ledger.pointer(name).await {
        Ok(Pointer::Content(cid)) => Ok((format!("/ipfs/{cid}"), Duration::ZERO)),
        Ok(Pointer::Nothing) => Err(unresolved(format!("{name} points to nothing on the ledger"))),
        Ok(Pointer::Unusable { what }) => {
            Err(unresolved(format!("what {name} points to on the ledger is of no use: {what}")))
        }
        Err(error) => Err(silent(&name, &chain(&error))),
    }
}

fn unresolved(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, 3023, detail)
}

fn silent(name: &impl fmt::Display, what: &str) -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, 3059, format!("the link of {name} cannot be looked up: {what}"))
}
