//! A file or a directory as a TAR archive.
//!
//! The tree is walked before the first byte is sent, so that a name that leads out of the archive, or too many names, are
//! a status and not a broken archive; files are then streamed one after the other.

use super::{Answer, respond, stream_body, value};
use crate::problem::Problem;
use crate::store::Store;
use crate::unixfs::{self, File, Kind, NodeError, ReadError};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use cid::Cid;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderValue, Method, StatusCode, header};
use std::io;

/// Files and directories in one archive.
pub(crate) const ENTRIES_MAX: usize = 100_000;
/// Archives are made of blocks of this size (POSIX.1-1988).
const BLOCK_BYTES: usize = 512;
static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

struct Entry {
    path: String,
    cid: Cid,
    kind: Kind,
}

impl Answer<'_> {
    pub(in super::super) async fn tar(self) -> Result<Response, Problem> {
        let cid = self.target.resolved.cid;
        let variant = crc32c::crc32c(self.address().as_bytes());
        let etag = value(format!("W/\"{cid}.x-tar.{variant:08x}\""))?;
        if let Some(known) = self.unchanged(&etag) {
            return Ok(known);
        }
        let archive = archive(self.store, &cid.to_string(), cid, self.target.resolved.kind).await?;
        let mut headers = self.headers(etag);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        self.attach(&mut headers, &format!("{cid}.tar"))?;
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        let body = match self.parts.method {
            Method::HEAD => Body::empty(),
            _ => stream_body(archive).await?,
        };
        Ok(respond(StatusCode::OK, headers, body))
    }
}

/// An archive of everything at and below `cid`, whose root is called `name`.
pub(crate) async fn archive(store: &Store, name: &str, cid: Cid, kind: Kind) -> Result<Parts, Problem> {
    let root = Entry { path: name.to_owned(), cid, kind };
    Ok(written(store.clone(), walk(store, root).await?))
}

/// Everything at and below `root`, directories before what is in them.
async fn walk(store: &Store, root: Entry) -> Result<Vec<Entry>, Problem> {
    let mut entries = vec![root];
    let mut at = 0;
    while let Some(Entry { path, cid, kind }) = entries.get(at) {
        at += 1;
        if *kind != Kind::Directory {
            continue;
        }
        let (path, cid) = (path.clone(), *cid);
        let listing = unixfs::list(store, &cid, ENTRIES_MAX - entries.len()).await?;
        if listing.more {
            let what = format!("{cid} has more than {ENTRIES_MAX} files and directories");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, 3013, what));
        }
        for entry in listing.entries {
            let path = joined(&path, &entry.name)
                .ok_or(NodeError::Malformed { cid, what: "a name leads out of it" });
            let kind = unixfs::kind(store, &entry.cid).await?;
            entries.push(Entry { path: path.map_err(ReadError::from)?, cid: entry.cid, kind });
        }
    }
    Ok(entries)
}

/// The path of `name` in the directory `path`; none if it lies outside of the archive's root.
fn joined(path: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
        if parts.is_empty() {
            return None;
        }
    }
    let root = path.split('/').next()?;
    (parts.len() > 1 && parts.first() == Some(&root)).then(|| parts.join("/"))
}

pub(crate) type Parts = BoxStream<'static, Result<Bytes, ReadError>>;

fn written(store: Store, entries: Vec<Entry>) -> Parts {
    let files = stream::iter(entries).then(move |entry| one(store.clone(), entry)).try_flatten();
    // Two empty blocks end an archive.
    let end = Bytes::from_static(&[0; 2 * BLOCK_BYTES]);
    files.chain(stream::iter([Ok(end)])).boxed()
}

async fn one(store: Store, Entry { path, cid, kind }: Entry) -> Result<Parts, ReadError> {
    let malformed = |_: io::Error| NodeError::Malformed { cid, what: "a name that no archive can have" };
    match kind {
        Kind::File { size } => {
            let header = header(&path, tar::EntryType::Regular, size, None).map_err(malformed)?;
            let rest = usize::try_from(size % BLOCK_BYTES as u64).unwrap_or(0);
            let padding =
                Bytes::from_static(ZEROS.get(..(BLOCK_BYTES - rest) % BLOCK_BYTES).unwrap_or_default());
            let bytes = File::known(&store, cid, size).stream(0..size);
            Ok(stream::iter([Ok(header)]).chain(bytes).chain(stream::iter([Ok(padding)])).boxed())
        }
        Kind::Directory => {
            let header =
                header(&format!("{path}/"), tar::EntryType::Directory, 0, None).map_err(malformed)?;
            Ok(stream::iter([Ok(header)]).boxed())
        }
        Kind::Symlink => {
            let target = unixfs::symlink_target(&store, cid).await?;
            let target = String::from_utf8_lossy(&target);
            let header = header(&path, tar::EntryType::Symlink, 0, Some(&target)).map_err(malformed)?;
            Ok(stream::iter([Ok(header)]).boxed())
        }
        Kind::Other { codec } => Err(NodeError::Codec { cid, codec }.into()),
    }
}

/// What stands before a file's bytes; more than one block if the path is long.
fn header(path: &str, kind: tar::EntryType, size: u64, link: Option<&str>) -> io::Result<Bytes> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mtime(0);
    header.set_mode(if kind == tar::EntryType::Directory { DIRECTORY_MODE } else { FILE_MODE });
    let mut builder = tar::Builder::new(Vec::new());
    match link {
        Some(target) => builder.append_link(&mut header, path, target)?,
        None => builder.append_data(&mut header, path, io::empty())?,
    }
    // Not finished: the end of the archive is not here.
    Ok(std::mem::take(builder.get_mut()).into())
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_name_that_leads_out_is_none() {
        assert_eq!(joined("root", "a").as_deref(), Some("root/a"));
        assert_eq!(joined("root/a", "../b/c").as_deref(), Some("root/b/c"));
        for (path, name) in
            [("root", "../a"), ("root", ".."), ("root/a", "../../b"), ("root/a", "../../root")]
        {
            assert_eq!(joined(path, name), None, "{path} {name}");
        }
    }
}
