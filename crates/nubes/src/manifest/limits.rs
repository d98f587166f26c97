//! Quantities with units, and route patterns.

use super::reader::Section;
use crate::failure::Failure;
use nubes_base::app::FunctionLimits;
use std::str::FromStr;

pub(super) const TIME_MS_DEFAULT: u64 = 10_000;
pub(super) const TIME_MS_MAX: u64 = 300_000;
pub(super) const MEMORY_BYTES_DEFAULT: u64 = 128 << 20;
pub(super) const MEMORY_BYTES_MAX: u64 = 512 << 20;
pub(super) const FUEL_DEFAULT: u64 = 10_000_000_000;
pub(super) const FUEL_MAX: u64 = 1_000_000_000_000;
const ROUTE_CHARS_MAX: usize = 256;

/// `[function.NAME.limits]`; what is not given has the default.
pub(super) fn read(section: Option<Section<'_>>) -> Result<FunctionLimits, Failure> {
    let mut limits =
        FunctionLimits { time_ms: TIME_MS_DEFAULT, memory_bytes: MEMORY_BYTES_DEFAULT, fuel: FUEL_DEFAULT };
    let Some(mut section) = section else { return Ok(limits) };
    if let Some(time) = section.parsed::<Time>("time")? {
        limits.time_ms = within(&section, "time", time.0, TIME_MS_MAX, "300s")?;
    }
    if let Some(memory) = section.parsed::<Memory>("memory")? {
        limits.memory_bytes = within(&section, "memory", memory.0, MEMORY_BYTES_MAX, "512MiB")?;
    }
    if let Some(fuel) = section.integer("fuel")? {
        limits.fuel = within(&section, "fuel", fuel, FUEL_MAX, "1000000000000")?;
    }
    section.finish()?;
    Ok(limits)
}

fn within(section: &Section<'_>, key: &str, value: u64, max: u64, max_text: &str) -> Result<u64, Failure> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    let what = format!("`{key}` is more than 0 and at most {max_text}");
    Err(section.refuse(1003, what, section.span_of(key), "out of range"))
}

/// A duration such as `250ms` or `30s`, in milliseconds.
struct Time(u64);

impl FromStr for Time {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        quantity(text, &[("ms", 1), ("s", 1_000), ("min", 60_000)]).map(Self)
    }
}

/// A size such as `64MiB`, in bytes.
struct Memory(u64);

impl FromStr for Memory {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        quantity(text, &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]).map(Self)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number and a unit, one of: {units}")]
pub(super) struct QuantityError {
    units: String,
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, QuantityError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
    let value =
        number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    value.ok_or_else(|| QuantityError {
        units: units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    })
}

/// A path under the app's host: exact, or a prefix that ends in `/*`.
pub(super) struct Route(String);

impl From<Route> for String {
    fn from(route: Route) -> Self {
        route.0
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RouteError {
    #[error("a route starts with /")]
    Relative,
    #[error("a route has at most {ROUTE_CHARS_MAX} characters")]
    Long,
    #[error("* stands only at the end, after a /")]
    Star,
    #[error("a route has no ?, # or spaces")]
    Character,
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        if !text.starts_with('/') {
            return Err(RouteError::Relative);
        }
        if text.len() > ROUTE_CHARS_MAX {
            return Err(RouteError::Long);
        }
        let fixed = text.strip_suffix("/*").unwrap_or(text);
        if fixed.contains('*') {
            return Err(RouteError::Star);
        }
        if text.contains(|c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control()) {
            return Err(RouteError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}
