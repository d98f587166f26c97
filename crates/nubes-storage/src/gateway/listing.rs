//! A directory as a page, for people. It has no script and loads nothing.

use crate::unixfs::Listing;
use cid::Cid;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;

/// Names on a page.
pub(super) const ENTRIES_MAX: usize = 10_000;
/// Nothing but the page's own style.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const IN_LINKS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td{padding:.15rem .5rem;border-top:1px solid #ddd}\
    td+td{text-align:right;white-space:nowrap}td+td+td,code{font:12px ui-monospace,monospace;color:#666}";

pub(super) fn page(address: &str, cid: &Cid, listing: &Listing) -> String {
    let title = escape(&percent_decode_str(address).decode_utf8_lossy());
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Index of {title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>Index of {title}</h1><p><code>{cid}</code></p><table>"
    );
    for entry in &listing.entries {
        let link = utf8_percent_encode(&entry.name, IN_LINKS);
        let (name, bytes, cid) = (escape(&entry.name), entry.dag_bytes, entry.cid);
        // Writing to a String cannot fail.
        let _ = write!(page, "<tr><td><a href=\"./{link}\">{name}</a><td>{bytes}<td>{cid}");
    }
    page.push_str("</table>");
    if listing.more {
        let _ = write!(page, "<p>Only the first {ENTRIES_MAX} names are shown.");
    }
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::page;
    use crate::unixfs::{Entry, Listing};
    use cid::Cid;

    #[test]
    fn a_name_cannot_break_out_of_the_page() {
        let name = "<img src=x onerror=\"alert(1)\">'&/".to_owned();
        let entries = vec![Entry { name, cid: Cid::default(), dag_bytes: 1 }];
        let html = page("/ipfs/%3Cscript%3E", &Cid::default(), &Listing { entries, more: false });
        assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
        assert!(html.contains("href=\"./%3Cimg%20src%3Dx"), "{html}");
    }
}
