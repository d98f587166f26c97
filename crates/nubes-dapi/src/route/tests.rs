use super::{
    FUNCTIONS_MAX, PATTERN_BYTES_MAX, PathError, Pattern, PatternError, RouteError, Routes, WELL_KNOWN_PATH,
    check_path,
};
use crate::tests::record;
use nubes_base::AppRecord;
use proptest::{prelude::any, prop_assert_eq, proptest};

fn app(routes: &[(&str, &str)]) -> AppRecord {
    record("shop", routes)
}

#[track_caller]
fn check(routes: &[(&str, &str)], expect: &[(&str, Option<&str>)]) {
    let routes = Routes::new(&app(routes), 0).unwrap();
    for (path, function) in expect {
        assert_eq!(routes.find(path).map(|function| function.name.as_str()), *function, "{path}");
    }
}

#[test]
fn an_exact_route_is_that_path_only() {
    check(
        &[("f", "/resize")],
        &[("/resize", Some("f")), ("/resize/", None), ("/resizer", None), ("/", None)],
    );
    check(&[("f", "/")], &[("/", Some("f")), ("/a", None)]);
}

#[test]
fn a_prefix_route_is_the_path_and_all_below() {
    check(
        &[("f", "/api/*")],
        &[("/api", Some("f")), ("/api/", Some("f")), ("/api/a/b", Some("f")), ("/apix", None)],
    );
    check(&[("f", "/*")], &[("/", Some("f")), ("/a", Some("f"))]);
}

#[test]
fn the_most_exact_route_wins() {
    let routes = [
        ("all", "/*"),
        ("api", "/api/*"),
        ("deep", "/api/v1/*"),
        ("one", "/api/v1/one"),
        ("api2", "/api2/*"),
    ];
    check(&routes, &[("/x", Some("all")), ("/api/x", Some("api")), ("/api/v1/x", Some("deep"))]);
    check(&routes, &[("/api/v1/one", Some("one")), ("/api/v1/one/x", Some("deep")), ("/api2", Some("api2"))]);
    check(&[("exact", "/a"), ("prefix", "/a/*")], &[("/a", Some("exact")), ("/a/", Some("prefix"))]);
}

#[test]
fn two_functions_cannot_have_one_route() {
    let error = Routes::new(&app(&[("a", "/x/*"), ("b", "/y"), ("c", "/x/*")]), 0).unwrap_err();
    let pattern = Pattern::Prefix("/x".into());
    assert_eq!(error, RouteError::Conflict { one: "a".into(), other: "c".into(), pattern });
}

#[test]
fn what_cannot_be_matched_is_no_pattern() {
    let pattern = |text: &str| text.parse::<Pattern>();
    for bad in ["", "api", "*", "api/*"] {
        assert_eq!(pattern(bad), Err(PatternError::Relative { pattern: bad.into() }));
    }
    for bad in ["/a*", "/*/a", "/a/*/b", "/**", "/a/**"] {
        assert_eq!(pattern(bad), Err(PatternError::Star { pattern: bad.into() }));
    }
    for bad in ["/a//b", "//", "/a/../b", "/.", "/a b", "/a?b", "/a#b", "/%61", "/ä", "//*"] {
        assert_eq!(pattern(bad), Err(PatternError::Segment { pattern: bad.into() }), "{bad}");
    }
    assert_eq!(pattern(WELL_KNOWN_PATH), Err(PatternError::Reserved));
    let long = format!("/{}", "a".repeat(PATTERN_BYTES_MAX));
    assert_eq!(pattern(&long), Err(PatternError::TooLong { bytes: PATTERN_BYTES_MAX + 1 }));
    assert!(pattern(long.split_at(PATTERN_BYTES_MAX).0).is_ok());
}

#[test]
fn an_app_has_a_limited_number_of_functions() {
    let names: Vec<_> = (0..=FUNCTIONS_MAX).map(|n| (format!("f{n}"), format!("/f{n}"))).collect();
    let routes: Vec<_> = names.iter().map(|(name, route)| (name.as_str(), route.as_str())).collect();
    assert_eq!(
        Routes::new(&app(&routes), 0).unwrap_err(),
        RouteError::TooMany { functions: FUNCTIONS_MAX + 1 }
    );
    assert!(Routes::new(&app(routes.split_last().unwrap().1), 0).is_ok());
}

#[test]
fn paths_that_can_be_read_in_two_ways_are_refused() {
    for good in
        ["/", "/a", "/a/", "/a//b", "/.a", "/a.b", "/...", "/%20", "/%C3%a4", "/.well-known/x", "/a%2Fb"]
    {
        assert_eq!(check_path(good), Ok(()), "{good}");
    }
    for dots in ["/.", "/..", "/a/../b", "/a/./", "/%2e", "/%2E.", "/a/.%2e/b"] {
        assert_eq!(check_path(dots), Err(PathError::DotSegment), "{dots}");
    }
    for escape in ["/%", "/a%2", "/%zz", "/%+1/a", "/100%"] {
        assert_eq!(check_path(escape), Err(PathError::Escape), "{escape}");
    }
    assert_eq!(check_path("/a%00"), Err(PathError::Zero));
    assert_eq!(check_path("*"), Err(PathError::Relative));
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _ = check_path(&text);
        let _ = text.parse::<Pattern>();
    }

    #[test]
    fn a_pattern_survives_its_text(text in "(/[a-z.]{1,5}){0,3}(/|/\\*)?") {
        if let Ok(pattern) = text.parse::<Pattern>() {
            prop_assert_eq!(pattern.to_string(), text);
        }
    }
}
