use super::{AppName, AppNameError, AppRecord, FunctionCode, FunctionLimits, FunctionRecord, RECORD_VERSION};
use alloy_primitives::Address;
use cid::Cid;
use std::collections::BTreeMap;

#[track_caller]
fn check(text: &str, expect: Result<(), AppNameError>) {
    assert_eq!(text.parse::<AppName>().map(|_| ()), expect, "{text}");
}

#[test]
fn a_name_is_a_lower_case_dns_label() {
    check("guestbook", Ok(()));
    check("a-1", Ok(()));
    check("", Err(AppNameError::Length { length: 0 }));
    check(&"a".repeat(64), Err(AppNameError::Length { length: 64 }));
    check("Guest", Err(AppNameError::Character { bad: 'G' }));
    check("a.b", Err(AppNameError::Character { bad: '.' }));
    check("-a", Err(AppNameError::Hyphen));
    check("a-", Err(AppNameError::Hyphen));
}

#[test]
fn a_preview_stands_before_its_app() {
    check("fix--shop", Ok(()));
    check("v-2--my-shop", Ok(()));
    for text in ["--shop", "fix--", "fix---shop", "--"] {
        check(text, Err(AppNameError::Hyphen));
    }
    check("a--b--c", Err(AppNameError::Separator));
    check("xn--shop", Err(AppNameError::Encoded));
    check(&format!("{}--shop", "a".repeat(58)), Err(AppNameError::Length { length: 64 }));

    let shop = AppName::of_app("my-shop").unwrap();
    assert_eq!((shop.app(), shop.preview(), shop.on_ledger()), ("my-shop", None, "my-shop".to_owned()));
    let fix = shop.with_preview("fix").unwrap();
    assert_eq!((fix.as_str(), fix.app(), fix.preview()), ("fix--my-shop", "my-shop", Some("fix")));
    assert_eq!(fix.on_ledger(), "fix.my-shop");
    assert_eq!(fix.with_preview("other").unwrap().as_str(), "other--my-shop");
    assert_eq!(AppName::of_app("fix--shop"), Err(AppNameError::Separator));
    assert_eq!(shop.with_preview("a--b"), Err(AppNameError::Separator));
}

#[test]
fn a_record_survives_its_json() {
    let cid = Cid::try_from("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").unwrap();
    let function = FunctionRecord {
        code: FunctionCode::JavaScript { cid },
        route: "/api/*".into(),
        state: true,
        limits: FunctionLimits { time_ms: 1_000, memory_bytes: 1 << 26, fuel: 1 << 30 },
        config: BTreeMap::from([("greeting".into(), "hello".into())]),
    };
    let record = AppRecord {
        version: RECORD_VERSION,
        name: "guestbook".parse().unwrap(),
        site: Some(cid),
        functions: BTreeMap::from([("api".into(), function)]),
        contracts: BTreeMap::from([("guestbook".into(), Address::ZERO)]),
    };
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<AppRecord>(&json).unwrap(), record);
    assert!(json.contains("\"site\":\"bafkrei"), "{json}");
}

#[test]
fn an_unknown_field_is_refused() {
    let json = r#"{"version":1,"name":"a","sight":null}"#;
    let error = serde_json::from_str::<AppRecord>(json).unwrap_err().to_string();
    assert!(error.contains("sight"), "{error}");
}
