//! The option `timeout` that every call has: for how long its answer is waited for.

use super::error::RpcError;
use crate::query::Query;
use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::time::Duration;
use tokio::time;

/// A longer one is this one.
const TIMEOUT_MAX: Duration = Duration::from_hours(24);
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

pub(super) async fn keep(request: Request, next: Next) -> Response {
    let query = Query::of(request.uri()).unwrap_or_default();
    let Some(text) = query.first("timeout").filter(|text| !text.is_empty()) else {
        return next.run(request).await;
    };
    let Some(patience) = duration(text) else {
        return RpcError::client(format!("option timeout: `{text}` is no duration")).into_response();
    };
    let answered = time::timeout(patience, next.run(request)).await;
    // Kubo's words, by which clients know it.
    answered.unwrap_or_else(|_| RpcError::new("context deadline exceeded").into_response())
}

/// Reads what Go writes: `300ms`, `1m30s`, `1.5h`.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut whole) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, ms) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let ms = u32::try_from(ms).ok()?;
        let seconds = number.parse::<f64>().ok()? * f64::from(ms) / 1000.0;
        whole = whole.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after;
    }
    Some(whole.min(TIMEOUT_MAX))
}

#[cfg(test)]
mod tests {
    use super::{TIMEOUT_MAX, duration};
    use std::time::Duration;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Some(Duration::from_mins(90)));
        assert_eq!(duration("999999h"), Some(TIMEOUT_MAX));
        for bad in ["1", "s", "1 s", "-1s", "1y", "1s2", "1.2.3s", "1e400s", "é", "1é"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
