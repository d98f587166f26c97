//! Which of an app's functions answers a path. Pure.
//!
//! A pattern is a path, or a path followed by `/*` for everything at and below it. The most exact pattern
//! wins: an exact one before any prefix, a longer prefix before a shorter. What no pattern matches is the
//! site's.
//!
//! Paths are compared as they are written. So that no path can be written in two ways that a site or function
//! takes for the same, [`check_path`] refuses dot segments and broken escapes before anything is compared.

use nubes_base::{AppRecord, port::Function};
use std::{cmp::Reverse, fmt, str::FromStr, sync::Arc};

/// Answered by the front door for every app, whatever its routes say.
pub const WELL_KNOWN_PATH: &str = "/.well-known/nubes.json";
/// Longest pattern.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Functions of one app.
pub const FUNCTIONS_MAX: usize = 256;

/// Where a function answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// This path and no other.
    Exact(String),
    /// This path and all below it; without the slash at the end, so that `/*` is empty.
    Prefix(String),
}

/// Why a text is not a pattern. Mend `route` in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("route `{pattern}` does not begin with /")]
    Relative { pattern: String },
    #[error("route `{pattern}` has * elsewhere than as its last segment")]
    Star { pattern: String },
    #[error(
        "route `{pattern}` has an empty segment, a dot segment or a character that does not stand in a path"
    )]
    Segment { pattern: String },
    #[error("route has {bytes} bytes, more than {PATTERN_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("route {WELL_KNOWN_PATH} is the front door's own")]
    Reserved,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let pattern = || text.to_owned();
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        if !text.starts_with('/') {
            return Err(PatternError::Relative { pattern: pattern() });
        }
        let prefix = text.strip_suffix("/*");
        let path = prefix.unwrap_or(text);
        if path.contains('*') {
            return Err(PatternError::Star { pattern: pattern() });
        }
        // An exact path may end in a slash, `/` among them.
        let segments = if prefix.is_none() { path.strip_suffix('/').unwrap_or(path) } else { path };
        if !segments.split('/').skip(1).all(is_segment) {
            return Err(PatternError::Segment { pattern: pattern() });
        }
        match prefix {
            Some(prefix) => Ok(Self::Prefix(prefix.to_owned())),
            None if text == WELL_KNOWN_PATH => Err(PatternError::Reserved),
            None => Ok(Self::Exact(text.to_owned())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(path) => write!(f, "{path}/*"),
        }
    }
}

impl Pattern {
    /// Whether the function answers `path`.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    fn rank(&self) -> (bool, usize) {
        match self {
            Self::Exact(path) => (true, path.len()),
            Self::Prefix(path) => (false, path.len()),
        }
    }
}

/// The functions of one app by their routes.
#[derive(Clone, Debug)]
pub struct Routes(Vec<(Pattern, Arc<Function>)>);

/// Why an app's routes cannot be used. Mend the manifest and deploy again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("function {function} cannot be reached")]
    Pattern {
        function: String,
        #[source]
        source: PatternError,
    },
    #[error("functions {one} and {other} have the same route {pattern}")]
    Conflict { one: String, other: String, pattern: Pattern },
    #[error("the app has {functions} functions, more than {FUNCTIONS_MAX}")]
    TooMany { functions: usize },
}

impl Routes {
    /// Checks all routes of the record, also against each other.
    pub fn new(record: &AppRecord, tenure: u64) -> Result<Self, RouteError> {
        if record.functions.len() > FUNCTIONS_MAX {
            return Err(RouteError::TooMany { functions: record.functions.len() });
        }
        let mut routes = Vec::new();
        for (name, function) in &record.functions {
            let pattern: Pattern = function
                .route
                .parse()
                .map_err(|source| RouteError::Pattern { function: name.clone(), source })?;
            let (app, name, record) = (record.name.clone(), name.clone(), function.clone());
            let function = Function { app, tenure, name, record };
            routes.push((pattern, Arc::new(function)));
        }
        routes.sort_by(|(a, _), (b, _)| Reverse(a.rank()).cmp(&Reverse(b.rank())).then_with(|| a.cmp(b)));
        for (one, other) in routes.iter().zip(routes.iter().skip(1)) {
            if one.0 == other.0 {
                let (one, other, pattern) = (one.1.name.clone(), other.1.name.clone(), one.0.clone());
                return Err(RouteError::Conflict { one, other, pattern });
            }
        }
        Ok(Self(routes))
    }

    /// The function that answers `path`, if any.
    pub fn find(&self, path: &str) -> Option<&Arc<Function>> {
        self.0.iter().find(|(pattern, _)| pattern.matches(path)).map(|(_, function)| function)
    }

    /// All functions, the most exact route first.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.0.iter().map(|(_, function)| function)
    }
}

/// Why a path is refused. No browser sends such a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path does not begin with /")]
    Relative,
    #[error("the path has a % that is not followed by two hexadecimal digits")]
    Escape,
    #[error("the path has a zero byte")]
    Zero,
    #[error("the path has a . or .. segment")]
    DotSegment,
}

/// Refuses paths that could be read in two ways.
pub fn check_path(path: &str) -> Result<(), PathError> {
    let Some(segments) = path.strip_prefix('/') else { return Err(PathError::Relative) };
    segments.split('/').filter(|segment| segment.contains(['%', '.'])).try_for_each(check_segment)
}

fn check_segment(segment: &str) -> Result<(), PathError> {
    let mut bytes = segment.bytes();
    let (mut length, mut only_dots) = (0_usize, true);
    while let Some(byte) = bytes.next() {
        let byte =
            if byte == b'%' { unescape(bytes.next(), bytes.next()).ok_or(PathError::Escape)? } else { byte };
        if byte == 0 {
            return Err(PathError::Zero);
        }
        length = length.saturating_add(1);
        only_dots &= byte == b'.';
    }
    if only_dots && length <= 2 { Err(PathError::DotSegment) } else { Ok(()) }
}

fn unescape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

/// RFC 3986 `pchar`, without escapes: a pattern is compared with the path as it is written.
fn is_segment(segment: &str) -> bool {
    let is_pchar = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&b);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_pchar)
}

#[cfg(test)]
mod tests;
