//! The node's own routes.

use super::{House, app::json, logs};
use crate::{
    metrics, page,
    problem::{self, Form, Problem},
};
use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    routing::{MethodRouter, get},
};
use http::{HeaderValue, Response, StatusCode, header};
use nubes_base::{AppName, AppRecord};
use serde::Serialize;
use std::sync::Arc;

/// Every route, as the `OpenAPI` document writes it.
pub(super) fn routes() -> [(&'static str, MethodRouter<Arc<House>>); 7] {
    [
        ("/", get(console)),
        ("/healthz", get(health)),
        ("/readyz", get(ready)),
        ("/metrics", get(metrics)),
        ("/api/v1/openapi.json", get(openapi)),
        ("/api/v1/apps/{name}", get(app)),
        ("/api/v1/apps/{name}/logs", get(logs::logs)),
    ]
}

pub(super) fn router(house: Arc<House>) -> Router {
    let router =
        routes().into_iter().fold(Router::new(), |router, (path, method)| router.route(path, method));
    router.fallback(unknown_path).method_not_allowed_fallback(unknown_method).with_state(house)
}

async fn unknown_path(request: Request) -> Response<Body> {
    let detail = format!("the node has nothing at {}", request.uri().path());
    Problem::new(StatusCode::NOT_FOUND, problem::UNKNOWN_PATH, detail).respond(Form::of(&request))
}

async fn unknown_method(request: Request) -> Response<Body> {
    Problem { close: true, ..Problem::method("GET, HEAD") }.respond(Form::of(&request))
}

async fn console(State(house): State<Arc<House>>) -> Response<Body> {
    let paths = house.openapi.get("paths").and_then(|paths| paths.as_object());
    let paths: Vec<_> =
        paths.into_iter().flatten().map(|(path, item)| (path.as_str(), summary(item))).collect();
    let mut response = Response::new(Body::from(page::console(&house.config, &paths)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn summary(item: &serde_json::Value) -> &str {
    let operations = item.as_object().map(|operations| operations.values()).into_iter().flatten();
    operations.into_iter().find_map(|operation| operation.get("summary")?.as_str()).unwrap_or_default()
}

async fn health() -> Response<Body> {
    json(&serde_json::json!({ "status": "ok" }))
}

async fn ready(State(house): State<Arc<House>>, request: Request) -> Response<Body> {
    let refuse = |detail: String| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, problem::NOT_READY, detail).respond(Form::of(&request))
    };
    let Some(head) = house.names.head() else { return refuse("the ledger is not followed".to_owned()) };
    let age = house.ports.clock.now().since(head.moved_at);
    if age > house.config.limits.head_age_max {
        return refuse(format!("no final block for {} ms", age.as_millis()));
    }
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    json(&serde_json::json!({ "status": "ready", "head": { "number": head.number, "ageMs": age_ms } }))
}

async fn metrics(State(house): State<Arc<House>>) -> Response<Body> {
    let mut text = house.metrics.text();
    let apps = u64::try_from(house.names.apps_known()).unwrap_or(u64::MAX);
    metrics::gauge(&mut text, "nubes_door_apps", "Apps kept at hand.", apps);
    if let Some(head) = house.names.head() {
        let age = house.ports.clock.now().since(head.moved_at).as_secs();
        metrics::gauge(
            &mut text,
            "nubes_door_head",
            "Newest final block seen.",
            head.number.unwrap_or_default(),
        );
        metrics::gauge(
            &mut text,
            "nubes_door_head_age_seconds",
            "Time since the newest final block was seen.",
            age,
        );
    }
    let mut response = Response::new(Body::from(text));
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

async fn openapi(State(house): State<Arc<House>>) -> Response<Body> {
    json(&house.openapi)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppDocument<'a> {
    name: &'a AppName,
    record_cid: String,
    record: &'a AppRecord,
}

async fn app(State(house): State<Arc<House>>, Path(name): Path<String>, request: Request) -> Response<Body> {
    let app = match find(&house, &name).await {
        Ok(app) => app,
        Err(problem) => return problem.respond(Form::of(&request)),
    };
    json(&AppDocument { name: &app.name, record_cid: app.record_cid.to_string(), record: &app.record })
}

/// The app of a name as it stands in a path. What cannot be a name is no app's.
pub(super) async fn find(house: &House, name: &str) -> Result<Arc<crate::names::App>, Problem> {
    let name: AppName = name.parse().map_err(|error: nubes_base::app::AppNameError| {
        Problem::new(StatusCode::NOT_FOUND, problem::UNKNOWN_APP, error.to_string())
    })?;
    let limit = house.config.limits.request_timeout;
    let Ok(found) = tokio::time::timeout(limit, house.names.resolve(&name)).await else {
        return Err(Problem::timed_out(limit));
    };
    found.map_err(|error| Problem::from(&*error))
}
