//! A request's body on its way to a function, cut off where it exceeds its limit.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use nubes_base::port::{self, RunError};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

/// The body was longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request body exceeds {bytes_max} bytes")]
pub(crate) struct TooLongError {
    pub(crate) bytes_max: u64,
}

impl From<TooLongError> for RunError {
    fn from(error: TooLongError) -> Self {
        Self::BodyTooLarge { bytes_max: error.bytes_max }
    }
}

/// Tells, after a function has been run, whether its body was cut off. The function itself only sees a broken
/// stream and may make of it what it likes.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    bytes_max: u64,
    happened: Arc<AtomicBool>,
}

impl Cut {
    pub(crate) fn happened(&self) -> Option<TooLongError> {
        self.happened.load(Ordering::Relaxed).then_some(TooLongError { bytes_max: self.bytes_max })
    }
}

/// Refuses a body that announces to be too long, and watches over any other.
pub(crate) fn limit(
    body: Body,
    headers: &HeaderMap,
    bytes_max: u64,
) -> Result<(port::Body, Cut), TooLongError> {
    let announced =
        headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if body.size_hint().lower().max(announced.unwrap_or(0)) > bytes_max {
        return Err(TooLongError { bytes_max });
    }
    let cut = Cut { bytes_max, happened: Arc::default() };
    let limited = Limited { body, bytes_left: bytes_max, cut: cut.clone() };
    Ok((limited.boxed_unsync(), cut))
}

struct Limited {
    body: Body,
    bytes_left: u64,
    cut: Cut,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = port::BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, port::BodyError>>> {
        let this = self.get_mut();
        if this.cut.happened().is_some() {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        let Some(left) = this.bytes_left.checked_sub(length) else {
            this.cut.happened.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(TooLongError { bytes_max: this.cut.bytes_max }.into())));
        };
        this.bytes_left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.happened().is_some() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
