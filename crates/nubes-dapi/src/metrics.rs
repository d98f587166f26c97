//! Counters of the front door, in the text form of Prometheus.

use http::StatusCode;
use std::{
    array,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const STATUS_MIN: u16 = 100;
const STATUSES: usize = 900;

/// What answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Refused,
    Front,
    Function,
    Site,
    Content,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Refused, "refused"),
    (Kind::Front, "front"),
    (Kind::Function, "function"),
    (Kind::Site, "site"),
    (Kind::Content, "content"),
];

/// One counter for each kind and status: counting takes no lock and allocates nothing.
#[derive(Debug)]
pub(crate) struct Metrics {
    kinds: [Counters; KINDS.len()],
}

#[derive(Debug)]
struct Counters {
    statuses: Box<[AtomicU64]>,
    requests: AtomicU64,
    micros: AtomicU64,
}

impl Counters {
    fn new() -> Self {
        let statuses = (0..STATUSES).map(|_| AtomicU64::new(0)).collect();
        Self { statuses, requests: AtomicU64::new(0), micros: AtomicU64::new(0) }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { kinds: array::from_fn(|_| Counters::new()) }
    }

    pub(crate) fn count(&self, kind: Kind, status: StatusCode, took: Duration) {
        let Some(counters) = KINDS.iter().zip(&self.kinds).find_map(|((k, _), c)| (*k == kind).then_some(c))
        else {
            return;
        };
        let index = usize::from(status.as_u16().saturating_sub(STATUS_MIN));
        if let Some(counter) = counters.statuses.get(index) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        counters.requests.fetch_add(1, Ordering::Relaxed);
        counters.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The text for a scraper, without gauges of others.
    pub(crate) fn text(&self) -> String {
        let mut text = "# HELP nubes_door_requests_total Requests answered, by what answered and status.\n\
                        # TYPE nubes_door_requests_total counter\n"
            .to_owned();
        for ((_, kind), counters) in KINDS.iter().zip(&self.kinds) {
            for (status, counter) in (STATUS_MIN..).zip(&counters.statuses) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    line(
                        &mut text,
                        format_args!(
                            "nubes_door_requests_total{{target=\"{kind}\",status=\"{status}\"}} {count}"
                        ),
                    );
                }
            }
        }
        text.push_str(
            "# HELP nubes_door_request_seconds Time from a request's head to its response's head.\n\
             # TYPE nubes_door_request_seconds summary\n",
        );
        for ((_, kind), counters) in KINDS.iter().zip(&self.kinds) {
            let micros = counters.micros.load(Ordering::Relaxed);
            let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
            let count = counters.requests.load(Ordering::Relaxed);
            line(
                &mut text,
                format_args!("nubes_door_request_seconds_sum{{target=\"{kind}\"}} {seconds}.{rest:06}"),
            );
            line(&mut text, format_args!("nubes_door_request_seconds_count{{target=\"{kind}\"}} {count}"));
        }
        text
    }
}

/// Adds a gauge.
pub(crate) fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    line(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"));
}

fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{args}");
}
