//! What an app is made of, as it is stored: one JSON document whose CID the ledger holds.
//!
//! The ledger's record is the ENS text record [`RECORD_KEY`] of the app's name. Its value is the CID of an
//! [`AppRecord`]; whoever can read the ledger and the storage can run the app, nothing else is needed.

use alloy_primitives::Address;
use cid::Cid;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Key of the ENS text record that holds the CID of the app's [`AppRecord`].
pub const RECORD_KEY: &str = "nubes.app";
/// Key of the ENS text record that holds the CIDs of the app's former records, the newest first, apart by spaces.
pub const HISTORY_KEY: &str = "nubes.app.history";
/// Former records that are remembered.
pub const HISTORY_MAX: usize = 20;
/// Version written into every [`AppRecord`]; a reader refuses a version it does not know.
pub const RECORD_VERSION: u32 = 1;
/// An [`AppRecord`] longer than this is refused.
pub const RECORD_BYTES_MAX: u64 = 256 * 1024;
/// Longest app name: a DNS label.
pub const APP_NAME_CHARS_MAX: usize = 63;
/// Stands between a preview and its app. Neither has it in its own name, so there is one way to read a name.
pub const PREVIEW_SEPARATOR: &str = "--";
/// Browsers show a host that begins with `xn--` in another script (RFC 5890).
const ENCODED_LABEL: &str = "xn";

/// An app's name: a DNS label in lower case, so that it can be a host name. `APP` is the app itself, `PREVIEW--APP` a preview
/// of it; everything that is kept by name is kept apart for the two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

impl AppName {
    /// The name of an app itself. Refuses that of a preview.
    pub fn of_app(text: &str) -> Result<Self, AppNameError> {
        let name: Self = text.parse()?;
        if name.preview().is_some() { Err(AppNameError::Separator) } else { Ok(name) }
    }

    /// A preview of the same app.
    pub fn with_preview(&self, preview: &str) -> Result<Self, AppNameError> {
        format!("{preview}{PREVIEW_SEPARATOR}{}", self.app()).parse()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label of the app, whether this is a preview of it or not.
    pub fn app(&self) -> &str {
        self.0.split_once(PREVIEW_SEPARATOR).map_or(&self.0, |(_, app)| app)
    }

    /// The label of the preview; none if this is the app itself.
    pub fn preview(&self) -> Option<&str> {
        self.0.split_once(PREVIEW_SEPARATOR).map(|(preview, _)| preview)
    }

    /// The name on the ledger, below the top-level name: `APP` or `PREVIEW.APP`.
    pub fn on_ledger(&self) -> String {
        self.preview().map_or_else(|| self.0.clone(), |preview| format!("{preview}.{}", self.app()))
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, AppNameError> {
        if text.is_empty() || text.len() > APP_NAME_CHARS_MAX {
            return Err(AppNameError::Length { length: text.len() });
        }
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(AppNameError::Character { bad });
        }
        let (preview, app) = match text.split_once(PREVIEW_SEPARATOR) {
            Some((preview, app)) => (Some(preview), app),
            None => (None, text),
        };
        let is_bad = |label: &str| label.is_empty() || label.starts_with('-') || label.ends_with('-');
        if is_bad(app) || preview.is_some_and(is_bad) {
            return Err(AppNameError::Hyphen);
        }
        if app.contains(PREVIEW_SEPARATOR) {
            return Err(AppNameError::Separator);
        }
        if preview == Some(ENCODED_LABEL) {
            return Err(AppNameError::Encoded);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for AppName {
    type Error = AppNameError;

    fn try_from(text: String) -> Result<Self, AppNameError> {
        text.parse()
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

/// Why a text is not an app name. Choose another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppNameError {
    #[error("a name has 1 to {APP_NAME_CHARS_MAX} characters, this one has {length}")]
    Length { length: usize },
    #[error("`{bad}` is not allowed in a name; use a-z, 0-9 and -")]
    Character { bad: char },
    #[error("a name does not start or end with -")]
    Hyphen,
    #[error("`{PREVIEW_SEPARATOR}` stands once, between a preview and its app")]
    Separator,
    #[error("a name does not start with `{ENCODED_LABEL}--`, which browsers show in another script")]
    Encoded,
}

/// Everything that is needed to serve an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRecord {
    pub version: u32,
    pub name: AppName,
    /// Root of the site: a UnixFS directory.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "cid_text::option")]
    pub site: Option<Cid>,
    #[serde(default)]
    pub functions: BTreeMap<String, FunctionRecord>,
    /// Deployed contracts by their name in the manifest.
    #[serde(default)]
    pub contracts: BTreeMap<String, Address>,
}

/// One function: its code, where it answers, and its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRecord {
    pub code: FunctionCode,
    /// Path pattern under the app's host: exact, or a prefix ending in `/*`.
    pub route: String,
    /// Whether the function has the app's durable key-value state.
    #[serde(default)]
    pub state: bool,
    pub limits: FunctionLimits,
    /// Read by the function through `wasi:config` (JavaScript: `env`).
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FunctionCode {
    /// A `wasi:http/proxy` component.
    Component {
        #[serde(with = "cid_text")]
        cid: Cid,
    },
    /// JavaScript source with `export default { fetch(request, env) }`, run on the shared engine component.
    JavaScript {
        #[serde(with = "cid_text")]
        cid: Cid,
    },
}

impl FunctionCode {
    /// CID of the UnixFS file that holds the code.
    pub const fn cid(&self) -> &Cid {
        match self {
            Self::Component { cid } | Self::JavaScript { cid } => cid,
        }
    }
}

/// Hard limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionLimits {
    /// Wall clock, in milliseconds, waiting included.
    pub time_ms: u64,
    /// Linear memory of the instance, in bytes.
    pub memory_bytes: u64,
    /// Wasmtime fuel.
    pub fuel: u64,
}

mod cid_text {
    //! CIDs as their canonical text, not as IPLD links: the record is plain JSON.

    use cid::Cid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(cid: &Cid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(cid)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Cid::try_from(text.as_str()).map_err(D::Error::custom)
    }

    pub(super) mod option {
        use super::{Cid, Deserialize, Deserializer, Error, Serializer};

        #[expect(clippy::ref_option, reason = "serde's `with` calls it with a reference to the field")]
        pub(in super::super) fn serialize<S: Serializer>(
            cid: &Option<Cid>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match cid {
                Some(cid) => serializer.collect_str(cid),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Cid>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| Cid::try_from(text.as_str()).map_err(D::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests;
