//! Blocks of IPLD as they are, and as a page for browsers.

use super::super::format::unavailable;
use super::super::listing;
use super::{Answer, value};
use crate::ipld::{self, Codec};
use crate::problem::Problem;
use crate::unixfs::{Kind, NodeError, ReadError};
use axum::response::Response;
use http::{HeaderValue, header};

impl Answer<'_> {
    /// The block in the codec that is wanted, if it is in that codec. A DAG-JSON block is JSON, too, and DAG-CBOR is CBOR. A
    /// file that somebody wants as JSON is sent as a file.
    pub(in super::super) async fn ipld(self, wanted: Option<Codec>, kind: Kind) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let codec = match (Codec::of(cid.codec()), kind) {
            (Some(codec), _) => codec,
            (None, Kind::File { size }) if matches!(wanted, Some(Codec::Json | Codec::Cbor)) => {
                return self.file(size).await;
            }
            (None, Kind::Other { codec }) => {
                return Err(ReadError::Node(NodeError::Codec { cid, codec }).into());
            }
            (None, _) => return Err(unavailable(wanted.map_or("IPLD", Codec::name))),
        };
        let sent = match (wanted, codec) {
            (None, codec) => codec,
            (Some(wanted), codec) if wanted == codec => wanted,
            (Some(Codec::Json), Codec::DagJson) => Codec::Json,
            (Some(Codec::Cbor), Codec::DagCbor) => Codec::Cbor,
            (Some(wanted), _) => return Err(unavailable(wanted.name())),
        };
        if wanted.is_none() && codec.has_links() && self.is_for_a_browser() {
            return self.preview(codec).await;
        }
        let etag = value(format!("\"{cid}.{}\"", sent.name()))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let block = self.store.get(&cid).await?;
        let mut headers = self.headers(etag.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sent.media_type()));
        let (kind, extension) = if sent.is_json() { ("inline", "json") } else { ("attachment", "cbor") };
        let given = super::parameter(self.parts, "filename").unwrap_or_else(|| format!("{cid}.{extension}"));
        headers.insert(header::CONTENT_DISPOSITION, self.disposition(kind, &given)?);
        self.block(&etag, headers, &block)
    }

    fn is_for_a_browser(&self) -> bool {
        let accept = self.parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains("text/html"))
    }

    async fn preview(self, codec: Codec) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let etag = value(format!("\"DagIndex-nubes-{}_CID-{cid}\"", listing::VERSION))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let block = self.store.get(&cid).await?;
        let text = ipld::pretty(&cid, codec, &block).map_err(ReadError::from)?;
        Ok(self.page(etag, listing::node_page(&cid, codec.name(), &text)))
    }
}
