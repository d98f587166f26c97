//! From what a path begins with to a root and a path below it.

use super::{Caching, Gateway, Root};
use crate::ipns::{Lookup, Name, PutError, Record};
use crate::problem::Problem;
use cid::Cid;
use http::StatusCode;
use std::time::Duration;

/// Names that may point to each other before a CID comes.
pub(super) const NAMES_MAX: usize = 32;
/// For how long an answer may be kept if its record says nothing.
const TTL_DEFAULT: Duration = Duration::from_mins(1);

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) root: Cid,
    /// What the name adds in front of the request's own path; empty or ending with `/`.
    pub(super) prefix: String,
    pub(super) caching: Caching,
}

impl Gateway {
    pub(super) fn locate(&self, root: &Root, caching: &Caching) -> Result<Found, Problem> {
        match root {
            Root::Content(cid) => Ok(Found { root: *cid, prefix: String::new(), caching: caching.clone() }),
            Root::Name(name) => self.follow(name),
        }
    }

    /// The content path that a name leads to.
    pub(crate) fn content_path(&self, name: &Name) -> Result<String, Problem> {
        let Found { root, prefix, .. } = self.follow(name)?;
        let path = format!("/ipfs/{root}/{}", prefix.replace("%25", "%"));
        Ok(path.trim_end_matches('/').to_owned())
    }

    /// Follows names to a CID. The shortest life on the way is that of the answer.
    fn follow(&self, name: &Name) -> Result<Found, Problem> {
        let (mut name, mut prefix, mut life) = (name.clone(), String::new(), None::<Duration>);
        for _ in 0..NAMES_MAX {
            let (value, ttl) = self.value(&name)?;
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

    fn value(&self, name: &Name) -> Result<(String, Duration), Problem> {
        match name {
            Name::Domain(domain) => {
                let path = self.inner.domains.get(domain);
                let path = path.ok_or_else(|| unresolved(format!("no link of {domain} is known here")))?;
                Ok((path.to_owned(), TTL_DEFAULT))
            }
            Name::Key(_) => {
                let record = self.record(name)?;
                Ok((record.value, record.ttl.unwrap_or(TTL_DEFAULT)))
            }
        }
    }

    /// The signed record of a key.
    pub(super) fn record(&self, name: &Name) -> Result<Record, Problem> {
        let Name::Key(key) = name else {
            return Err(unresolved(format!("{name} is a domain and has no signed record")));
        };
        match self.inner.records.get(key, self.inner.clock.now()) {
            Ok(Lookup::Valid(record)) => Ok(record),
            Ok(Lookup::Invalid(error)) => {
                Err(unresolved(format!("the record of {key} is of no use: {error}")))
            }
            Ok(Lookup::Unknown) => Err(unresolved(format!("no record of {key} is known here"))),
            Err(source) => Err(PutError::Store { source }.into()),
        }
    }
}

fn unresolved(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, 3023, detail)
}
