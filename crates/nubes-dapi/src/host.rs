//! Whose a request is, by its host name. Pure.
//!
//! ```text
//! BASE, an IP address            the node itself
//! NAME.BASE, NAME.nubes.BASE     app NAME
//! PREVIEW--NAME.BASE             a preview of app NAME: one label, so that one wildcard certificate serves all
//! CID.ipfs.BASE                  the content CID (subdomain gateway of IPFS: each root has its own origin)
//! NAME.ipns.BASE                 what the name points to
//! ```
//!
//! A base domain is `localhost` or one that the operator owns. Every other host is [`Target::Foreign`]: it gets content,
//! which is public, and nothing else; answering more would let a foreign page reach the node through a name that it controls
//! (DNS rebinding).

use cid::Cid;
use http::{HeaderMap, Uri, header};
use nubes_base::{AppName, app::AppNameError};
use nubes_contracts::TOP_LEVEL_NAME;
use std::{borrow::Cow, net::Ipv6Addr};

/// Longest host name (RFC 1035).
pub const HOST_BYTES_MAX: usize = 253;
/// Longest label of a host name (RFC 1035); a CID that is longer has no host.
pub const LABEL_BYTES_MAX: usize = 63;
const CONTENT_LABEL: &str = "ipfs";
const NAME_LABEL: &str = "ipns";
/// An app with one of these names could set cookies for the hosts below it.
const RESERVED_LABELS: [&str; 3] = [CONTENT_LABEL, NAME_LABEL, TOP_LEVEL_NAME];
const CID_V0_CHARS: usize = 46;

/// Whose a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node's own pages and API; with the base domain and its port, if it was asked by one.
    Front {
        domain: Option<String>,
    },
    App(AppName),
    /// Content below the base domain `gateway`, with its port. The CID is always version 1.
    Content {
        cid: Cid,
        gateway: String,
    },
    /// A name below it; a domain has several labels, or one in which they are folded.
    Name {
        name: String,
        gateway: String,
    },
    /// Not a host of this node; without its port.
    Foreign {
        host: String,
    },
}

/// Why a host is refused. The request is malformed; nothing was looked up.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the request names no host")]
    Missing,
    #[error("the request names more than one host")]
    Repeated,
    #[error("`{host}` is not a host name")]
    Syntax { host: String },
    /// Ask for the content by its path, or by a CID with a shorter hash.
    #[error("CID incompatible with DNS label length limit of {LABEL_BYTES_MAX}: {label}")]
    Label { label: String },
    #[error("`{label}` cannot be the name of an app")]
    Name {
        label: String,
        #[source]
        source: AppNameError,
    },
    #[error("`{label}` is not a CID")]
    Content {
        label: String,
        #[source]
        source: cid::Error,
    },
}

/// The domains under which the node serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseDomains(Vec<String>);

/// The text is not a domain name. Give it without port and scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{domain}` is not a domain name in lower case")]
pub struct BaseDomainError {
    pub domain: String,
}

impl BaseDomains {
    /// The first is the one to show to people.
    pub fn new(domains: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, BaseDomainError> {
        let domains: Vec<String> = domains.into_iter().map(Into::into).collect();
        match domains.iter().find(|domain| !is_name(domain) || domain.bytes().any(|b| b.is_ascii_uppercase()))
        {
            Some(bad) => Err(BaseDomainError { domain: bad.clone() }),
            None => Ok(Self(domains)),
        }
    }

    /// The domain to show to people.
    pub fn first(&self) -> &str {
        self.0.first().map_or("localhost", String::as_str)
    }

    /// Whose `host` is: a `Host` header or the authority of a URI.
    pub fn target(&self, host: &str) -> Result<Target, HostError> {
        let Parts { name, port } = split(host)?;
        let Some(written) = name else { return Ok(Target::Front { domain: None }) };
        let name = lower(written);
        // Of two base domains, one below the other, the longer one is meant.
        let bases = self.0.iter().filter_map(|base| Some((below(&name, base)?, base)));
        let Some((labels, base)) = bases.min_by_key(|(labels, _)| labels.len()) else {
            return Ok(Target::Foreign { host: name.into_owned() });
        };
        let gateway = || port.map_or_else(|| base.clone(), |port| format!("{base}:{port}"));
        match labels.rsplit_once('.') {
            None if labels.is_empty() => Ok(Target::Front { domain: Some(gateway()) }),
            None => app(labels, &name),
            // A CIDv0 is case-sensitive; browsers lower the case, other clients may not.
            Some((label, CONTENT_LABEL)) if !label.contains('.') => {
                let cid = content(label, written.get(..label.len()).unwrap_or(label))?;
                Ok(Target::Content { cid, gateway: gateway() })
            }
            Some((name, NAME_LABEL)) => Ok(Target::Name { name: name.to_owned(), gateway: gateway() }),
            Some((label, TOP_LEVEL_NAME)) if !label.contains('.') => app(label, &name),
            Some(_) => Ok(Target::Foreign { host: name.into_owned() }),
        }
    }
}

/// The host that a request names: in its URI, else in its only `Host` header (RFC 9112 §3.2).
pub fn of_request<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, HostError> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().ok_or(HostError::Missing)?;
    if hosts.next().is_some() {
        return Err(HostError::Repeated);
    }
    host.to_str()
        .map_err(|_| HostError::Syntax { host: String::from_utf8_lossy(host.as_bytes()).into_owned() })
}

struct Parts<'a> {
    /// None: an IP address.
    name: Option<&'a str>,
    port: Option<u16>,
}

fn split(host: &str) -> Result<Parts<'_>, HostError> {
    let refuse = || HostError::Syntax { host: host.chars().take(HOST_BYTES_MAX).collect() };
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(refuse)?;
        address.parse::<Ipv6Addr>().map_err(|_| refuse())?;
        return Ok(Parts { name: None, port: port_of(port).ok_or_else(refuse)? });
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    let port = port_of(port).ok_or_else(refuse)?;
    if is_ipv4(name) {
        return Ok(Parts { name: None, port });
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if is_name(name) {
        return Ok(Parts { name: Some(name), port });
    }
    match name.split('.').find(|label| label.len() > LABEL_BYTES_MAX) {
        Some(label) => Err(HostError::Label { label: label.chars().take(HOST_BYTES_MAX).collect() }),
        None => Err(refuse()),
    }
}

/// `Some(None)`: no port given.
#[expect(clippy::option_option, reason = "absent and malformed are different")]
fn port_of(text: &str) -> Option<Option<u16>> {
    match text.strip_prefix(':') {
        None => text.is_empty().then_some(None),
        Some("") => Some(None),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().map(Some),
        Some(_) => None,
    }
}

fn is_ipv4(name: &str) -> bool {
    name.as_bytes().first().is_some_and(u8::is_ascii_digit) && name.parse::<std::net::Ipv4Addr>().is_ok()
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label)
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) { name.to_ascii_lowercase().into() } else { name.into() }
}

fn below<'a>(name: &'a str, base: &str) -> Option<&'a str> {
    let rest = name.strip_suffix(base)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_suffix('.') }
}

fn app(label: &str, host: &str) -> Result<Target, HostError> {
    if RESERVED_LABELS.contains(&label) {
        return Ok(Target::Foreign { host: host.to_owned() });
    }
    let name = label.parse().map_err(|source| HostError::Name { label: label.to_owned(), source })?;
    Ok(Target::App(name))
}

fn content(label: &str, written: &str) -> Result<Cid, HostError> {
    let is_v0 = written.len() == CID_V0_CHARS && written.starts_with("Qm");
    let cid = Cid::try_from(if is_v0 { written } else { label }).and_then(Cid::into_v1);
    cid.map_err(|source| HostError::Content { label: label.to_owned(), source })
}

#[cfg(test)]
mod tests;
