//! An app's host.

use super::House;
use crate::{
    host,
    metrics::Kind,
    names::App,
    port::Origin,
    problem::{self, Problem},
    route::{self, WELL_KNOWN_PATH},
    upload,
};
use alloy_primitives::Address;
use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use nubes_base::{AppName, port::Function};
use serde::Serialize;
use std::collections::BTreeMap;

/// `/.well-known/nubes.json`: what an app's page needs to know of its surroundings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    app: &'a AppName,
    chain_id: u64,
    rpc: Rpc<'a>,
    contracts: &'a BTreeMap<String, Address>,
    site: Option<String>,
    record: String,
    functions: BTreeMap<&'a str, AboutFunction<'a>>,
}

#[derive(Serialize)]
struct Rpc<'a> {
    http: &'a str,
    ws: &'a str,
}

#[derive(Serialize)]
struct AboutFunction<'a> {
    route: &'a str,
}

impl House {
    pub(super) async fn app(
        &self,
        name: &AppName,
        request: Request<Body>,
        kind: &mut Kind,
    ) -> Result<Response<Body>, Problem> {
        let path = request.uri().path();
        route::check_path(path)?;
        let app = self.names.resolve(name).await.map_err(|error| Problem::from(&*error))?;
        if path == WELL_KNOWN_PATH {
            *kind = Kind::Site;
            return self.about(&app, request.method());
        }
        if let Some(function) = app.routes.find(path) {
            *kind = Kind::Function;
            return self.run(function, request).await;
        }
        *kind = Kind::Site;
        let Some(site) = &app.record.site else {
            let detail = format!("app {name} has no function at {path} and no site");
            return Err(Problem::new(StatusCode::NOT_FOUND, problem::UNKNOWN_PATH, detail));
        };
        let host = host::of_request(request.uri(), request.headers())?.to_owned();
        self.site(site, Origin::App { host: &host }, request).await
    }

    async fn run(&self, function: &Function, request: Request<Body>) -> Result<Response<Body>, Problem> {
        let (head, body) = request.into_parts();
        let (body, cut) = upload::limit(body, &head.headers, self.config.limits.function_body_bytes_max)?;
        let answer = self.ports.runner.run(function, Request::from_parts(head, body)).await;
        if let Some(error) = cut.happened() {
            return Err(error.into());
        }
        Ok(answer?.map(Body::new))
    }

    fn about(&self, app: &App, method: &Method) -> Result<Response<Body>, Problem> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Problem::method("GET, HEAD"));
        }
        let functions = app.record.functions.iter();
        let about = About {
            app: &app.name,
            chain_id: self.config.chain_id,
            rpc: Rpc { http: &self.config.rpc.http, ws: &self.config.rpc.ws },
            contracts: &app.record.contracts,
            site: app.record.site.map(|site| site.to_string()),
            record: app.record_cid.to_string(),
            functions: functions
                .map(|(name, f)| (name.as_str(), AboutFunction { route: &f.route }))
                .collect(),
        };
        let mut response = json(&about);
        // Public facts; a page on a development server of its own asks for them too.
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        Ok(response)
    }
}

/// A document that may be another one the next time.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    let Ok(text) = serde_json::to_vec(value) else {
        unreachable!("maps with text keys and no failing impls")
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
