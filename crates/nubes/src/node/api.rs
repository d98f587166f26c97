//! The description of what layers mount at the front door, for its `OpenAPI` document.
//!
//! `api.json` says it in short; this writes it out. What has a specification of its own is not said again: Kubo's RPC
//! (`/api/v0`), the Pinning Service API (`/psa`), delegated routing (`/routing/v1`).

use nubes_dapi::Mount;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const SHORT: &str = include_str!("api.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    summary: String,
    /// Names of parameters, and what each does.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// The media type.
    body: Option<String>,
    responses: BTreeMap<u16, Answer>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Object,
    Lines,
    Problem,
}

type Short = BTreeMap<String, BTreeMap<String, Call>>;

/// Each mount with the description of its paths.
pub(super) fn described(mounts: Vec<Mount>) -> Vec<Mount> {
    // A test reads it too; a node of which a description cannot be read is no worse for it.
    let short: Short = serde_json::from_str(SHORT).unwrap_or_default();
    let describe = |mount: Mount| {
        let own = short.iter().filter(|(path, _)| mount.covers(path));
        let paths: Map<String, Value> = own.map(|(path, calls)| (path.clone(), item(path, calls))).collect();
        if paths.is_empty() { mount } else { mount.described(Value::Object(paths)) }
    };
    mounts.into_iter().map(describe).collect()
}

fn item(path: &str, calls: &BTreeMap<String, Call>) -> Value {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let mut item: Map<String, Value> =
        calls.iter().map(|(method, call)| (method.clone(), operation(call))).collect();
    let in_path: Vec<Value> = in_path.collect();
    if !in_path.is_empty() {
        item.insert("parameters".to_owned(), in_path.into());
    }
    Value::Object(item)
}

fn operation(call: &Call) -> Value {
    let query = call.query.iter().map(
        |(name, what)| json!({ "name": name, "in": "query", "description": what, "schema": { "type": "string" } }),
    );
    let responses: Map<String, Value> =
        call.responses.iter().map(|(status, answer)| (status.to_string(), response(*answer))).collect();
    let mut operation = json!({
        "summary": call.summary, "parameters": query.collect::<Vec<_>>(), "responses": responses
    });
    if let Some(media_type) = &call.body {
        operation["requestBody"] = json!({ "required": true, "content": { media_type: {} } });
    }
    operation
}

fn response(answer: Answer) -> Value {
    let (what, media_type, schema) = match answer {
        Answer::Object => ("Done", "application/json", json!({ "type": "object" })),
        Answer::Lines => ("Under way", "application/x-ndjson", json!({ "type": "object" })),
        Answer::Problem => {
            ("Refused", "application/problem+json", json!({ "$ref": "#/components/schemas/Problem" }))
        }
    };
    json!({ "description": what, "content": { media_type: { "schema": schema } } })
}

#[cfg(test)]
mod tests {
    use super::{SHORT, Short};

    #[test]
    fn the_description_can_be_read() {
        let short: Short = serde_json::from_str(SHORT).unwrap();
        assert!(
            short
                .values()
                .flat_map(|calls| calls.values())
                .all(|call| call.responses.keys().any(|status| *status < 300))
        );
    }
}
