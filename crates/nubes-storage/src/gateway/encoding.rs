//! Compressed bodies: which coding a client takes (RFC 9110 section 12.5.3), and the compressed files in memory.
//!
//! Content does not change, so each file is compressed once per coding and kept while there is room. What compression does
//! not make shorter is remembered as such. Each coding has an entity tag of its own, because its bytes are others.

use crate::flights::Flights;
use crate::unixfs::ReadError;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use cid::Cid;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};
use lru::LruCache;
use parking_lot::Mutex;
use std::{future::Future, io, io::Write};
use tokio::{sync::Semaphore, task};

/// A shorter file gains nothing, a longer one is streamed as it is.
pub(super) const FILE_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 20;
/// Compressed files that are kept.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// What a file costs beside its bytes, so that those that did not shrink count, too.
const ENTRY_BYTES: usize = 256;
/// Files that are compressed at once; who comes then gets the file as it is.
const WORKERS_MAX: usize = 4;
/// In the middle of the scale: somebody waits for it, once.
const BROTLI_QUALITY: i32 = 5;
const BROTLI_WINDOW_BITS: i32 = 20;

/// Besides text, and what JSON and XML are within.
const TYPES: [&str; 13] = [
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/wasm",
    "application/x-javascript",
    "application/xml",
    "application/vnd.ms-fontobject",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "image/x-icon",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// The best of those that the client takes; none if it wants the bytes as they are.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let lists =
            headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|list| list.to_str().ok());
        let (mut brotli, mut gzip, mut any) = (None, None, None);
        for coding in lists.flat_map(|list| list.split(',')) {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let takes = Some(!is_zero(weight));
            match name.trim().to_ascii_lowercase().as_str() {
                "br" => brotli = takes,
                "gzip" | "x-gzip" => gzip = takes,
                "*" => any = takes,
                _ => {}
            }
        }
        let takes = |named: Option<bool>| named.or(any) == Some(true);
        // `*` alone is no browser's wish; gzip is what everybody can read then.
        match (brotli == Some(true), takes(gzip)) {
            (true, _) => Some(Self::Brotli),
            (false, true) => Some(Self::Gzip),
            (false, false) => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let mut compressed = Vec::with_capacity(bytes.len() / 2);
                let params = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: BROTLI_WINDOW_BITS,
                    size_hint: bytes.len(),
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut io::Cursor::new(bytes), &mut compressed, &params)?;
                Ok(compressed)
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// Whether the weight is `q=0`, with as many zeros as one likes.
fn is_zero(weight: &str) -> bool {
    let digits = weight.trim().strip_prefix("q=").or_else(|| weight.trim().strip_prefix("Q="));
    digits.is_some_and(|digits| digits.starts_with('0') && digits.bytes().all(|b| matches!(b, b'0' | b'.')))
}

/// Whether files of this type are worth compressing; pictures, sound and archives are compressed already.
pub(super) fn is_worth(media_type: &HeaderValue) -> bool {
    let text = media_type.to_str().unwrap_or_default();
    let name = text.split(';').next().unwrap_or_default().trim();
    name.starts_with("text/") || TYPES.contains(&name) || name.ends_with("+json") || name.ends_with("+xml")
}

/// Compressed files in memory, the least used leave first.
pub(super) struct Compressed {
    // A lock and not a task: held for one look-up per request.
    files: Mutex<Files>,
    workers: Semaphore,
    /// Files that are being compressed.
    works: Flights<(Cid, Encoding), Option<Bytes>>,
    bytes_max: usize,
}

struct Files {
    by_key: LruCache<(Cid, Encoding), Option<Bytes>>,
    bytes: usize,
}

impl Compressed {
    pub(super) fn new() -> Self {
        Self::with_room(KEPT_BYTES_MAX)
    }

    fn with_room(bytes_max: usize) -> Self {
        let files = Mutex::new(Files { by_key: LruCache::unbounded(), bytes: 0 });
        Self { files, workers: Semaphore::new(WORKERS_MAX), works: Flights::new(), bytes_max }
    }

    /// The file `cid` compressed, which `read` reads; none if it is better sent as it is.
    pub(super) async fn get(
        &self,
        cid: Cid,
        encoding: Encoding,
        read: impl Future<Output = Result<Bytes, ReadError>>,
    ) -> Result<Option<Bytes>, ReadError> {
        if let Some(known) = self.files.lock().by_key.get(&(cid, encoding)) {
            return Ok(known.clone());
        }
        self.works.join(&(cid, encoding), self.compress(cid, encoding, read)).await
    }

    async fn compress(
        &self,
        cid: Cid,
        encoding: Encoding,
        read: impl Future<Output = Result<Bytes, ReadError>>,
    ) -> Result<Option<Bytes>, ReadError> {
        let Ok(_worker) = self.workers.try_acquire() else { return Ok(None) };
        let bytes = read.await?;
        let length = bytes.len();
        let compressed = task::spawn_blocking(move || encoding.compress(&bytes)).await;
        let Ok(Ok(compressed)) = compressed else { return Ok(None) };
        let compressed = Some(Bytes::from(compressed)).filter(|compressed| compressed.len() < length);
        self.keep((cid, encoding), compressed.clone());
        Ok(compressed)
    }

    fn keep(&self, key: (Cid, Encoding), file: Option<Bytes>) {
        let size = |file: &Option<Bytes>| ENTRY_BYTES + file.as_ref().map_or(0, Bytes::len);
        let mut files = self.files.lock();
        files.bytes += size(&file);
        if let Some(same) = files.by_key.put(key, file) {
            files.bytes -= size(&same);
        }
        while files.bytes > self.bytes_max {
            let Some((_, oldest)) = files.by_key.pop_lru() else { break };
            files.bytes -= size(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Compressed, ENTRY_BYTES, Encoding, is_worth};
    use bytes::Bytes;
    use cid::Cid;
    use http::{HeaderMap, HeaderValue, header};
    use multihash_codetable::{Code, MultihashDigest};
    use std::io::Read;

    #[test]
    fn the_client_says_which_coding_it_takes() {
        for (accepted, expect) in [
            ("gzip, deflate, br, zstd", Some(Encoding::Brotli)),
            ("gzip", Some(Encoding::Gzip)),
            ("GZIP;q=0.5", Some(Encoding::Gzip)),
            ("br;q=0, gzip", Some(Encoding::Gzip)),
            ("br;q=0.0, gzip; q=0.000", None),
            ("*", Some(Encoding::Gzip)),
            ("*;q=0", None),
            ("gzip;q=0, *", None),
            ("identity, deflate", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(Encoding::wanted(&headers), expect, "{accepted}");
        }
        assert_eq!(Encoding::wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn text_is_worth_it_and_pictures_are_not() {
        for (media_type, expect) in [
            ("text/html; charset=utf-8", true),
            ("image/svg+xml", true),
            ("application/wasm", true),
            ("application/geo+json", true),
            ("image/png", false),
            ("application/zip", false),
        ] {
            assert_eq!(is_worth(&HeaderValue::from_static(media_type)), expect, "{media_type}");
        }
    }

    #[test]
    fn what_is_compressed_reads_back() {
        let text = "a site is mostly repetition. ".repeat(1000);
        let gzip = Encoding::Gzip.compress(text.as_bytes()).unwrap();
        let mut back = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut back).unwrap();
        assert!(back == text && gzip.len() < text.len() / 10);
        let brotli = Encoding::Brotli.compress(text.as_bytes()).unwrap();
        let mut back = Vec::new();
        brotli::BrotliDecompress(&mut &brotli[..], &mut back).unwrap();
        assert!(back == text.as_bytes() && brotli.len() < text.len() / 10);
    }

    #[tokio::test]
    async fn each_file_is_compressed_once_and_the_memory_has_an_end() {
        let compressed = Compressed::with_room(4 * ENTRY_BYTES);
        let cid = |n: u8| Cid::new_v1(0x55, Code::Sha2_256.digest(&[n]));
        let mut reads = 0;
        for n in [0, 0, 1, 2, 3, 4, 5, 0] {
            let read = async {
                reads += 1;
                // What is short and random does not shrink.
                Ok(if n == 1 { Bytes::from_static(b"xyz") } else { Bytes::from(vec![b'a'; 10_000]) })
            };
            let got = compressed.get(cid(n), Encoding::Gzip, read).await.unwrap();
            assert_eq!(got.is_none(), n == 1);
            let files = compressed.files.lock();
            assert!(files.bytes <= 4 * ENTRY_BYTES && files.by_key.len() < 4);
        }
        assert_eq!(reads, 7, "the first was compressed again after it had left");
    }
}
