//! `_redirects`: what a site says of paths that it does not have (web redirects file specification).
//!
//! One rule a line: `FROM TO [STATUS]`. `FROM` is a path whose segments may be placeholders (`:year`) and that may end with a
//! splat (`*`); `TO` uses them by name (`:year`, `:splat`). The first rule that matches counts. Only paths that are not there
//! are looked up, so a rule never hides content.

use crate::problem::Problem;
use crate::store::Store;
use crate::unixfs::{File, Kind, Resolved};
use http::StatusCode;

/// Where a site keeps it: in its root.
pub(super) const FILE: &str = "_redirects";
/// Longest file (the specification's limit).
pub(super) const FILE_BYTES_MAX: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    from: Vec<Segment>,
    to: String,
    status: StatusCode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    Placeholder(String),
    Splat,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Location {
        status: StatusCode,
        to: String,
    },
    /// Content of the same site.
    Page {
        status: StatusCode,
        path: String,
    },
}

/// The rules of a site.
pub(super) async fn read(store: &Store, file: &Resolved) -> Result<Vec<Rule>, Problem> {
    let Kind::File { size } = file.kind else { return Err(unusable("it is no file")) };
    if size > FILE_BYTES_MAX {
        return Err(unusable(&format!("redirects file size cannot exceed {FILE_BYTES_MAX} bytes")));
    }
    let bytes = File::known(store, file.cid, size).read(FILE_BYTES_MAX).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is not UTF-8"))?;
    parse(text).map_err(|what| unusable(&what))
}

fn unusable(what: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, 3026, format!("could not parse _redirects: {what}"))
}

fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(rule, _)| rule).trim();
        if !line.is_empty() {
            rules.push(rule(line).map_err(|what| format!("line {}: {what}", number + 1))?);
        }
    }
    Ok(rules)
}

fn rule(line: &str) -> Result<Rule, String> {
    let mut words = line.split_whitespace();
    let (Some(from), Some(to)) = (words.next(), words.next()) else {
        return Err("a rule has a path and a target".to_owned());
    };
    let status = words.next().map_or(Ok(StatusCode::MOVED_PERMANENTLY), status)?;
    if words.next().is_some() {
        return Err("a rule has a path, a target and a status, and no more".to_owned());
    }
    let is_target = to.starts_with('/') || (status.is_redirection() && to.contains("://"));
    if !is_target {
        return Err(format!("the target {to} is no path that begins with / and no URL"));
    }
    Ok(Rule { from: pattern(from)?, to: to.to_owned(), status })
}

fn status(text: &str) -> Result<StatusCode, String> {
    match text {
        "200" | "301" | "302" | "303" | "307" | "308" | "404" | "410" | "451" => {
            text.parse().map_err(|_| format!("the status {text} is not supported"))
        }
        _ => Err(format!("the status {text} is not supported")),
    }
}

fn pattern(from: &str) -> Result<Vec<Segment>, String> {
    let path = from.strip_prefix('/').ok_or_else(|| format!("the path {from} does not begin with /"))?;
    let mut segments = Vec::new();
    for segment in path.trim_end_matches('/').split('/') {
        if segments.last() == Some(&Segment::Splat) {
            return Err("only the end of a path can be *".to_owned());
        }
        segments.push(match segment.strip_prefix(':') {
            Some(name) if !name.is_empty() => Segment::Placeholder(name.to_owned()),
            _ if segment == "*" => Segment::Splat,
            _ => Segment::Text(segment.to_owned()),
        });
    }
    Ok(segments)
}

/// What the first rule that matches `path` says.
pub(super) fn apply(rules: &[Rule], path: &str) -> Option<Outcome> {
    let path = path.trim_matches('/');
    rules.iter().find_map(|rule| {
        let values = matches(&rule.from, path)?;
        let to = filled(&rule.to, &values);
        Some(if rule.status.is_redirection() {
            Outcome::Location { status: rule.status, to }
        } else {
            Outcome::Page { status: rule.status, path: to }
        })
    })
}

/// The values of the placeholders, if the path matches.
fn matches<'a>(from: &'a [Segment], path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (mut values, mut rest) = (Vec::new(), Some(path));
    for segment in from {
        let left = match segment {
            // A splat matches nothing, too.
            Segment::Splat => {
                values.push(("splat", rest.unwrap_or_default()));
                return Some(values);
            }
            _ => rest?,
        };
        let (first, after) = left.split_once('/').map_or((left, None), |(first, after)| (first, Some(after)));
        match segment {
            Segment::Text(text) if text == first => {}
            Segment::Placeholder(name) if !first.is_empty() => values.push((name, first)),
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(values)
}

fn filled(to: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(to.len());
    let mut rest = to;
    while let Some((before, after)) = rest.split_once(':') {
        filled.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            filled.push_str(value);
        } else {
            filled.push(':');
            filled.push_str(name);
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::{Outcome, apply, parse};
    use http::StatusCode;
    use proptest::prelude::*;

    #[track_caller]
    fn check(rules: &str, path: &str, expect: Option<(u16, &str)>) {
        let outcome = apply(&parse(rules).unwrap(), path);
        let got = outcome.map(|outcome| match outcome {
            Outcome::Location { status, to } => (status.as_u16(), to),
            Outcome::Page { status, path } => (status.as_u16(), path),
        });
        assert_eq!(got.as_ref().map(|(status, to)| (*status, to.as_str())), expect, "{rules} {path}");
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = "# comment\r\n/a /one\r\n/a /two 302\r\n/* /index.html 200\r\n";
        check(rules, "/a", Some((301, "/one")));
        check(rules, "/a/", Some((301, "/one")));
        check(rules, "/b/c", Some((200, "/index.html")));
        check("/a /b 404", "/c", None);
    }

    #[test]
    fn placeholders_and_splats_are_filled_in() {
        check(
            "/posts/:year/:title /p/:title?y=:year 302",
            "/posts/2022/hello",
            Some((302, "/p/hello?y=2022")),
        );
        check("/old/* /new/:splat", "/old/a/b", Some((301, "/new/a/b")));
        check("/old/* /new/:splat", "/old", Some((301, "/new/")));
        check("/a/:b /c", "/a", None);
        check("/x/* https://example.org/:splat 308", "/x/y", Some((308, "https://example.org/y")));
    }

    #[test]
    fn a_rule_that_is_not_understood_is_named() {
        for (rules, what) in [
            ("/a /b 301!", "line 1: the status 301! is not supported"),
            ("\n/a", "line 2: a rule has a path and a target"),
            ("a /b", "line 1: the path a does not begin with /"),
            ("/a/*/b /c", "line 1: only the end of a path can be *"),
            ("/a https://b 200", "line 1: the target https://b is no path that begins with / and no URL"),
            ("/a /b 301 c", "line 1: a rule has a path, a target and a status, and no more"),
        ] {
            assert_eq!(parse(rules).unwrap_err(), what);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}", path in ".{0,50}") {
            if let Ok(rules) = parse(&text)
                && let Some(Outcome::Location { status, .. }) = apply(&rules, &path)
            {
                prop_assert!(StatusCode::is_redirection(&status));
            }
        }
    }
}
