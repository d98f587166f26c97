//! The description of the node's routes, kept by hand; a test holds it against the router.

use crate::port::Mount;
use serde_json::{Value, json};

/// The node's own routes and those of the mounted routers that describe themselves.
pub(super) fn document(mounts: &[Mount]) -> Value {
    let mut paths = paths();
    let described = mounts.iter().filter_map(|mount| mount.openapi_paths.as_ref()?.as_object());
    if let Some(paths) = paths.as_object_mut() {
        for (path, item) in described.flatten() {
            paths.insert(path.clone(), item.clone());
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Nubes node",
            "version": "1",
            "description": "Routes of the front door on the node's own host. Errors are problem documents \
                            (RFC 9457) with a code that `nubes explain` knows."
        },
        "paths": paths,
        "components": { "schemas": { "Problem": problem(), "App": app(), "LogLine": log_line() } }
    })
}

fn paths() -> Value {
    let name = json!({
        "name": "name", "in": "path", "required": true, "description": "The app's name; of a preview, PREVIEW--APP.",
        "schema": { "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" }
    });
    let lines = json!({
        "name": "lines", "in": "query", "description": "How many lines that are already there.",
        "schema": { "type": "integer", "minimum": 0, "maximum": super::logs::LINES_MAX, "default": 100 }
    });
    let follow = json!({
        "name": "follow", "in": "query", "description": "Whether to go on with lines as they are printed.",
        "schema": { "type": "string", "enum": ["0", "1", "false", "true"], "default": "0" }
    });
    let (object, text) = (json!({ "type": "object" }), text());
    let app_problems = [404, 502, 503, 504];
    let log_problems = [400, 404, 502, 503, 504];
    let app = operation("An app's record.", JSON, &reference("App"), &app_problems);
    let print = "What an app's functions print.";
    let logs = operation(print, "application/x-ndjson", &reference("LogLine"), &log_problems);
    json!({
        "/": { "get": operation("This page.", "text/html", &text, &[]) },
        "/healthz": { "get": operation("Whether the node runs.", JSON, &object, &[]) },
        "/readyz": { "get": operation("Whether the node sees the ledger move.", JSON, &object, &[503]) },
        "/metrics": { "get": operation("Counters for Prometheus.", "text/plain", &text, &[]) },
        "/api/v1/openapi.json": { "get": operation("Description of all routes.", JSON, &object, &[]) },
        "/api/v1/apps/{name}": { "parameters": [name], "get": app },
        "/api/v1/apps/{name}/logs": { "parameters": [name, lines, follow], "get": logs }
    })
}

const JSON: &str = "application/json";

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn operation(summary: &str, media_type: &str, schema: &Value, problems: &[u16]) -> Value {
    let mut operation = json!({
        "summary": summary,
        "responses": { "200": { "description": "OK", "content": { media_type: { "schema": schema } } } }
    });
    let content = json!({ "application/problem+json": { "schema": reference("Problem") } });
    let problem = json!({ "description": "Refused", "content": content });
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.extend(problems.iter().map(|status| (status.to_string(), problem.clone())));
    }
    operation
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn problem() -> Value {
    json!({
        "type": "object", "required": ["title", "status", "code", "detail", "hint"],
        "properties": {
            "title": text(), "status": { "type": "integer" }, "detail": text(), "hint": text(),
            "code": { "type": "string", "pattern": "^NX[0-9]{4}$" }
        }
    })
}

fn app() -> Value {
    json!({
        "type": "object", "required": ["name", "recordCid", "record"],
        "properties": { "name": text(), "recordCid": text(), "record": { "type": "object" } }
    })
}

fn log_line() -> Value {
    json!({
        "type": "object", "required": ["at_ms", "app", "function", "level", "text"],
        "properties": {
            "at_ms": { "type": "integer" }, "app": text(), "function": text(), "text": text(),
            "level": { "type": "string", "enum": ["debug", "info", "warn", "error"] }
        }
    })
}
