//! Names on the ledger as a person types them: `shop`, `shop.nubes`, `fix.shop.nubes`.

use alloy_primitives::{B256, keccak256};
use nubes_base::app::PREVIEW_SEPARATOR;
use nubes_contracts::{TOP_LEVEL_NAME, node_of};
use std::{fmt, str::FromStr};

/// Longest label (RFC 1035).
const LABEL_CHARS_MAX: usize = 63;
/// Longest name, without the top-level name.
const NAME_CHARS_MAX: usize = 240;

/// One part of a name, between the dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label(String);

/// A name below the top-level name, which is not written in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerName(String);

/// Why a text is no name. Names are written in lower case, as the registry hashes them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LedgerNameError {
    #[error("`{label}` is no part of a name: use 1 to {LABEL_CHARS_MAX} of a-z, 0-9 and -, not - at an end")]
    Label { label: String },
    #[error("`{label}` has {PREVIEW_SEPARATOR}; the name of the preview PREVIEW--APP is PREVIEW.APP")]
    Preview { label: String },
    #[error("a name has at most {NAME_CHARS_MAX} characters, this one has {length}")]
    Length { length: usize },
}

impl Label {
    pub(crate) fn hash(&self) -> B256 {
        keccak256(&self.0)
    }
}

impl LedgerName {
    pub(crate) fn node(&self) -> B256 {
        node_of(&self.0)
    }

    /// The part right below the top-level name: that is what expires, with everything below it.
    pub(crate) fn registered(&self) -> Label {
        Label(self.0.rsplit('.').next().unwrap_or(&self.0).to_owned())
    }

    /// Whether the name was given by the registrar, and not by who has the name above it.
    pub(crate) fn is_registered(&self) -> bool {
        !self.0.contains('.')
    }

    pub(crate) fn below(&self, label: &Label) -> Self {
        Self(format!("{}.{}", label.0, self.0))
    }
}

impl FromStr for Label {
    type Err = LedgerNameError;

    fn from_str(text: &str) -> Result<Self, LedgerNameError> {
        let label = || text.chars().take(LABEL_CHARS_MAX).collect();
        let is_known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_long = text.is_empty() || LABEL_CHARS_MAX < text.len();
        if is_long || text.starts_with('-') || text.ends_with('-') || !text.bytes().all(is_known) {
            return Err(LedgerNameError::Label { label: label() });
        }
        if text.contains(PREVIEW_SEPARATOR) {
            return Err(LedgerNameError::Preview { label: label() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for LedgerName {
    type Err = LedgerNameError;

    fn from_str(text: &str) -> Result<Self, LedgerNameError> {
        let name = text.strip_suffix(TOP_LEVEL_NAME).and_then(|rest| rest.strip_suffix('.')).unwrap_or(text);
        if NAME_CHARS_MAX < name.len() {
            return Err(LedgerNameError::Length { length: name.len() });
        }
        name.split('.').try_for_each(|label| label.parse::<Label>().map(|_| ()))?;
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for LedgerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{TOP_LEVEL_NAME}", self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{LedgerName, LedgerNameError};
    use nubes_contracts::namehash;

    #[track_caller]
    fn check(text: &str, expect: &str, registered: &str) {
        let name: LedgerName = text.parse().unwrap();
        assert_eq!((name.to_string().as_str(), name.node()), (expect, namehash(expect)), "{text}");
        assert_eq!(name.registered().to_string(), registered);
        assert_eq!(name.is_registered(), expect == format!("{registered}.nubes"));
    }

    #[test]
    fn the_top_level_name_may_be_left_out() {
        check("shop", "shop.nubes", "shop");
        check("shop.nubes", "shop.nubes", "shop");
        check("fix.shop", "fix.shop.nubes", "shop");
        check("a.b.shop.nubes", "a.b.shop.nubes", "shop");
        check("nubes", "nubes.nubes", "nubes");
        check("nubes.nubes", "nubes.nubes", "nubes");
        let name: LedgerName = "shop".parse().unwrap();
        assert_eq!(name.below(&"fix".parse().unwrap()), "fix.shop".parse().unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".nubes", "Shop", "a b", "a..b", "-a", "a-.b", "ä", &"a".repeat(64)] {
            let error = text.parse::<LedgerName>().unwrap_err();
            assert!(matches!(error, LedgerNameError::Label { .. }), "{text}: {error:?}");
        }
        let label = "fix--shop".to_owned();
        assert_eq!("fix--shop.nubes".parse::<LedgerName>(), Err(LedgerNameError::Preview { label }));
        let long = ["a"; 121].join(".");
        assert_eq!(long.parse::<LedgerName>(), Err(LedgerNameError::Length { length: 241 }));
    }
}
