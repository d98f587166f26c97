//! The front door's socket: HTTP/1.1, and HTTP/2 for clients that begin with it.
//!
//! On `stop` the listener closes, idle connections end, and requests that have begun are answered, for as
//! long as [`crate::Limits::drain_timeout`] allows. What is left then is cut off, and at any time who takes nothing of an
//! answer for [`crate::Limits::write_timeout`].

use crate::{config::Limits, door::Door};
use axum::body::Body;
use hyper::{
    Request, Response,
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// Bytes of a request's head.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADER_LIST_BYTES_MAX: u32 = 64 << 10;
/// How a client of HTTP/2 begins (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// When the system has no sockets left, it is asked again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address cannot be listened at. Stop what holds it, or choose another.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}")]
pub struct BindError {
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// A [`Door`] at an address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
}

impl Server {
    /// Listens at `address`; nothing is answered before [`Server::run`].
    pub async fn bind(address: SocketAddr, door: Door) -> Result<Self, BindError> {
        let refuse = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        Ok(Self { listener, address, door })
    }

    /// Where it listens; tells the port if it was 0.
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Serves, and follows the ledger, until `stop`; returns when all requests are answered or cut off.
    pub async fn run(self, stop: CancellationToken) {
        let door = self.door.clone();
        let drained = CancellationToken::new();
        let serve = async {
            self.serve(&stop).await;
            drained.cancel();
        };
        // Followed to the end, so that the last answers are as true as the first.
        tokio::join!(serve, door.follow(&drained));
    }

    async fn serve(self, stop: &CancellationToken) {
        let Self { listener, door, .. } = self;
        let limits = door.config().limits;
        let connections = Connections {
            places: Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS))),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
            cut_off: CancellationToken::new(),
            limits,
        };
        tokio::select! { () = stop.cancelled() => {} () = connections.accept(&listener, &door) => {} }
        drop(listener);
        door.close();
        connections.tasks.close();
        if timeout(limits.drain_timeout, connections.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = connections.tasks.len(),
                "requests are cut off: they took too long to end"
            );
            connections.cut_off.cancel();
            connections.tasks.wait().await;
        }
    }
}

struct Connections {
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut_off: CancellationToken,
    limits: Limits,
}

impl Connections {
    async fn accept(&self, listener: &TcpListener, door: &Door) {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = Connection {
                        door: door.clone(),
                        tasks: self.tasks.clone(),
                        stop: self.stop.clone(),
                        cut_off: self.cut_off.clone(),
                        limits: self.limits,
                    };
                    self.tasks.spawn(async move {
                        connection.run(stream).await;
                        drop(place);
                    });
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "the system gives no connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Its time runs only while something waits to be sent, also after an upgrade. Pinned because its clock is.
type Socket = TokioIo<Pin<Box<TimeoutWriter<TcpStream>>>>;

struct Connection {
    door: Door,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut_off: CancellationToken,
    limits: Limits,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // A response is one write; waiting for more to send with it only costs time.
        let _ = stream.set_nodelay(true);
        let cut_off = self.cut_off.clone();
        let serve = async {
            match self.is_http2(&stream).await {
                Some(true) => self.http2(stream).await,
                Some(false) => self.http1(stream).await,
                None => Ok(()),
            }
        };
        tokio::select! {
            served = serve => if let Err(error) = served {
                tracing::debug!(error = &error as &dyn Error, "a connection broke off");
            },
            () = cut_off.cancelled() => {}
        }
    }

    fn socket(&self, stream: TcpStream) -> Socket {
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.limits.write_timeout));
        TokioIo::new(Box::pin(stream))
    }

    /// None: the client sent nothing in time. Looked at here and not by hyper's own means, which wait for the
    /// whole preface without a limit of time. Clients send it in one piece; a part of it is taken for
    /// HTTP/1.1 and refused.
    async fn is_http2(&self, stream: &TcpStream) -> Option<bool> {
        let mut start = [0; HTTP2_PREFACE.len()];
        let peek = timeout(self.limits.header_timeout, stream.peek(&mut start));
        let peeked =
            tokio::select! { peeked = peek => peeked.ok()?.ok()?, () = self.stop.cancelled() => return None };
        (peeked > 0).then_some(start == *HTTP2_PREFACE)
    }

    async fn http1(&self, stream: TcpStream) -> hyper::Result<()> {
        let door = self.door.clone();
        let service = service_fn(move |request| answer(door.clone(), request));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.header_timeout)
                .max_header_size(HEAD_BYTES_MAX)
                .serve_connection(self.socket(stream), service)
                .with_upgrades()
        );
        tokio::select! {
            biased;
            done = connection.as_mut() => return done,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    async fn http2(&self, stream: TcpStream) -> hyper::Result<()> {
        let door = self.door.clone();
        let service = service_fn(move |request| answer(door.clone(), request));
        let mut connection = pin!(
            http2::Builder::new(Streams { tasks: self.tasks.clone(), cut_off: self.cut_off.clone() })
                .timer(TokioTimer::new())
                .keep_alive_interval(self.limits.header_timeout)
                .keep_alive_timeout(self.limits.header_timeout)
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(HEADER_LIST_BYTES_MAX)
                .serve_connection(self.socket(stream), service)
        );
        tokio::select! {
            biased;
            done = connection.as_mut() => return done,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }
}

async fn answer(door: Door, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(door.answer(request.map(Body::new)).await)
}

/// Runs the streams of an HTTP/2 connection where shutdown waits for them.
#[derive(Clone)]
struct Streams {
    tasks: TaskTracker,
    cut_off: CancellationToken,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let cut_off = self.cut_off.clone();
        self.tasks.spawn(async move {
            tokio::select! { biased; _ = stream => {} () = cut_off.cancelled() => {} }
        });
    }
}
