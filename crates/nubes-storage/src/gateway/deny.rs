//! What a gateway does not serve, by a list that its operator names (compact denylist format of IPFS, the part in use).
//!
//! ```text
//! # comment; what stands above a line --- is a heading
//! /ipfs/CID            this content in whatever form its CID is written, and everything below it
//! /ipfs/CID/path       this path and everything below it
//! //HASH               the same, by the SHA-256 in hex of CID/path, so that a list does not tell what is on it
//! ```
//!
//! The CID of a hash is version 1 in base 32, and the slash is there without a path, too. Content is denied by every address
//! that leads to it: each CID on the way is looked up with what follows it. A line that is not understood makes a list
//! unusable; a list that became so while the node runs leaves the one before in force.

use super::{Lookup, names};
use crate::block::{DAG_PB, RAW};
use cid::Cid;
use nubes_base::{Clock, Timestamp};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::task;

/// Longest list: that of the public gateways has some 30 MB.
pub const FILE_BYTES_MAX: u64 = 128 << 20;
/// How often the file is looked at.
const CHECK_EVERY: Duration = Duration::from_mins(1);

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DenyListError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} has {bytes} bytes, more than {FILE_BYTES_MAX}")]
    TooLong { path: PathBuf, bytes: u64 },
    /// Mend the line.
    #[error("{path}, line {line}: {what}")]
    Line { path: PathBuf, line: usize, what: &'static str },
}

/// A list in a file, read again when the file changes; clones are the same list.
#[derive(Clone)]
pub struct DenyList(Arc<Inner>);

struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    checked_ms: AtomicU64,
    // A lock and not a task: held to copy a pointer.
    state: RwLock<State>,
}

struct State {
    rules: Arc<Rules>,
    /// Of the file that was read last, usable or not.
    stamp: Option<Stamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// A list as it was at one time.
#[derive(Debug)]
pub(super) struct Rules {
    /// Never zero; grows with each list.
    pub(super) generation: u64,
    hashes: BTreeSet<[u8; 32]>,
}

impl DenyList {
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, DenyListError> {
        let stamp = stamp(path);
        let rules = Arc::new(Rules { generation: 1, hashes: read(path)? });
        let checked_ms = AtomicU64::new(clock.now().unix_ms());
        let state = RwLock::new(State { rules, stamp });
        Ok(Self(Arc::new(Inner { path: path.to_owned(), clock, checked_ms, state })))
    }

    /// The list; whoever comes first after a minute looks whether the file has changed.
    pub(super) async fn current(&self) -> Arc<Rules> {
        let inner = &self.0;
        let (now, checked) = (inner.clock.now(), inner.checked_ms.load(Ordering::Relaxed));
        let is_due = now.since(Timestamp::from_unix_ms(checked)) >= CHECK_EVERY;
        let order = Ordering::Relaxed;
        if is_due && inner.checked_ms.compare_exchange(checked, now.unix_ms(), order, order).is_ok() {
            let list = self.clone();
            // On another thread: a long list takes a while. Nothing is lost if the caller stops waiting.
            if task::spawn_blocking(move || list.0.reload()).await.is_err() {
                tracing::error!("reading the deny list stopped");
            }
        }
        Arc::clone(&inner.state.read().rules)
    }
}

impl Inner {
    fn reload(&self) {
        let stamp = stamp(&self.path);
        if self.state.read().stamp == stamp {
            return;
        }
        let read = read(&self.path);
        let mut state = self.state.write();
        state.stamp = stamp;
        match read {
            Ok(hashes) => {
                tracing::info!(path = %self.path.display(), rules = hashes.len(), "deny list read again");
                let generation = state.rules.generation + 1;
                state.rules = Arc::new(Rules { generation, hashes });
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the deny list before stays in force"
                );
            }
        }
    }
}

impl Rules {
    /// Whether one of the CIDs, with what follows it of `names`, or something above that, is on the list. `roots` has the CID
    /// in front of the names and as many of those behind them as are known.
    pub(super) fn deny(&self, roots: &[Cid], names: &[String]) -> bool {
        roots.iter().enumerate().any(|(at, cid)| self.has(cid, names.get(at..).unwrap_or_default()))
    }

    fn has(&self, cid: &Cid, names: &[String]) -> bool {
        hashers(cid).into_iter().any(|mut hasher| {
            if self.hashes.contains(finished(&hasher).as_slice()) {
                return true;
            }
            names.iter().enumerate().any(|(at, name)| {
                if at > 0 {
                    hasher.update(b"/");
                }
                hasher.update(name);
                self.hashes.contains(finished(&hasher).as_slice())
            })
        })
    }
}

/// One for each way in which a list may mean the CID, up to where a path begins.
fn hashers(cid: &Cid) -> [Sha256; 4] {
    // The same block has another CID as bytes without structure, and a list has only one of the two.
    let [own, raw, node] = [cid.codec(), RAW, DAG_PB]
        .map(|codec| Sha256::new_with_prefix(format!("{}/", Cid::new_v1(codec, *cid.hash()))));
    [own, raw, node, by_content(cid)]
}

/// For plain lines, which hold for all CIDs of the same content. No text begins with a zero byte, so it is none of the others.
fn by_content(cid: &Cid) -> Sha256 {
    Sha256::new_with_prefix([&[0], cid.hash().to_bytes().as_slice(), b"/"].concat())
}

fn finished(hasher: &Sha256) -> [u8; 32] {
    hasher.clone().finalize().into()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
}

fn read(path: &Path) -> Result<BTreeSet<[u8; 32]>, DenyListError> {
    let failed = |source| DenyListError::Read { path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(DenyListError::TooLong { path: path.to_owned(), bytes });
    }
    let text = fs::read(path).map_err(failed)?;
    parse(&text).map_err(|(line, what)| DenyListError::Line { path: path.to_owned(), line, what })
}

fn parse(text: &[u8]) -> Result<BTreeSet<[u8; 32]>, (usize, &'static str)> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    let heading = lines.iter().position(|line| *line == b"---").map_or(0, |at| at + 1);
    let mut hashes = BTreeSet::new();
    for (at, line) in lines.iter().enumerate().skip(heading) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let rule = std::str::from_utf8(line).map_err(|_| "it is not UTF-8").and_then(rule);
        hashes.insert(rule.map_err(|what| (at + 1, what))?);
    }
    Ok(hashes)
}

fn rule(line: &str) -> Result<[u8; 32], &'static str> {
    // Behind a blank stand hints, such as why.
    let rule = line.split_whitespace().next().unwrap_or_default();
    if let Some(hash) = rule.strip_prefix("//") {
        return hex(hash).ok_or("what follows // is no SHA-256 in hex");
    }
    let Some(address) = rule.strip_prefix("/ipfs/") else {
        return Err("a rule begins with /ipfs/ or //");
    };
    let address = address.strip_suffix("/*").unwrap_or(address);
    if address.contains('*') {
        return Err("a * stands only behind the last slash");
    }
    let (cid, path) = address.split_once('/').unwrap_or((address, ""));
    let cid = Cid::try_from(cid).map_err(|_| "what follows /ipfs/ is no CID")?;
    let names = names(path).map_err(|failed| match failed {
        Lookup::Path { what } => what,
        _ => "the path is not valid",
    })?;
    let mut hasher = by_content(&cid);
    hasher.update(names.join("/"));
    Ok(finished(&hasher))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl fmt::Debug for DenyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyList").field("path", &self.0.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let cid = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";
        for (list, expect) in [
            (format!("# a\n\n/ipfs/{cid}\r\n/ipfs/{cid}/a/* reason=b\n//{}\n", "aB".repeat(32)), Ok(3)),
            (format!("version: 1\nname: x\n---\n/ipfs/{cid}/\n/ipfs/{cid}/*"), Ok(1)),
            ("//abc".to_owned(), Err((1, "what follows // is no SHA-256 in hex"))),
            (format!("//{}", "g".repeat(64)), Err((1, "what follows // is no SHA-256 in hex"))),
            ("#\n/ipfs/nonsense".to_owned(), Err((2, "what follows /ipfs/ is no CID"))),
            (format!("/ipfs/{cid}/a*"), Err((1, "a * stands only behind the last slash"))),
            (format!("/ipfs/{cid}/../a"), Err((1, "the path has `.` or `..` as a name"))),
            ("/ipns/a.example".to_owned(), Err((1, "a rule begins with /ipfs/ or //"))),
            (format!("!/ipfs/{cid}"), Err((1, "a rule begins with /ipfs/ or //"))),
        ] {
            assert_eq!(parse(list.as_bytes()).map(|hashes| hashes.len()), expect, "{list}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
