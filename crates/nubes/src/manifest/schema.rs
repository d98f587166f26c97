//! JSON Schema of `nubes.toml`, for editors (`nubes schema`).

use super::limits;
use serde_json::{Value, json};

/// Version of the manifest's format.
pub(crate) const VERSION: u32 = 1;

/// Draft 2020-12, closed: a key that the parser refuses, the schema refuses too (tested).
pub(crate) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nubes.toml",
        "description": format!("Manifest of a Nubes app, version {VERSION}"),
        "type": "object",
        "required": ["app"],
        "additionalProperties": false,
        "properties": {
            "app": object(&["name"], &json!({
                "name": { "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 63, "description": "Name on the ledger and in the host name." },
            })),
            "site": object(&["dir"], &json!({
                "dir": path("Folder whose files are the site."),
                "build": build(),
            })),
            "function": named(&object(&["source", "route"], &json!({
                "source": path("A wasi:http component (.wasm) or a JavaScript file (.js, .mjs)."),
                "build": build(),
                "route": { "type": "string", "pattern": "^/", "description": "Exact path, or a prefix that ends in /*." },
                "state": { "enum": ["kv"], "description": "Durable key-value state, transactional per request." },
                "limits": object(&[], &json!({
                    "time": { "type": "string", "description": format!("Wall clock of one request; default {} ms, at most {} ms.", limits::TIME_MS_DEFAULT, limits::TIME_MS_MAX) },
                    "memory": { "type": "string", "description": format!("Default {} bytes, at most {} bytes.", limits::MEMORY_BYTES_DEFAULT, limits::MEMORY_BYTES_MAX) },
                    "fuel": { "type": "integer", "minimum": 1, "maximum": limits::FUEL_MAX, "default": limits::FUEL_DEFAULT },
                })),
                "config": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Values the function reads." },
            }))),
            "contract": named(&object(&["artifact"], &json!({
                "artifact": path("JSON written by forge, hardhat or solc."),
                "build": build(),
            }))),
        },
    })
}

fn object(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

fn named(item: &Value) -> Value {
    json!({ "type": "object", "propertyNames": { "pattern": "^[a-z0-9-]{1,63}$" }, "additionalProperties": item })
}

fn path(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn build() -> Value {
    json!({ "type": "string", "description": "Shell command that makes the files, run in the app's folder." })
}
