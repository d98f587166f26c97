//! Conditional and range requests (RFC 9110 sections 13 and 14).

use http::{HeaderMap, header};
use std::ops::Range;

/// Whether the client has this already: `If-None-Match` holds the tag, compared weakly.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let strong = etag.trim_start_matches("W/");
    let lists = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == strong)
}

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, one that is not understood, or a stale `If-Range`.
    Whole,
    Part(Range<u64>),
    /// Nothing of it exists.
    Unsatisfiable,
}

pub(super) fn wanted(headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Wanted::Whole };
    if text(header::IF_RANGE).is_some_and(|tag| tag != etag) {
        return Wanted::Whole;
    }
    parse(range, size).unwrap_or(Wanted::Whole)
}

/// Of several ranges the first is sent, as RFC 9110 section 14.2 allows.
fn parse(range: &str, size: u64) -> Option<Wanted> {
    let first = range.strip_prefix("bytes=")?.split(',').next()?;
    let (first, last) = first.trim().split_once('-')?;
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?;
    if first.is_empty() {
        let length = number(last)?.min(size);
        return Some(if length == 0 { Wanted::Unsatisfiable } else { Wanted::Part(size - length..size) });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        return None;
    }
    if first >= size {
        return Some(Wanted::Unsatisfiable);
    }
    Some(Wanted::Part(first..last.saturating_add(1).min(size)))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, is_known, parse};
    use http::{HeaderMap, HeaderValue, header};

    #[track_caller]
    fn check(range: &str, expect: Option<&Wanted>) {
        assert_eq!(parse(range, 10).as_ref(), expect, "{range}");
    }

    #[test]
    fn a_range_is_cut_to_the_size() {
        check("bytes=0-0", Some(&Wanted::Part(0..1)));
        check("bytes=2-", Some(&Wanted::Part(2..10)));
        check("bytes=2-99", Some(&Wanted::Part(2..10)));
        check("bytes=-3", Some(&Wanted::Part(7..10)));
        check("bytes=-99", Some(&Wanted::Part(0..10)));
        check("bytes=0-18446744073709551615", Some(&Wanted::Part(0..10)));
    }

    #[test]
    fn a_range_outside_cannot_be_served() {
        check("bytes=10-", Some(&Wanted::Unsatisfiable));
        check("bytes=-0", Some(&Wanted::Unsatisfiable));
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for range in ["bytes=", "bytes=-", "bytes=3-2", "bytes=,0-1", "items=0-1", "bytes=+1-2", "bytes=a-b"]
        {
            check(range, None);
        }
    }

    #[test]
    fn of_several_ranges_the_first_is_sent() {
        check("bytes=6-8, 0-4", Some(&Wanted::Part(6..9)));
    }

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        for (list, expect) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(list));
            assert_eq!(is_known(&headers, "\"a\""), expect, "{list}");
            assert_eq!(is_known(&headers, "W/\"a\""), expect, "{list}");
        }
    }
}
