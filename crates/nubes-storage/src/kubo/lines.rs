//! Answers of many values, each a line of JSON.

use super::error::RpcError;
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStream, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

const CHUNKED: HeaderName = HeaderName::from_static("x-chunked-output");
const STREAM: HeaderName = HeaderName::from_static("x-stream-output");

/// Sends lines as they come. The first is waited for, so that an error before it is a status.
pub(super) async fn lines(
    mut values: BoxStream<'static, Result<Value, RpcError>>,
) -> Result<Response, RpcError> {
    let first = values.try_next().await?;
    let lines = stream::iter(first.map(Ok)).chain(values).map_ok(|value| Bytes::from(format!("{value}\n")));
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CHUNKED, HeaderValue::from_static("1"));
    Ok(response)
}

/// Sends bytes as they come; the first are waited for.
pub(super) async fn bytes<S>(media_type: &'static str, mut parts: S) -> Result<Response, RpcError>
where
    S: TryStream<Ok = Bytes> + Send + Unpin + 'static,
    S::Error: Into<RpcError> + std::error::Error + Send + Sync + 'static,
{
    let first = parts.try_next().await.map_err(Into::into)?;
    let parts = stream::iter(first.map(Ok)).chain(parts.into_stream());
    let mut response = Body::from_stream(parts).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(STREAM, HeaderValue::from_static("1"));
    Ok(response)
}
