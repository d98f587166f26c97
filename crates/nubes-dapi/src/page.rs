//! Pages for people: self-contained, without scripts.

use crate::{config::Config, door::is_closed_to_pages};
use std::fmt::Write;

/// Nothing is loaded, run, framed or sent. The hash is that of [`STYLE`].
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
     style-src 'sha256-jB97/L3FochN98CR1TtjCTLbsxDvDnw2crvhBMO2Jxc='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
pub(crate) const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;\
margin:4rem auto;padding:0 1rem;\
color:#1b1f24;background:#fff}code{font-family:ui-monospace,monospace}a{color:#0b57d0}dt{margin-top:.75rem}\
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181c}a{color:#8ab4f8}}";

/// A page. `body` is markup, `title` is not.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    )
}

/// The text as markup that shows it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The node's page at `/`: what it is and where its surfaces are.
pub(crate) fn console(config: &Config, paths: &[(&str, &str)]) -> String {
    let (base, rpc_url) = (escape(config.base_domains.first()), escape(&config.rpc.http));
    let mut body = format!(
        "<h1>Nubes node</h1><p>Chain {}, JSON-RPC at <code>{rpc_url}</code>. Apps are at \
         <code>NAME.{base}</code>, content at <code>CID.ipfs.{base}</code>.</p><dl>",
        config.chain_id
    );
    for (path, summary) in paths {
        let shown = escape(path);
        let summary = escape(summary);
        // A path with a parameter leads nowhere as it stands, and this is a page.
        let leads_nowhere = path.contains('{') || is_closed_to_pages(path);
        let link = if leads_nowhere { shown } else { format!("<a href=\"{shown}\">{shown}</a>") };
        // Writing to a String cannot fail.
        let _ = write!(body, "<dt><code>{link}</code></dt><dd>{summary}</dd>");
    }
    body.push_str("</dl>");
    page("Nubes node", &body)
}

#[cfg(test)]
mod tests {
    use super::{CONTENT_SECURITY_POLICY, Config, STYLE, console, escape};
    use crate::{Limits, RpcUrls, host::BaseDomains};
    use cid::multibase::Base;
    use multihash_codetable::{Code, MultihashDigest};

    #[test]
    fn the_policy_names_the_hash_of_the_style() {
        let hash = Base::Base64Pad.encode(Code::Sha2_256.digest(STYLE.as_bytes()).digest());
        assert!(CONTENT_SECURITY_POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a b='c' d=\"e\">&"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;");
        let config = Config {
            base_domains: BaseDomains::new(["localhost"]).unwrap(),
            chain_id: 1,
            rpc: RpcUrls { http: "<script>".into(), ws: String::new() },
            limits: Limits::STANDARD,
        };
        let page = console(&config, &[("/<b>", "<i>")]);
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
    }
}
