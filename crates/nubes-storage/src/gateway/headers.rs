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
//! A file that is not understood fails all requests to the site: its headers may be what protects the visitors.

use crate::problem::Problem;
use crate::store::Store;
use crate::unixfs::{File, Kind, Resolved};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// Where a site keeps it: in its root.
pub(super) const FILE: &str = "_headers";
/// Longest file, as of `_redirects`.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Headers in one file.
const HEADERS_MAX: usize = 1_000;

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

/// The rules of a site.
pub(super) async fn read(store: &Store, file: &Resolved) -> Result<Rules, Problem> {
    let Kind::File { size } = file.kind else { return Err(unusable("it is no file")) };
    if size > FILE_BYTES_MAX {
        return Err(unusable(&format!("headers file size cannot exceed {FILE_BYTES_MAX} bytes")));
    }
    let bytes = File::known(store, file.cid, size).read(FILE_BYTES_MAX).await?;
    parse(&bytes).map_err(|what| unusable(&what))
}

fn unusable(what: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, 3026, format!("could not parse _headers: {what}"))
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

fn parse(bytes: &[u8]) -> Result<Rules, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut rules, mut headers): (Vec<Rule>, _) = (Vec::new(), 0);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let at = |what: String| format!("line {}: {what}", number + 1);
        if !line.starts_with([' ', '\t']) {
            rules.push(Rule { pattern: pattern(trimmed).map_err(at)?, headers: Vec::new() });
            continue;
        }
        let rule = rules.last_mut().ok_or_else(|| at("a header stands before the first path".to_owned()))?;
        headers += 1;
        if headers > HEADERS_MAX {
            return Err(at(format!("more than {HEADERS_MAX} headers")));
        }
        let (name, value) = header_line(trimmed).map_err(at)?;
        if !is_owned(&name) {
            rule.headers.push((name, value));
        }
    }
    rules.retain(|rule| !rule.headers.is_empty());
    Ok(Rules(rules))
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
    use super::{HEADERS_MAX, parse};
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    /// The values of `x-a`, joined.
    #[track_caller]
    fn check(rules: &str, path: &str, expect: &str) {
        let mut headers = HeaderMap::new();
        parse(rules.as_bytes()).unwrap().apply(path, &mut headers);
        let got: Vec<_> = headers.get_all("x-a").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(got.join(","), expect, "{rules} {path}");
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
            assert_eq!(parse(rules.as_bytes()).unwrap_err(), what);
        }
        assert_eq!(parse(b"/\n  X-A: \xff").unwrap_err(), "it is not UTF-8");
    }

    #[test]
    fn a_file_has_so_many_headers_and_no_more() {
        let text = format!("/*\n{}", " a: 1\n".repeat(HEADERS_MAX));
        assert!(parse(text.as_bytes()).is_ok());
        let error = parse(format!("{text} a: 1\n").as_bytes()).unwrap_err();
        assert_eq!(error, format!("line {}: more than {HEADERS_MAX} headers", HEADERS_MAX + 2));
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
        parse(rules.as_bytes()).unwrap().apply("/", &mut headers);
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
            if let Ok(rules) = parse(&bytes) {
                rules.apply(&path, &mut HeaderMap::new());
            }
        }

        #[test]
        fn anything_like_a_file_is_read_without_panic(text in "((/|:|\\*|a|ö)*\n([ \t](Ab|c)[: ]{1,2}[ -~]*\n)*){0,4}", path in "[/:*aö]{0,20}") {
            if let Ok(rules) = parse(text.as_bytes()) {
                rules.apply(&path, &mut HeaderMap::new());
            }
        }
    }
}
