//! One call of a `wasi:http/proxy` component.

use crate::{
    execute::{Answer, Broken, Ended, RESPONSE_BYTES_MAX, read},
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
pub(crate) async fn call(
    pre: &ProxyPre<Sandbox>,
    mut store: Store<Sandbox>,
    request: Request<Bytes>,
) -> (Result<Answer, Broken>, Option<Ended>) {
    let (sender, receiver) = oneshot::channel();
    let guest = async move {
        let ran = run(pre, &mut store, request, sender).await;
        // Ends what the guest has left behind, so that nobody waits for a body that it never finished.
        (ran, Ended::from(store))
    };
    let collect = collect(receiver);
    tokio::pin!(guest, collect);
    tokio::select! {
        // The response may be complete before the guest returns; what it does after that still counts.
        answer = &mut collect => match answer {
            Ok(answer) => {
                let (ran, ended) = guest.await;
                (ran.map(|()| answer).map_err(Broken::Guest), Some(ended))
            }
            Err(broken) => (Err(broken), None),
        },
        (ran, ended) = &mut guest => match ran {
            Ok(()) => (collect.await, Some(ended)),
            Err(error) => (Err(Broken::Guest(error)), Some(ended)),
        },
    }
}

async fn run(
    pre: &ProxyPre<Sandbox>,
    store: &mut Store<Sandbox>,
    request: Request<Bytes>,
    sender: oneshot::Sender<Head>,
) -> wasmtime::Result<()> {
    let request = request.map(|body| Full::new(body).map_err(|never| -> Error { match never {} }));
    let incoming = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let outparam = store.data_mut().http().new_response_outparam(sender)?;
    let proxy = pre.instantiate_async(&mut *store).await?;
    proxy.wasi_http_incoming_handler().call_handle(&mut *store, incoming, outparam).await
}

async fn collect(receiver: oneshot::Receiver<Head>) -> Result<Answer, Broken> {
    let head = receiver.await.map_err(|_| Broken::NoResponse)?;
    let (parts, body) = head.map_err(|code| Broken::Refused(format!("{code:?}")))?.into_parts();
    let body = read(body, RESPONSE_BYTES_MAX).await.map_err(Broken::Body)?;
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}
