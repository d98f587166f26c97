//! `_headers`: what a site adds to its answers. An extension of ours, in the form that Netlify and Cloudflare Pages read.
//!
//! ```text
//! /assets/*
//!   Cache-Control: public, max-age=31536000
//! /users/:name
//!   X-Frame-Options: DENY
//! ```
//!
//! A line that begins with `/` is a pattern, the indented lines below it are its headers, a line that begins with `#` is
//! nothing. `:name` stands for one segment, `*` once for any characters. All patterns that match count; a header that
//! several give has their values in order. It takes the place of the gateway's own, except for those of [`is_owned`], which
//! are left out: they say how the bytes are sent, or reach further than the site. CORS stays as the gateway has it.
//!
//! A line that is not understood counts as not there, and so do the headers below a path that is none. The site is served all the
//! same; the log says once which lines these are, and who deploys hears of them before ([`check`]).

use crate::store::Store;
use crate::unixfs::{File, Kind, ReadError, Resolved};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::fmt;

/// Where a site keeps it: in its root.
pub const FILE: &str = "_headers";
/// Longest file, as of `_redirects`.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Headers in one file.
const HEADERS_MAX: usize = 1_000;
/// Faults of one file that are named.
const FAULTS_MAX: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    start: Vec<Piece>,
    /// What follows the splat, if there is one.
    end: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// Everything up to the next slash, which is something.
    Segment,
}

/// What of a file does not count, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From one; none if it is about the file as a whole.
    pub line: Option<usize>,
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// The faults of a file that is to be a site's `_headers`, the first of them if there are many.
pub fn check(bytes: &[u8]) -> Vec<Fault> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return vec![too_long()];
    }
    parse(bytes).1
}

/// The rules of a site, and what of its file does not count.
pub(super) async fn read(store: &Store, file: &Resolved) -> Result<(Rules, Vec<Fault>), ReadError> {
    let none = |fault| Ok((Rules::default(), vec![fault]));
    match file.kind {
        Kind::File { size } if size > FILE_BYTES_MAX => none(too_long()),
        Kind::File { size } => Ok(parse(&File::known(store, file.cid, size).read(FILE_BYTES_MAX).await?)),
        _ => none(Fault { line: None, what: "it is no file".to_owned() }),
    }
}

fn too_long() -> Fault {
    Fault { line: None, what: format!("it has more than {FILE_BYTES_MAX} bytes, so none of it counts") }
}

impl Rules {
    /// Sets what the site says of `path`.
    pub(super) fn apply(&self, path: &str, headers: &mut HeaderMap) {
        let mut own = HeaderMap::new();
        for rule in self.0.iter().filter(|rule| rule.pattern.matches(path)) {
            for (name, value) in &rule.headers {
                own.append(name, value.clone());
            }
        }
        let given =
            |name: &HeaderName| name.as_str().starts_with("access-control-") && headers.contains_key(name);
        let kept: Vec<_> = own.keys().filter(|name| !given(name)).cloned().collect();
        for name in kept {
            headers.remove(&name);
            for value in own.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
    }
}

fn parse(bytes: &[u8]) -> (Rules, Vec<Fault>) {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reading = Reading::default();
    let mut faults = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if let Err(what) = reading.line(line)
            && faults.len() < FAULTS_MAX
        {
            faults.push(Fault { line: Some(number + 1), what });
        }
    }
    reading.rules.retain(|rule| !rule.headers.is_empty());
    (Rules(reading.rules), faults)
}

/// Where headers go.
#[derive(Clone, Copy, Debug, Default)]
enum Below {
    #[default]
    Nothing,
    /// The last rule.
    Path,
    /// A path that is none; that it is none was said.
    Fault,
}

#[derive(Debug, Default)]
struct Reading {
    rules: Vec<Rule>,
    below: Below,
    headers: usize,
}

impl Reading {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let is_path = !line.starts_with(b" ") && !line.starts_with(b"\t");
        let Ok(text) = std::str::from_utf8(line) else {
            if is_path {
                self.below = Below::Fault;
            }
            return Err("it is not UTF-8".to_owned());
        };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(());
        }
        if is_path {
            // Whatever becomes of the line, what follows is not for the path before it.
            self.below = Below::Fault;
            self.rules.push(Rule { pattern: pattern(trimmed)?, headers: Vec::new() });
            self.below = Below::Path;
            return Ok(());
        }
        self.header(trimmed)
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        let rule = match self.below {
            Below::Path => self.rules.last_mut(),
            Below::Fault => return Ok(()),
            Below::Nothing => None,
        };
        let rule = rule.ok_or("a header stands before the first path")?;
        let (name, value) = header_line(line)?;
        if self.headers >= HEADERS_MAX {
            return Err(format!("more than {HEADERS_MAX} headers"));
        }
        self.headers += 1;
        if !is_owned(&name) {
            rule.headers.push((name, value));
        }
        Ok(())
    }
}

fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(':').ok_or("a header is a name, a colon and a value")?;
    let name =
        HeaderName::try_from(name.trim()).map_err(|_| format!("`{}` is no name of a header", name.trim()))?;
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("the value of {name} has characters that no header can have"))?;
    Ok((name, value))
}

fn pattern(path: &str) -> Result<Pattern, String> {
    if !path.starts_with('/') {
        return Err(format!("the path {path} does not begin with /"));
    }
    let (start, end) = path.split_once('*').map_or((path, None), |(start, end)| (start, Some(end)));
    if end.is_some_and(|end| end.contains('*') || end.contains("/:")) {
        return Err(format!("the path {path} has more than text behind its *"));
    }
    let mut pieces = Vec::new();
    let mut rest = start;
    while let Some((text, after)) = rest.split_once("/:") {
        pieces.push(Piece::Text(format!("{text}/")));
        pieces.push(Piece::Segment);
        let name_end = after.find('/').unwrap_or(after.len());
        if name_end == 0 {
            return Err(format!("the path {path} has a placeholder without a name"));
        }
        rest = after.split_at(name_end).1;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(Pattern { start: pieces, end: end.map(str::to_owned) })
}

impl Pattern {
    /// A slash at the end of the path does not matter, unless a splat takes it.
    fn matches(&self, path: &str) -> bool {
        let mut rest = path;
        for piece in &self.start {
            let after = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_str()).or_else(|| {
                    // `/a/*` is about `/a`, too, and `/a/` about it.
                    (text.strip_suffix('/') == Some(rest) && !rest.is_empty()).then_some("")
                }),
                Piece::Segment => {
                    let after = rest.trim_start_matches(|c| c != '/');
                    (after.len() < rest.len()).then_some(after)
                }
            };
            let Some(after) = after else { return false };
            rest = after;
        }
        match &self.end {
            Some(end) => rest.ends_with(end.as_str()),
            None => rest.is_empty() || rest == "/",
        }
    }
}

/// What a site does not set: how bytes are sent and what is cached of them is the gateway's, and cookies, transport and the
/// instructions to a proxy in front reach other sites of the same gateway.
fn is_owned(name: &HeaderName) -> bool {
    const OWNED: [HeaderName; 20] = [
        header::ACCEPT_RANGES,
        header::AGE,
        header::ALT_SVC,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::DATE,
        header::ETAG,
        header::LAST_MODIFIED,
        header::LOCATION,
        header::SERVER,
        header::SET_COOKIE,
        header::STRICT_TRANSPORT_SECURITY,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VARY,
        header::WWW_AUTHENTICATE,
    ];
    const FURTHER: [&str; 5] =
        ["clear-site-data", "keep-alive", "set-cookie2", "x-sendfile", "x-lighttpd-send-file"];
    const BEGINNINGS: [&str; 3] = ["x-ipfs-", "x-accel-", "proxy-"];
    let text = name.as_str();
    OWNED.contains(name) || FURTHER.contains(&text) || BEGINNINGS.iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::{FAULTS_MAX, HEADERS_MAX, check as faults_of, parse};
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    /// The values of `x-a`, joined.
    #[track_caller]
    fn check(rules: &str, path: &str, expect: &str) {
        let mut headers = HeaderMap::new();
        parse(rules.as_bytes()).0.apply(path, &mut headers);
        let got: Vec<_> = headers.get_all("x-a").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(got.join(","), expect, "{rules} {path}");
    }

    fn faults(bytes: &[u8]) -> Vec<String> {
        faults_of(bytes).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_pattern_that_matches_counts() {
        let rules = "# all\r\n/*\r\n  X-A: 1\r\n\r\n/a/*\r\n\tx-a: 2: #3\r\n/a\n  X-B: y\n";
        check(rules, "/", "1");
        check(rules, "/b", "1");
        check(rules, "/a/b", "1,2: #3");
        check(rules, "/a", "1,2: #3");
        check(rules, "/ab", "1");
    }

    #[test]
    fn placeholders_stand_for_segments_and_a_splat_for_anything() {
        check("/u/:id/x\n  X-A: 1", "/u/7/x", "1");
        check("/u/:id/x\n  X-A: 1", "/u//x", "");
        check("/u/:id\n  X-A: 1", "/u/7/", "1");
        check("/u/:id\n  X-A: 1", "/u/7/8", "");
        check("/u/:id/*\n  X-A: 1", "/u/7/8/9", "1");
        check("/*.js\n  X-A: 1", "/a/b.js", "1");
        check("/*.js\n  X-A: 1", "/a/b.css", "");
        check("/a\n  X-A: 1", "/a/", "1");
        check("/a/\n  X-A: 1", "/a", "1");
        check("/\n  X-A: 1", "/a", "");
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for (rules, what) in [
            ("  X-A: 1", "line 1: a header stands before the first path"),
            ("/a\n  X-A", "line 2: a header is a name, a colon and a value"),
            ("/a\n  X A: 1", "line 2: `X A` is no name of a header"),
            ("/a\n  X-A: \u{1}", "line 2: the value of x-a has characters that no header can have"),
            ("a\n  X-A: 1", "line 1: the path a does not begin with /"),
            ("https://a/*\n  X-A: 1", "line 1: the path https://a/* does not begin with /"),
            ("/*/*", "line 1: the path /*/* has more than text behind its *"),
            ("/:/a", "line 1: the path /:/a has a placeholder without a name"),
        ] {
            assert_eq!(faults(rules.as_bytes()), [what]);
        }
        assert_eq!(
            faults(b"/\n  X-A: \xff\n\xff\n  X-A: 1"),
            ["line 2: it is not UTF-8", "line 3: it is not UTF-8"]
        );
        assert_eq!(
            faults("#".repeat(65_537).as_bytes()),
            ["it has more than 65536 bytes, so none of it counts"]
        );
    }

    #[test]
    fn only_the_first_faults_are_named() {
        assert_eq!(faults("x\n".repeat(FAULTS_MAX + 5).as_bytes()).len(), FAULTS_MAX);
    }

    #[test]
    fn the_lines_beside_a_fault_count() {
        check("/a\n  nonsense\n  X-A: 1", "/a", "1");
        check("/a\n  X-A: 1\nnonsense\n  X-A: 2\n/*\n  X-A: 3", "/a", "1,3");
        check("  X-A: 1\n/a\n  X-A: 2", "/a", "2");
        let mut headers = HeaderMap::new();
        parse(b"/*\n  X-A: 1\n/\xff\n  X-A: 2").0.apply("/a", &mut headers);
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn a_file_has_so_many_headers_and_no_more() {
        let text = format!("/*\n{}", " a: 1\n".repeat(HEADERS_MAX));
        assert!(faults(text.as_bytes()).is_empty());
        let (rules, faults) = parse(format!("{text} a: 1\n").as_bytes());
        assert_eq!(
            faults[0].to_string(),
            format!("line {}: more than {HEADERS_MAX} headers", HEADERS_MAX + 2)
        );
        assert_eq!(rules.0[0].headers.len(), HEADERS_MAX);
    }

    #[test]
    fn what_is_the_gateways_stays_so() {
        let rules = "/*\n Set-Cookie: a=1\n Content-Length: 1\n Content-Encoding: br\n Transfer-Encoding: chunked\n \
                     Connection: close\n ETag: \"a\"\n Location: /b\n X-Ipfs-Path: /c\n Server: d\n Date: e\n \
                     X-Accel-Redirect: /f\n Clear-Site-Data: \"*\"\n Access-Control-Allow-Origin: g\n \
                     Access-Control-Allow-Credentials: h\n Cache-Control: i\n";
        let mut headers = HeaderMap::new();
        headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        parse(rules.as_bytes()).0.apply("/", &mut headers);
        let mut got: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        got.sort();
        assert_eq!(
            got,
            ["access-control-allow-credentials: h", "access-control-allow-origin: *", "cache-control: i"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), path in ".{0,50}") {
            parse(&bytes).0.apply(&path, &mut HeaderMap::new());
        }

        #[test]
        fn anything_like_a_file_is_read_without_panic(text in "((/|:|\\*|a|ö)*\n([ \t](Ab|c)[: ]{1,2}[ -~]*\n)*){0,4}", path in "[/:*aö]{0,20}") {
            parse(text.as_bytes()).0.apply(&path, &mut HeaderMap::new());
        }
    }
}
