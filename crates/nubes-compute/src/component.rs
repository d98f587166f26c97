//! One call of a `wasi:http/proxy` component.

use crate::{
    execute::{Answer, Broken, RESPONSE_BYTES_MAX, read},
    sandbox::Sandbox,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::{
    Error, WasiHttpView as _,
    p2::{
        bindings::{ProxyPre, http::types::ErrorCode, http::types::Scheme},
        body::HyperOutgoingBody,
    },
};

type Head = Result<Response<HyperOutgoingBody>, ErrorCode>;

/// Runs the guest and collects its response.
///
/// Both go on at once: a guest that writes more than a pipe's length waits for its reader.
pub(crate) async fn call(pre: &ProxyPre<Sandbox>, store: &mut Store<Sandbox>, request: Request<Bytes>) -> Result<Answer, Broken> {
    let request = request.map(|body| Full::new(body).map_err(|never| -> Error { match never {} }));
    let (sender, receiver) = oneshot::channel();
    let incoming = store.data_mut().http().new_incoming_request(Scheme::Http, request).map_err(Broken::Guest)?;
    let outparam = store.data_mut().http().new_response_outparam(sender).map_err(Broken::Guest)?;
    let guest = async {
        let proxy = pre.instantiate_async(&mut *store).await?;
        proxy.wasi_http_incoming_handler().call_handle(&mut *store, incoming, outparam).await
    };
    let collect = collect(receiver);
    tokio::pin!(guest, collect);
    let answer = tokio::select! {
        // The response may be complete before the guest returns; what it does after that still counts.
        answer = &mut collect => {
            let answer = answer?;
            guest.await.map_err(Broken::Guest)?;
            answer
        }
        ran = &mut guest => {
            ran.map_err(Broken::Guest)?;
            // What the guest has written is in the pipe; a body that it never finished ends in an error.
            collect.await?
        }
    };
    Ok(answer)
}

async fn collect(receiver: oneshot::Receiver<Head>) -> Result<Answer, Broken> {
    let head = receiver.await.map_err(|_| Broken::NoResponse)?;
    let (parts, body) = head.map_err(|code| Broken::Refused(format!("{code:?}")))?.into_parts();
    let body = read(body, RESPONSE_BYTES_MAX).await.map_err(Broken::Body)?;
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}
