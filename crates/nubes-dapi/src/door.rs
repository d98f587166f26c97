//! Takes a request and sees that somebody answers it.
//!
//! ```text
//! node's own host    mounted routers, then the node's routes (`front`)
//! app's host         /.well-known/nubes.json, then the function whose route matches, then the site
//! content's host     the content
//! ```
//!
//! A function gets the request as the client sent it, with any method and all headers, and its response goes
//! out as it is: what CORS or HEAD mean there is the function's business.

mod app;
mod front;
mod logs;
mod openapi;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::logs::LINES_MAX;

use crate::{
    config::Config,
    host::{self, Target},
    metrics::{Kind, Metrics},
    names::{Head, Names},
    port::{Caching, Mount, Sites},
    problem::{self, Form, Problem},
    route,
};
use axum::{Router, body::Body};
use cid::Cid;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use nubes_base::{
    Clock,
    port::{Blobs, Ledger, LogSource, Runner},
};
use serde_json::Value;
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

const CONTENT_PATH: &str = "/ipfs/";
/// What sites and content are asked with.
const SITE_METHODS: &str = "GET, HEAD, OPTIONS";

/// What the front door serves from.
#[derive(Clone, Debug)]
pub struct Ports {
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn Blobs>,
    pub runner: Arc<dyn Runner>,
    pub sites: Arc<dyn Sites>,
    pub logs: Arc<dyn LogSource>,
    pub clock: Arc<dyn Clock>,
}

/// The front door of one node. Clones are the same door.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    house: Arc<House>,
    /// The node's own routes.
    front: Router,
    /// The longest path first.
    mounts: Vec<Mount>,
    requests: Semaphore,
}

/// What the node's routes and the apps' hosts share.
#[derive(Debug)]
struct House {
    config: Config,
    ports: Ports,
    names: Arc<Names>,
    metrics: Metrics,
    openapi: Value,
    /// Ends the responses that have no end of their own.
    closing: CancellationToken,
}

impl Door {
    /// Answers at once; deployments are seen as soon as it follows the ledger.
    pub fn new(config: Config, ports: Ports, mut mounts: Vec<Mount>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        let requests = Semaphore::new(config.limits.requests_max.min(Semaphore::MAX_PERMITS));
        let Ports { ledger, blobs, runner, clock, .. } = ports.clone();
        let house = Arc::new(House {
            config,
            ports,
            names: Names::new(ledger, blobs, runner, clock),
            metrics: Metrics::new(),
            openapi: openapi::document(&mounts),
            closing: CancellationToken::new(),
        });
        let front = front::router(Arc::clone(&house));
        Self(Arc::new(Inner { house, front, mounts, requests }))
    }

    pub fn config(&self) -> &Config {
        // A function of its own, because `Inner` is private.
        &self.0.house.config
    }

    /// Follows the ledger until `stop`, so that deployments are seen. [`crate::Server::run`] does it.
    pub async fn follow(&self, stop: &CancellationToken) {
        self.0.house.names.follow(stop).await;
    }

    /// The newest final block that was seen; none while [`Door::follow`] does not run.
    pub fn head(&self) -> Option<Head> {
        self.0.house.names.head()
    }

    /// Ends responses that have no end of their own, such as followed logs.
    pub fn close(&self) {
        self.0.house.closing.cancel();
    }

    /// Answers a request, whatever it is.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let form = Form::of(&request);
        let mut kind = Kind::Refused;
        let response = match self.dispatch(request, &mut kind).await {
            Ok(response) => response,
            Err(problem) => {
                report(&problem, kind);
                problem.respond(form)
            }
        };
        self.0.house.metrics.count(kind, response.status(), started.elapsed());
        response
    }

    async fn dispatch(&self, request: Request<Body>, kind: &mut Kind) -> Result<Response<Body>, Problem> {
        let house = &*self.0.house;
        let limits = &house.config.limits;
        let host = host::of_request(request.uri(), request.headers())?;
        let target = house.config.base_domains.target(host)?;
        let answer = match target {
            Target::Unknown => return Err(unknown_host(host)),
            Target::Front if request.uri().path().starts_with(CONTENT_PATH) => {
                if let Some(response) = house.content_redirect(&request) {
                    return Ok(response);
                }
                let _place = self.place()?;
                *kind = Kind::Content;
                timeout(limits.request_timeout, house.content_path(request)).await
            }
            Target::Front => {
                *kind = Kind::Front;
                return self.front(request).await;
            }
            Target::App(name) => {
                let _place = self.place()?;
                timeout(limits.request_timeout, house.app(&name, request, kind)).await
            }
            Target::Content(cid) => {
                let _place = self.place()?;
                *kind = Kind::Content;
                timeout(limits.request_timeout, house.content(&cid, request)).await
            }
        };
        answer.unwrap_or_else(|_| Err(Problem::timed_out(limits.request_timeout)))
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.0.requests.try_acquire().map_err(|_| {
            let detail = format!("{} requests are being answered", self.config().limits.requests_max);
            Problem { close: true, ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, problem::BUSY, detail) }
        })
    }

    /// Mounted routers have their own limits of time: an upload may take longer than any answer of the door.
    /// The node's own routes need no place, so that a full node can still say that it is alive.
    async fn front(&self, request: Request<Body>) -> Result<Response<Body>, Problem> {
        let path = request.uri().path();
        let mount = self.0.mounts.iter().find(|mount| mount.covers(path));
        let _place = mount.map(|_| self.place()).transpose()?;
        let router = mount.map_or(&self.0.front, |mount| &mount.router);
        match router.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

impl Service<Request<Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { Ok(door.answer(request).await) })
    }
}

impl House {
    /// The path is the gateway's to read: it is not that of a site, and says itself which content is meant.
    async fn content_path(&self, request: Request<Body>) -> Result<Response<Body>, Problem> {
        Ok(self.ports.sites.serve_path(request).await)
    }

    async fn content(&self, cid: &Cid, request: Request<Body>) -> Result<Response<Body>, Problem> {
        self.site(cid, request, Caching::Immutable).await
    }

    async fn site(
        &self,
        root: &Cid,
        request: Request<Body>,
        caching: Caching,
    ) -> Result<Response<Body>, Problem> {
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Err(Problem { close: true, ..Problem::method(SITE_METHODS) });
        }
        let uri = request.uri().clone();
        route::check_path(uri.path())?;
        Ok(self.ports.sites.serve(root, uri.path(), request, caching).await)
    }

    /// Sends a browser that asks for `/ipfs/CID` to the CID's own origin, so that pages of different content
    /// cannot read each other. Programs that verify what they get are served where they are.
    fn content_redirect(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let uri = request.uri();
        let path = uri.path().strip_prefix(CONTENT_PATH)?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) || is_trustless(request) {
            return None;
        }
        let (label, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        let cid = Cid::try_from(label).ok()?;
        let host = host::of_request(uri, request.headers()).ok()?;
        let host = self.config.base_domains.content_host(host, &cid)?;
        let rest = if rest.is_empty() { "/" } else { rest };
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::try_from(format!("//{host}{rest}{query}")).ok()?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        response.headers_mut().insert(header::LOCATION, location);
        Some(response)
    }
}

fn is_trustless(request: &Request<Body>) -> bool {
    let has_format =
        request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("format=")));
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    has_format || accept.is_some_and(|accept| accept.contains("application/vnd.ipld."))
}

fn unknown_host(host: &str) -> Problem {
    let detail = format!("{host} is not a host of this node");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, problem::UNKNOWN_HOST, detail)
}

fn report(problem: &Problem, kind: Kind) {
    let (code, status, detail) = (problem.code, problem.status.as_u16(), problem.detail.as_str());
    if problem.status.is_server_error() {
        tracing::warn!(%code, status, ?kind, detail, "a request failed");
    } else {
        tracing::debug!(%code, status, ?kind, detail, "a request was refused");
    }
}
