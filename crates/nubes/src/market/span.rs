//! Spans of time as people type them: `1y`, `30d`, `12h`, `90s`. A year has 365 days.

use std::{fmt, str::FromStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) seconds: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no span of time: write a number and s, m, h, d or y, such as 30d")]
pub(crate) struct SpanError {
    text: String,
}

const UNITS: [(char, u64); 5] = [('y', 31_536_000), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refuse = || SpanError { text: text.to_owned() };
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit)).ok_or_else(refuse)?;
        let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| refuse())?;
        Ok(Self { seconds: number.checked_mul(factor).ok_or_else(refuse)? })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.into_iter().find(|(_, factor)| self.seconds.is_multiple_of(*factor));
        let (unit, factor) = fits.unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.seconds / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn spans_are_read_and_shown() {
        for text in ["1y", "30d", "12h", "90s", "5m"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for wrong in ["", "d", "30", "-1d", "1.5h", "99999999999999999999d", "213503982334602d"] {
            wrong.parse::<Span>().unwrap_err();
        }
    }
}
