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
    port::{Mount, Origin, Sites},
    problem::{self, Form, Problem},
    route,
};
use axum::{Router, body::Body};
use cid::Cid;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
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

const CONTENT_PATHS: [&str; 2] = ["/ipfs/", "/ipns/"];
/// The node's own API. It has no key, and what describes it tells nothing.
const API_PATH: &str = "/api/v1/";
const API_DOCUMENT: &str = "/api/v1/openapi.json";
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
        if let (Target::Front { .. }, false) = (&target, is_content_path(&request)) {
            *kind = Kind::Front;
            return Box::pin(self.front(request)).await;
        }
        let _place = self.place()?;
        let answer = timeout(limits.request_timeout, house.answer(target, request, kind)).await;
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
        if is_closed_to_pages(path) && is_from_page(request.headers()) {
            let detail = format!("no page of a browser may ask for {path}");
            return Err(Problem {
                close: true,
                ..Problem::new(StatusCode::FORBIDDEN, problem::FROM_PAGE, detail)
            });
        }
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
    /// Answers for everything but the node's own pages and mounts.
    async fn answer(
        &self,
        target: Target,
        request: Request<Body>,
        kind: &mut Kind,
    ) -> Result<Response<Body>, Problem> {
        let sites = &self.ports.sites;
        if !matches!(target, Target::App(_)) {
            *kind = Kind::Content;
        }
        match target {
            Target::App(name) => Box::pin(self.app(&name, request, kind)).await,
            Target::Content { cid, gateway } => {
                self.site(&cid, Origin::Content { gateway: &gateway }, request).await
            }
            Target::Name { name, gateway } => {
                check_site(&request)?;
                Ok(sites.serve_name(&name, &gateway, request).await)
            }
            Target::Front { domain } => Ok(sites.serve_path(domain.as_deref(), request).await),
            Target::Foreign { host } => Box::pin(self.foreign(&host, request, kind)).await,
        }
    }

    /// Answers at a host that is none of the node's own.
    async fn foreign(
        &self,
        host: &str,
        request: Request<Body>,
        kind: &mut Kind,
    ) -> Result<Response<Body>, Problem> {
        let sites = &self.ports.sites;
        if sites.has_domain(host).await {
            check_site(&request)?;
            return Ok(sites.serve_domain(host, request).await);
        }
        if is_content_path(&request) {
            let domain = self.forwarded_domain(&request);
            return Ok(sites.serve_path(domain.as_deref(), request).await);
        }
        *kind = Kind::Refused;
        Err(unknown_host(host))
    }

    async fn site(
        &self,
        root: &Cid,
        origin: Origin<'_>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        check_site(&request)?;
        Ok(self.ports.sites.serve(root, origin, request).await)
    }

    /// The base domain that a proxy in front was asked for. It only decides to which host a browser is sent.
    fn forwarded_domain(&self, request: &Request<Body>) -> Option<String> {
        let host = request.headers().get("x-forwarded-host")?.to_str().ok()?;
        match self.config.base_domains.target(host).ok()? {
            Target::Front { domain } => domain,
            _ => None,
        }
    }
}

fn is_content_path(request: &Request<Body>) -> bool {
    CONTENT_PATHS.iter().any(|path| request.uri().path().starts_with(path))
}

pub(crate) fn is_closed_to_pages(path: &str) -> bool {
    path.starts_with(API_PATH) && path != API_DOCUMENT
}

/// Whether a page makes the request, or a person who followed its link. The page may have the node's own origin: content below
/// `/ipfs/` has. No script can write `Sec-Fetch-Site`, and a person's own address or bookmark comes with `none`; browsers leave it out
/// where neither TLS nor loopback protects it, and old ones everywhere, so without it their name decides.
fn is_from_page(headers: &HeaderMap) -> bool {
    let is_browser =
        || headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla"));
    let comes_from_page = headers.get("sec-fetch-site").map_or_else(is_browser, |site| site != "none");
    headers.contains_key(header::ORIGIN) || comes_from_page
}

fn check_site(request: &Request<Body>) -> Result<(), Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Err(Problem { close: true, ..Problem::method(SITE_METHODS) });
    }
    route::check_path(request.uri().path())?;
    Ok(())
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
