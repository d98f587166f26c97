//! Which pins a list is about.

use crate::pins::{NAME_CHARS_MAX, Pin, Status};
use crate::query::Query;
use cid::Cid;
use http::Uri;
use nubes_base::Timestamp;
use std::collections::BTreeMap;

/// Pins in one answer, at most and when nothing is said (Pinning Service API).
pub(super) const LIMIT_MAX: usize = 1000;
const LIMIT_DEFAULT: usize = 10;
/// CIDs in one question (Pinning Service API).
const CIDS_MAX: usize = 10;

/// All of it has to hold.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// In version 1, so that both spellings of a CID are the same. Empty: any.
    cids: Vec<Cid>,
    name: Option<(String, Match)>,
    statuses: Vec<Status>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    meta: BTreeMap<String, String>,
    pub(super) limit: usize,
}

#[derive(Clone, Copy, Debug)]
enum Match {
    Exact,
    ExactAnyCase,
    Part,
    PartAnyCase,
}

/// A parameter that is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("the query is not UTF-8")]
    NotUtf8,
    #[error("`{parameter}` is not valid: {what}")]
    Value { parameter: &'static str, what: String },
}

fn refuse(parameter: &'static str, what: impl Into<String>) -> FilterError {
    FilterError::Value { parameter, what: what.into() }
}

impl Filter {
    pub(super) fn of(uri: &Uri) -> Result<Self, FilterError> {
        let query = Query::of(uri).ok_or(FilterError::NotUtf8)?;
        Ok(Self {
            cids: cids(&query)?,
            name: name(&query)?,
            statuses: statuses(&query)?,
            before: time(&query, "before")?,
            after: time(&query, "after")?,
            meta: meta(&query)?,
            limit: limit(&query)?,
        })
    }

    pub(super) fn fits(&self, pin: &Pin) -> bool {
        let created = pin.id.created();
        self.statuses.contains(&pin.status)
            && self.before.is_none_or(|before| created < before)
            && self.after.is_none_or(|after| created > after)
            && (self.cids.is_empty()
                || unversioned(pin.wish.cid()).is_some_and(|cid| self.cids.contains(&cid)))
            && self
                .name
                .as_ref()
                .is_none_or(|(name, how)| how.fits(name, pin.wish.name().unwrap_or_default()))
            && self.meta.iter().all(|(key, value)| pin.wish.meta().get(key) == Some(value))
    }
}

impl Match {
    fn fits(self, wanted: &str, name: &str) -> bool {
        match self {
            Self::Exact => name == wanted,
            Self::ExactAnyCase => name.to_lowercase() == wanted.to_lowercase(),
            Self::Part => name.contains(wanted),
            Self::PartAnyCase => name.to_lowercase().contains(&wanted.to_lowercase()),
        }
    }
}

/// A moment as RFC 3339 has it.
pub(super) fn moment(at: Timestamp) -> String {
    let ms = i64::try_from(at.unix_ms()).unwrap_or(i64::MAX);
    // Always with milliseconds, because clients ask for what is before the moment that they were given.
    jiff::Timestamp::from_millisecond(ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}

fn unversioned(cid: &Cid) -> Option<Cid> {
    cid.into_v1().ok()
}

// Values may be repeated, or separated by commas as version 1.0.0 of the API has it.
fn values<'a>(query: &'a Query, name: &str) -> impl Iterator<Item = &'a str> {
    query.all(name).flat_map(|value| value.split(',')).filter(|value| !value.is_empty())
}

fn cids(query: &Query) -> Result<Vec<Cid>, FilterError> {
    let cids: Vec<&str> = values(query, "cid").collect();
    if cids.len() > CIDS_MAX {
        return Err(refuse("cid", format!("more than {CIDS_MAX} CIDs")));
    }
    let read = |text: &str| Cid::try_from(text).and_then(Cid::into_v1);
    cids.into_iter().map(|text| read(text).map_err(|error| refuse("cid", error.to_string()))).collect()
}

fn name(query: &Query) -> Result<Option<(String, Match)>, FilterError> {
    let how = match query.first("match").unwrap_or("exact") {
        "exact" => Match::Exact,
        "iexact" => Match::ExactAnyCase,
        "partial" => Match::Part,
        "ipartial" => Match::PartAnyCase,
        other => return Err(refuse("match", format!("`{other}` is no strategy"))),
    };
    let Some(name) = query.first("name") else { return Ok(None) };
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(refuse("name", format!("it has more than {NAME_CHARS_MAX} characters")));
    }
    Ok(Some((name.to_owned(), how)))
}

fn statuses(query: &Query) -> Result<Vec<Status>, FilterError> {
    let read =
        |name: &str| Status::of(name).ok_or_else(|| refuse("status", format!("`{name}` is no status")));
    let statuses: Vec<Status> = values(query, "status").map(read).collect::<Result<_, _>>()?;
    Ok(if statuses.is_empty() { vec![Status::Pinned] } else { statuses })
}

fn time(query: &Query, parameter: &'static str) -> Result<Option<Timestamp>, FilterError> {
    let Some(text) = query.first(parameter) else { return Ok(None) };
    let at: jiff::Timestamp =
        text.parse().map_err(|error: jiff::Error| refuse(parameter, error.to_string()))?;
    let ms = u64::try_from(at.as_millisecond()).map_err(|_| refuse(parameter, "it is before 1970"))?;
    Ok(Some(Timestamp::from_unix_ms(ms)))
}

// The API wants JSON; the API's own client in JavaScript sends `meta[key]=value`.
fn meta(query: &Query) -> Result<BTreeMap<String, String>, FilterError> {
    let keyed = query.keyed("meta").map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut meta: BTreeMap<_, _> = keyed.collect();
    if let Some(text) = query.first("meta") {
        let read: BTreeMap<_, _> =
            serde_json::from_str(text).map_err(|error| refuse("meta", error.to_string()))?;
        meta.extend(read);
    }
    Ok(meta)
}

fn limit(query: &Query) -> Result<usize, FilterError> {
    let Some(text) = query.first("limit") else { return Ok(LIMIT_DEFAULT) };
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| refuse("limit", format!("it has to be 1 to {LIMIT_MAX}")))
}
