//! Directories and nodes as pages, for people. They have no script and load nothing.

use super::{Place, Root, Site};
use crate::unixfs::Listing;
use cid::Cid;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;

/// Raised when the pages look different.
pub(super) const VERSION: u32 = 2;
/// Names on a page.
pub(super) const ENTRIES_MAX: usize = 10_000;
/// Nothing but the page's own style.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const IN_LINKS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td{padding:.15rem .5rem;border-top:1px solid #ddd}\
    td+td{text-align:right;white-space:nowrap}td+td+td,code,pre{font:12px ui-monospace,monospace;color:#666}";

/// Where the links of a page lead.
struct Links {
    /// Before a path within the site.
    own: String,
    /// Before a path in the breadcrumbs.
    crumbs: String,
    /// Before a CID; none where no gateway is known, and a page about the CID is linked.
    content: Option<String>,
}

/// The names of a directory. The form of the links is that of other gateways, whose users' tools look for them.
pub(super) fn page(site: &Site, cid: &Cid, listing: &Listing) -> String {
    let names: Vec<String> = site
        .path
        .split('/')
        .filter(|name| !name.is_empty())
        .map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned())
        .collect();
    let links = Links::of(site);
    let below = names.iter().fold(links.own.clone(), |path, name| format!("{path}/{}", encoded(name)));
    let title = escape(&format!("{}/{}", site.root, names.join("/")));
    let crumbs = breadcrumbs(site, &links, &names);
    let mut body = format!("<h1>Index of {title}</h1><p>{crumbs}<p><code>{cid}</code><table>");
    // Writing to a String cannot fail.
    if !names.is_empty() {
        let _ = write!(body, "<tr><td><a href=\"{below}/..\">..</a><td><td>");
    }
    for entry in &listing.entries {
        let (link, name, bytes) = (encoded(&entry.name), escape(&entry.name), entry.dag_bytes);
        let hash = hash_link(&links, &entry.cid, &link);
        let _ = write!(body, "<tr><td><a href=\"{below}/{link}\">{name}</a><td>{bytes}<td>{hash}");
    }
    body.push_str("</table>");
    if listing.more {
        let _ = write!(body, "<p>Only the first {ENTRIES_MAX} names are shown.");
    }
    document(&format!("Index of {title}"), &body)
}

/// A node that is no file, as text.
pub(super) fn node_page(cid: &Cid, codec: &str, text: &str) -> String {
    let body = format!("<h1>{cid}</h1><p>{codec}<pre>{}</pre>", escape(text));
    document(&cid.to_string(), &body)
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>{body}</body></html>"
    )
}

impl Links {
    fn of(site: &Site) -> Self {
        match &site.place {
            Place::Shared => Self {
                own: site.root.to_string(),
                crumbs: site.root.to_string(),
                content: Some("/ipfs/".to_owned()),
            },
            Place::Below { gateway } => Self {
                own: String::new(),
                crumbs: format!("//{gateway}{}", site.root),
                content: Some(format!("//{gateway}/ipfs/")),
            },
            Place::Own { host } => Self { own: String::new(), crumbs: format!("//{host}"), content: None },
        }
    }
}

fn breadcrumbs(site: &Site, links: &Links, names: &[String]) -> String {
    let (namespace, root) = match &site.root {
        Root::Content(cid) => ("ipfs", cid.to_string()),
        Root::Name(name) => ("ipns", name.to_string()),
    };
    let slash = if links.content.is_none() { "/" } else { "" };
    let mut crumbs = format!("/{namespace}/<a href=\"{}{slash}\">{root}</a>", links.crumbs);
    let mut path = links.crumbs.clone();
    for name in names {
        let _ = write!(path, "/{}", encoded(name));
        let _ = write!(crumbs, "/<a href=\"{path}\">{}</a>", escape(name));
    }
    crumbs
}

fn hash_link(links: &Links, cid: &Cid, encoded_name: &str) -> String {
    match &links.content {
        Some(content) => {
            let name = utf8_percent_encode(encoded_name, IN_LINKS);
            format!(
                "<a class=\"ipfs-hash\" translate=\"no\" href=\"{content}{cid}?filename={name}\">{cid}</a>"
            )
        }
        None => format!(
            "<a class=\"ipfs-hash\" translate=\"no\" href=\"https://cid.ipfs.tech/#{cid}\" target=\"_blank\" \
             rel=\"noreferrer noopener\">{cid}</a>"
        ),
    }
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, IN_LINKS).to_string()
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
    use super::{node_page, page};
    use crate::gateway::{Caching, Place, Root, Site};
    use crate::unixfs::{Entry, Listing};
    use cid::Cid;

    #[test]
    fn a_name_cannot_break_out_of_the_page() {
        let name = "<img src=x onerror=\"alert(1)\">'&/".to_owned();
        let entries = vec![Entry { name, cid: Cid::default(), dag_bytes: 1 }];
        let (path, caching) = ("%3Cscript%3E".to_owned(), Caching::Immutable);
        for place in
            [Place::Shared, Place::Below { gateway: "a.b".to_owned() }, Place::Own { host: "c".to_owned() }]
        {
            let site = Site {
                root: Root::Content(Cid::default()),
                path: path.clone(),
                caching: caching.clone(),
                place,
            };
            let html = page(&site, &Cid::default(), &Listing { entries: entries.clone(), more: false });
            assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
            assert!(html.contains("/%3Cscript%3E/%3Cimg%20src%3Dx"), "{html}");
        }
        assert!(!node_page(&Cid::default(), "dag-json", "<script>").contains("<script"));
    }
}
