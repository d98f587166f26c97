use super::{APP_BYTES_MAX, APPS_MAX, FOLLOWER_LINES_MAX, LINE_BYTES_MAX, LINES_MAX, Logs};
use futures_util::{FutureExt, StreamExt};
use nubes_base::{
    AppName, Timestamp,
    port::{LogLevel, LogLine, LogSource},
};

fn app(name: &str) -> AppName {
    name.parse().unwrap()
}

fn line(app: &AppName, at: u64, text: impl Into<String>) -> LogLine {
    let at = Timestamp::from_unix_ms(at);
    LogLine { at, app: app.clone(), function: "f".to_owned(), level: LogLevel::Info, text: text.into() }
}

fn texts(logs: &Logs, app: &AppName) -> Vec<String> {
    logs.tail(app, usize::MAX).into_iter().map(|line| line.text).collect()
}

#[test]
fn the_tail_has_the_newest_lines_oldest_first() {
    let (logs, app) = (Logs::new(), app("a"));
    for at in 0..5 {
        logs.add(line(&app, at, at.to_string()));
    }
    let tail: Vec<_> = logs.tail(&app, 2).into_iter().map(|line| line.text).collect();
    assert_eq!(tail, ["3", "4"]);
    assert!(logs.tail(&app, 0).is_empty());
}

#[test]
fn old_lines_make_room() {
    let (logs, app) = (Logs::new(), app("a"));
    for at in 0..=LINES_MAX {
        logs.add(line(&app, 0, at.to_string()));
    }
    let kept = texts(&logs, &app);
    assert_eq!((kept.len(), kept[0].as_str()), (LINES_MAX, "1"));
    for _ in 0..=APP_BYTES_MAX / LINE_BYTES_MAX {
        logs.add(line(&app, 0, "x".repeat(LINE_BYTES_MAX)));
    }
    assert_eq!(texts(&logs, &app).len(), APP_BYTES_MAX / LINE_BYTES_MAX);
}

#[test]
fn a_long_line_is_cut_between_characters() {
    let (logs, app) = (Logs::new(), app("a"));
    logs.add(line(&app, 0, format!("x{}", "ü".repeat(LINE_BYTES_MAX))));
    assert_eq!(texts(&logs, &app)[0].len(), LINE_BYTES_MAX - 1);
}

#[test]
fn the_app_that_was_silent_longest_makes_room() {
    let logs = Logs::new();
    let name = |number: usize| app(&format!("a{number}"));
    for number in 0..APPS_MAX {
        logs.add(line(&name(number), 10, "old"));
    }
    logs.add(line(&name(7), 5, "older"));
    logs.add(line(&app("new"), 11, "new"));
    assert!(texts(&logs, &name(7)).is_empty());
    assert_eq!(texts(&logs, &name(8)), ["old"]);
    assert_eq!(texts(&logs, &app("new")), ["new"]);
}

#[test]
fn a_follower_sees_all_apps_from_now_on() {
    let logs = Logs::new();
    logs.add(line(&app("a"), 0, "before"));
    let mut follower = logs.follow();
    logs.add(line(&app("b"), 1, "after"));
    assert_eq!(follower.next().now_or_never().flatten().map(|line| line.text), Some("after".to_owned()));
    assert!(follower.next().now_or_never().is_none());
}

#[test]
fn a_follower_that_is_too_slow_goes_on_with_what_is_left() {
    let (logs, app) = (Logs::new(), app("a"));
    let mut follower = logs.follow();
    for at in 0..FOLLOWER_LINES_MAX + 2 {
        logs.add(line(&app, 0, at.to_string()));
    }
    assert_eq!(follower.next().now_or_never().flatten().map(|line| line.text), Some("2".to_owned()));
}
