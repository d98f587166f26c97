//! Uploads in parts (`multipart/form-data`, RFC 7578), as they arrive; and how Kubo's clients use them: a part for each file
//! or directory, its path percent-encoded as the file name.

use super::error::RpcError;
use axum::{body::Body, extract::Request};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use http::header;
use memchr::memmem;
use percent_encoding::percent_decode_str;
use std::time::Duration;
use tokio::time;

/// Longest boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Longest headers of one part; a path of 4 KiB fits in, percent-encoded.
const HEADERS_BYTES_MAX: usize = 16 << 10;
/// Bytes before the first part, which mean nothing.
const PREAMBLE_BYTES_MAX: usize = 16 << 10;
/// An upload that says nothing for so long has ended: it keeps others from collecting and from being added.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// What comes out, in the order head, bytes, end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Part(Head),
    Bytes(Bytes),
    End,
}

/// What a part says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The field's name; Kubo's clients add mode and time to it as a query.
    pub(super) name: String,
    /// The path, decoded; empty if there is none.
    pub(super) path: String,
    pub(super) media_type: String,
}

/// Why bytes are not an upload in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum MultipartError {
    #[error("the upload has no part, or its boundary is not the one that was announced")]
    NoPart,
    #[error("the headers of a part are longer than {HEADERS_BYTES_MAX} bytes")]
    LongHeaders,
    #[error("the headers of a part are malformed")]
    Headers,
    #[error("the upload is cut off")]
    CutOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble { skipped: usize },
    AfterBoundary,
    Headers,
    Body,
    Ended,
}

/// Takes bytes, gives items; keeps no more than one part's headers.
#[derive(Debug)]
pub(super) struct Decoder {
    buffer: BytesMut,
    delimiter: Vec<u8>,
    state: State,
}

impl Decoder {
    pub(super) fn new(boundary: &str) -> Self {
        // The first boundary need not begin on a line of its own; this makes it like the others.
        let buffer = BytesMut::from(b"\r\n".as_slice());
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        Self { buffer, delimiter, state: State::Preamble { skipped: 0 } }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next item, or nothing until more bytes are pushed.
    pub(super) fn next_item(&mut self) -> Result<Option<Item>, MultipartError> {
        loop {
            match self.state {
                State::Preamble { skipped } => match memmem::find(&self.buffer, &self.delimiter) {
                    Some(at) => self.pass(at),
                    None if skipped + self.buffer.len() > PREAMBLE_BYTES_MAX => {
                        return Err(MultipartError::NoPart);
                    }
                    None => {
                        let dropped = self.safe();
                        let _ = self.buffer.split_to(dropped);
                        self.state = State::Preamble { skipped: skipped + dropped };
                        return Ok(None);
                    }
                },
                State::AfterBoundary => {
                    if !self.after_boundary()? {
                        return Ok(None);
                    }
                }
                State::Headers => return self.headers(),
                State::Body => return Ok(self.body()),
                State::Ended => {
                    self.buffer.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// To be called after the last byte.
    pub(super) const fn finish(&self) -> Result<(), MultipartError> {
        match self.state {
            State::Ended => Ok(()),
            State::Preamble { .. } => Err(MultipartError::NoPart),
            _ => Err(MultipartError::CutOff),
        }
    }

    /// Bytes that cannot be the beginning of a delimiter that is not all here.
    fn safe(&self) -> usize {
        self.buffer.len().saturating_sub(self.delimiter.len() - 1)
    }

    fn pass(&mut self, at: usize) {
        let _ = self.buffer.split_to(at + self.delimiter.len());
        self.state = State::AfterBoundary;
    }

    /// False: more bytes are needed.
    fn after_boundary(&mut self) -> Result<bool, MultipartError> {
        if self.buffer.starts_with(b"--") {
            self.state = State::Ended;
            return Ok(true);
        }
        // White space may stand between a boundary and its line's end.
        let blanks = self.buffer.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let rest = self.buffer.get(blanks..).unwrap_or_default();
        if rest.starts_with(b"\r\n") {
            // The line's end stays: headers may be none, and then it is also half of theirs.
            let _ = self.buffer.split_to(blanks);
            self.state = State::Headers;
            return Ok(true);
        }
        if b"\r\n".starts_with(rest) || (blanks == 0 && b"--".starts_with(rest)) {
            return if blanks > HEADERS_BYTES_MAX { Err(MultipartError::Headers) } else { Ok(false) };
        }
        Err(MultipartError::Headers)
    }

    fn headers(&mut self) -> Result<Option<Item>, MultipartError> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            let too_long = self.buffer.len() > HEADERS_BYTES_MAX;
            return if too_long { Err(MultipartError::LongHeaders) } else { Ok(None) };
        };
        if end > HEADERS_BYTES_MAX {
            return Err(MultipartError::LongHeaders);
        }
        let lines = self.buffer.split_to(end + 4);
        let lines = std::str::from_utf8(&lines).map_err(|_| MultipartError::Headers)?;
        let head = head(lines).ok_or(MultipartError::Headers)?;
        self.state = State::Body;
        Ok(Some(Item::Part(head)))
    }

    fn body(&mut self) -> Option<Item> {
        let found = memmem::find(&self.buffer, &self.delimiter);
        if found == Some(0) {
            self.pass(0);
            return Some(Item::End);
        }
        let bytes = self.buffer.split_to(found.unwrap_or_else(|| self.safe())).freeze();
        (!bytes.is_empty()).then_some(Item::Bytes(bytes))
    }
}

fn head(lines: &str) -> Option<Head> {
    let mut head = Head::default();
    for line in lines.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                for (key, value) in parameters(value) {
                    match key.as_str() {
                        "name" => head.name = value,
                        "filename" => head.path = decoded(&value)?,
                        _ => {}
                    }
                }
            }
            "content-type" => {
                let value = value.split(';').next().unwrap_or_default();
                head.media_type = value.trim().to_ascii_lowercase();
            }
            _ => {}
        }
    }
    Some(head)
}

/// The `key=value` and `key="value"` of a header, separated by `;`.
fn parameters(value: &str) -> Vec<(String, String)> {
    let (mut pieces, mut piece, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for character in value.chars() {
        match character {
            _ if escaped => {
                piece.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => pieces.push(std::mem::take(&mut piece)),
            _ => piece.push(character),
        }
    }
    pieces.push(piece);
    let pairs = pieces.iter().filter_map(|piece| piece.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.to_owned())).collect()
}

fn decoded(path: &str) -> Option<String> {
    percent_decode_str(&path.replace('+', " ")).decode_utf8().ok().map(Into::into)
}

/// The parts of a request's body.
pub(super) struct Upload {
    body: BoxStream<'static, Result<Bytes, axum::Error>>,
    decoder: Decoder,
    bytes_left: u64,
    bytes_max: u64,
}

impl Upload {
    pub(super) fn of(request: Request<Body>, bytes_max: u64) -> Result<Self, RpcError> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (kind, rest) = media_type.unwrap_or_default().split_once(';').unwrap_or_default();
        let boundary =
            parameters(rest).into_iter().find(|(key, _)| key == "boundary").map(|(_, value)| value);
        let is_multipart = kind.trim().to_ascii_lowercase().starts_with("multipart/");
        let boundary = boundary.filter(|boundary| (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()));
        let Some(boundary) = boundary.filter(|_| is_multipart) else {
            return Err(RpcError::client("the body has to be multipart/form-data with a boundary"));
        };
        let body = request.into_body().into_data_stream().boxed();
        Ok(Self { body, decoder: Decoder::new(boundary.trim()), bytes_left: bytes_max, bytes_max })
    }

    /// The next item; nothing after the last part.
    pub(super) async fn next(&mut self) -> Result<Option<Item>, RpcError> {
        loop {
            if let Some(item) = self.decoder.next_item().map_err(RpcError::client)? {
                return Ok(Some(item));
            }
            let chunk = time::timeout(SILENCE_MAX, self.body.next()).await;
            let chunk = chunk.map_err(|_| RpcError::client("the upload does not go on"))?;
            let Some(chunk) = chunk else {
                self.decoder.finish().map_err(RpcError::client)?;
                return Ok(None);
            };
            let chunk = chunk.map_err(|_| RpcError::client("the upload broke off"))?;
            let left = self.bytes_left.checked_sub(chunk.len() as u64);
            self.bytes_left =
                left.ok_or_else(|| RpcError::client(format!("the upload exceeds {} bytes", self.bytes_max)))?;
            self.decoder.push(&chunk);
        }
    }

    /// The next part as a whole, if it is not longer than `bytes_max`.
    pub(super) async fn next_whole(&mut self, bytes_max: usize) -> Result<Option<(Head, Bytes)>, RpcError> {
        let Some(Item::Part(head)) = self.next().await? else { return Ok(None) };
        let mut whole = BytesMut::new();
        while let Some(Item::Bytes(bytes)) = self.next().await? {
            if whole.len() + bytes.len() > bytes_max {
                return Err(RpcError::client(format!("a part exceeds {bytes_max} bytes")));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(Some((head, whole.freeze())))
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, HEADERS_BYTES_MAX, Head, Item, MultipartError};
    use bytes::Bytes;
    use proptest::prelude::*;

    /// Gives the decoder `text` in pieces of `step` bytes and joins the bytes of each part.
    fn read(text: &[u8], step: usize) -> Result<Vec<(Head, Bytes)>, MultipartError> {
        let (mut decoder, mut parts) = (Decoder::new("x"), Vec::<(Head, Vec<u8>)>::new());
        for piece in text.chunks(step) {
            decoder.push(piece);
            while let Some(item) = decoder.next_item()? {
                match item {
                    Item::Part(head) => parts.push((head, Vec::new())),
                    Item::Bytes(bytes) => parts.last_mut().unwrap().1.extend_from_slice(&bytes),
                    Item::End => {}
                }
            }
        }
        decoder.finish()?;
        Ok(parts.into_iter().map(|(head, bytes)| (head, bytes.into())).collect())
    }

    #[test]
    fn parts_are_read_whatever_the_pieces() {
        let text = b"what comes first means nothing\r\n--x\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a%2Fb+c;%22.txt\"\r\n\
            Content-Type: application/octet-stream; charset=x\r\n\r\n\
            one\r\n--\r\n\r\n--x \t\r\n\
            content-disposition:form-data;name=dir-1;filename=d\r\ncontent-type: application/x-directory\r\n\r\n\r\n--x\r\n\r\n\
            \r\n--x--\r\nand what comes last too";
        for step in 1..text.len() {
            let parts = read(text, step).unwrap();
            let [file, directory, bare] = parts.as_slice() else { panic!("{step}: {parts:?}") };
            assert_eq!((file.0.name.as_str(), file.0.path.as_str()), ("file", "a/b c;\".txt"));
            assert_eq!(file.0.media_type, "application/octet-stream");
            assert_eq!(file.1, "one\r\n--\r\n".as_bytes());
            assert_eq!((directory.0.path.as_str(), directory.1.len()), ("d", 0));
            assert_eq!(directory.0.media_type, "application/x-directory");
            assert_eq!(bare, &(Head::default(), Bytes::new()));
        }
    }

    #[track_caller]
    fn check(text: &str, error: MultipartError) {
        for step in [1, 7, text.len().max(1)] {
            assert_eq!(read(text.as_bytes(), step).unwrap_err(), error, "{text} by {step}");
        }
    }

    #[test]
    fn what_is_no_upload_is_refused() {
        check("", MultipartError::NoPart);
        check("hello", MultipartError::NoPart);
        check("--y\r\n\r\n\r\n--y--", MultipartError::NoPart);
        check(&"z".repeat(100_000), MultipartError::NoPart);
        check("--x\r\n", MultipartError::CutOff);
        check("--x\r\n\r\nbody", MultipartError::CutOff);
        check("--x\r\n\r\nbody\r\n--x", MultipartError::CutOff);
        check("--xy\r\n\r\n", MultipartError::Headers);
        check("--x\r\nno colon\r\n\r\n", MultipartError::Headers);
        check("--x\r\nContent-Disposition: form-data; filename=\"%ff\"\r\n\r\n", MultipartError::Headers);
        check(&format!("--x\r\nA: {}", "b".repeat(2 * HEADERS_BYTES_MAX)), MultipartError::LongHeaders);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn bodies_come_out_as_they_went_in(
            bodies in prop::collection::vec("[-x\r\n ]{0,40}", 1..4),
            step in 1_usize..40,
        ) {
            // A body that holds the delimiter is two parts by right.
            prop_assume!(bodies.iter().all(|body| !format!("\r\n{body}\r\n").contains("\r\n--x")));
            let text = format!("--x\r\n\r\n{}\r\n--x--", bodies.join("\r\n--x\r\n\r\n"));
            let parts = read(text.as_bytes(), step).unwrap();
            prop_assert!(parts.iter().map(|(_, bytes)| bytes.as_ref()).eq(bodies.iter().map(String::as_bytes)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..300), step in 1_usize..40) {
            let _ = read(&text, step);
            let _ = read(&[b"--x\r\n", text.as_slice()].concat(), step);
        }
    }
}
