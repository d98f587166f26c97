use super::{Manifest, schema};
use nubes_base::Code;
use std::path::Path;

const GUESTBOOK: &str = r#"[app]
name = "guestbook"

[site]
dir = "web"

[function.api]
source = "api/index.js"
route = "/api/*"
state = "kv"
limits = { time = "2s", memory = "64MiB" }
config = { greeting = "hello" }

[contract.guestbook]
artifact = "contracts/Guestbook.json"
"#;

fn parse(text: &str) -> Result<Manifest, crate::failure::Failure> {
    Manifest::parse(Path::new("/app"), text)
}

/// `bad` replaces `good` in the guestbook's manifest; the refusal has `code`, says `what` and points at `at`.
#[track_caller]
fn refused(good: &str, bad: &str, code: u16, what: &str, at: &str) {
    assert!(GUESTBOOK.contains(good), "{good}");
    let text = GUESTBOOK.replacen(good, bad, 1);
    let failure = parse(&text).unwrap_err();
    assert_eq!(failure.error_code(), Code::new(code), "{failure}");
    let json = failure.to_json();
    let said = format!("{failure} {}", json["error"]["help"]);
    assert!(said.contains(what), "{said}");
    let place = &json["error"]["at"];
    let start = usize::try_from(place["offset"].as_u64().unwrap()).unwrap();
    let end = start + usize::try_from(place["length"].as_u64().unwrap()).unwrap();
    assert_eq!(&text[start..end], at);
}

#[test]
fn the_guestbook_parses() {
    let manifest = parse(GUESTBOOK).unwrap();
    assert_eq!(manifest.name.as_str(), "guestbook");
    let api = &manifest.functions["api"];
    assert!(api.state);
    assert_eq!((api.limits.time_ms, api.limits.memory_bytes), (2_000, 64 << 20));
    assert_eq!(api.config["greeting"], "hello");
    assert_eq!(manifest.contracts["guestbook"].artifact.path, Path::new("contracts/Guestbook.json"));
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    refused("state = ", "stat = ", 1001, "did you mean `state`?", "stat");
    refused("[site]", "[sites]", 1001, "did you mean `site`?", "sites");
    refused("state = \"kv\"", "zzzz = 1", 1001, "known keys: ", "zzzz");
}

#[test]
fn a_wrong_type_is_refused_where_it_stands() {
    refused("\"web\"", "7", 1002, "`dir` takes a string, this is an integer", "7");
    refused("{ greeting = \"hello\" }", "{ greeting = 1 }", 1002, "`greeting` takes a string", "1");
    refused("{ time = \"2s\", memory = \"64MiB\" }", "true", 1002, "`limits` takes a table", "true");
}

#[test]
fn a_value_out_of_range_is_refused_where_it_stands() {
    refused("\"guestbook\"", "\"Guest Book\"", 1003, "is not allowed in a name", "\"Guest Book\"");
    refused(
        "\"guestbook\"",
        "\"fix--guestbook\"",
        1003,
        "between a preview and its app",
        "\"fix--guestbook\"",
    );
    refused("\"2s\"", "\"2 parsecs\"", 1003, "one of: ms, s, min", "\"2 parsecs\"");
    refused("\"2s\"", "\"301s\"", 1003, "at most 300s", "\"301s\"");
    refused("\"64MiB\"", "\"0MiB\"", 1003, "more than 0", "\"0MiB\"");
    refused("\"/api/*\"", "\"/a*b\"", 1003, "* stands only at the end", "\"/a*b\"");
    refused("\"kv\"", "\"sql\"", 1003, "`state` is one of: kv", "\"sql\"");
    refused("\"web\"", "\"../web\"", 1003, "inside the app's folder", "\"../web\"");
    refused("function.api", "function.API", 1003, "is no name for a function", "API");
}

#[test]
fn a_missing_key_is_named() {
    let failure = parse("[app]\n").unwrap_err();
    assert!(failure.to_string().contains("`name` is missing in [app]"), "{failure}");
    let failure = parse("").unwrap_err();
    assert!(failure.to_string().contains("[app] is missing"), "{failure}");
}

#[test]
fn text_that_is_not_toml_is_refused_at_its_place() {
    let failure = parse("[app\nname = 1").unwrap_err();
    assert_eq!(failure.error_code(), Code::new(1005));
    assert!(failure.to_json()["error"]["at"]["file"] == "nubes.toml");
}

#[test]
fn a_missing_file_is_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("nubes.toml"), GUESTBOOK).unwrap();
    let manifest = Manifest::find(dir.path()).unwrap();
    let failure = manifest.input(&manifest.site.as_ref().unwrap().dir).unwrap_err();
    assert_eq!(failure.error_code(), Code::new(1004));
    assert!(failure.to_string().contains("`web` does not exist"));
    assert!(!failure.to_json()["error"]["at"].is_null());
}

#[test]
fn the_schema_knows_every_section_of_the_parser() {
    let schema = schema::schema();
    let sections: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    let failure = parse("[app]\nname = \"a\"\n[zzzz]\n").unwrap_err();
    let help = failure.to_json()["error"]["help"].as_str().unwrap().to_owned();
    for section in sections {
        assert!(help.contains(&section), "{section} in {help}");
    }
}

#[test]
fn the_schema_closes_every_section() {
    let schema = schema::schema();
    for section in ["app", "site"] {
        assert_eq!(schema["properties"][section]["additionalProperties"], false);
    }
    for section in ["function", "contract"] {
        assert_eq!(schema["properties"][section]["additionalProperties"]["additionalProperties"], false);
    }
}
