//! Error codes: `NX` and four digits, the same in the terminal, in HTTP problem documents and in `nubes explain`.
//!
//! Ranges: 1xxx command line and manifest, 2xxx ledger, 3xxx storage, 4xxx compute, 5xxx front door,
//! 6xxx market. A code is never
//! reused for another meaning.

mod cli;
mod compute;
mod dapi;
mod ledger;
mod market;
mod storage;

use std::{fmt, str::FromStr};

/// A stable name for one way in which something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// What `nubes explain` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub code: Code,
    /// What happened, one line.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl Code {
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u16 {
        self.0
    }

    /// The entry of the catalogue; every code that the product prints has one (tested).
    pub fn explanation(self) -> Option<&'static Explanation> {
        catalogue().find(|entry| entry.code == self)
    }
}

/// All explanations, by rising code.
pub fn catalogue() -> impl Iterator<Item = &'static Explanation> {
    [cli::ENTRIES, ledger::ENTRIES, storage::ENTRIES, compute::ENTRIES, dapi::ENTRIES, market::ENTRIES]
        .into_iter()
        .flatten()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NX{:04}", self.0)
    }
}

/// The text is not a code. Codes look like `NX1203`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an error code is NX and four digits, such as NX1203")]
pub struct CodeSyntaxError;

impl FromStr for Code {
    type Err = CodeSyntaxError;

    fn from_str(text: &str) -> Result<Self, CodeSyntaxError> {
        let digits = text.trim().to_ascii_uppercase();
        let digits = digits.strip_prefix("NX").ok_or(CodeSyntaxError)?;
        if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CodeSyntaxError);
        }
        digits.parse().map(Self).map_err(|_| CodeSyntaxError)
    }
}

const fn entry(number: u16, title: &'static str, cause: &'static str, fix: &'static str) -> Explanation {
    Explanation { code: Code(number), title, cause, fix }
}

#[cfg(test)]
mod tests {
    use super::{Code, catalogue};

    #[test]
    fn codes_rise_and_are_unique() {
        let codes: Vec<_> = catalogue().map(|entry| entry.code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    }

    #[test]
    fn a_code_survives_its_text() {
        for entry in catalogue() {
            assert_eq!(entry.code.to_string().parse::<Code>(), Ok(entry.code));
            assert!(entry.code.explanation().is_some());
        }
    }

    #[test]
    fn other_texts_are_no_codes() {
        for text in ["", "NX", "NX12", "NX12345", "XX1203", "NX+123"] {
            assert!(text.parse::<Code>().is_err(), "{text}");
        }
    }
}
