//! `[storage]` of `node.toml`, and the block store that it describes.
//!
//! ```toml
//! [storage]
//! engine = "s3://BUCKET/PREFIX"        # absent, or "segments": files in the node's folder
//! endpoint = "https://s3.example.org"  # of a server that is not Amazon's
//! region = "eu-central-1"
//! ```
//!
//! The credentials of a bucket come from the process's environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and what else
//! Amazon's tools read), never from the file. Pins and records of names stay in the node's folder with either engine, and so
//! does the name by which the bucket knows its owner.

use crate::failure::{Exit, Failure};
use nubes_storage::{Config, Credentials, ObjectBlocks, OpenBucketError, OpenError, S3, Store};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use std::{fmt, fs, io, num::NonZeroU16, path::Path, str::FromStr, time::Duration};

/// Name in the node's folder of the file that says who the node is to its bucket.
const OWNER_FILE: &str = "bucket-owner";
const OWNER_BYTES: usize = 16;
/// What the names of buckets are made of, and how long they are.
const BUCKET_CHARS_MAX: usize = 255;
const PREFIX_CHARS_MAX: usize = 512;

/// `[storage]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorageFile {
    /// Where the blocks are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<Engine>,
    /// Of the bucket's server; absent: what the environment says, else Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// The block store's files are not longer than this, and what would make them longer is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_max: Option<u64>,
    /// As much of the disk stays free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) free_bytes_min: Option<u64>,
    /// Days between two checks of all blocks; the first one is ten minutes after the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) check_days: Option<NonZeroU16>,
    // Known so that they can be refused without being shown, as an unknown field would be.
    #[serde(default, skip_serializing, alias = "aws_access_key_id", alias = "access_key")]
    access_key_id: Option<IgnoredAny>,
    #[serde(
        default,
        skip_serializing,
        alias = "aws_secret_access_key",
        alias = "secret_key",
        alias = "secret"
    )]
    secret_access_key: Option<IgnoredAny>,
    #[serde(default, skip_serializing, alias = "aws_session_token", alias = "token")]
    session_token: Option<IgnoredAny>,
}

/// Where blocks are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Engine {
    Segments,
    Bucket { bucket: String, prefix: String },
}

/// The text names no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an engine is `segments` or `s3://BUCKET/PREFIX`")]
pub(crate) struct EngineError;

/// `[storage]` says what it may not say. No value is in the message, since it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StorageError {
    /// Move them, and change them where the file has been seen by others.
    #[error(
        "`[storage]` holds credentials: they do not belong into a file, set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY in the node's environment"
    )]
    Secret,
    #[error("`{key}` in `[storage]` is about a bucket, and `engine` names none")]
    NoBucket { key: &'static str },
    #[error(
        "`{key}` in `[storage]` is about segments, and `engine` names a bucket: its server has limits of its own"
    )]
    NoSegments { key: &'static str },
    #[error("`endpoint` in `[storage]` begins with neither https:// nor http://")]
    Endpoint,
}

impl FromStr for Engine {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        if text == "segments" {
            return Ok(Self::Segments);
        }
        let rest = text.strip_prefix("s3://").ok_or(EngineError)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_bucket = (1..=BUCKET_CHARS_MAX).contains(&bucket.len()) && bucket.chars().all(is_name);
        let is_part =
            |part: &str| !part.is_empty() && !matches!(part, "." | "..") && part.chars().all(is_name);
        let is_prefix =
            prefix.is_empty() || prefix.len() <= PREFIX_CHARS_MAX && prefix.split('/').all(is_part);
        let named = || Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        (is_bucket && is_prefix).then(named).ok_or(EngineError)
    }
}

impl TryFrom<String> for Engine {
    type Error = EngineError;

    fn try_from(text: String) -> Result<Self, EngineError> {
        text.parse()
    }
}

impl From<Engine> for String {
    fn from(engine: Engine) -> Self {
        engine.to_string()
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segments => f.write_str("segments"),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl StorageFile {
    /// Whether it contradicts itself or says what it may not say.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        if self.access_key_id.is_some() || self.secret_access_key.is_some() || self.session_token.is_some() {
            return Err(StorageError::Secret);
        }
        if let Some(endpoint) = &self.endpoint {
            let (scheme, rest) = endpoint.split_once("://").ok_or(StorageError::Endpoint)?;
            if !matches!(scheme, "http" | "https") {
                return Err(StorageError::Endpoint);
            }
            // `https://ID:SECRET@HOST`.
            if rest.contains('@') {
                return Err(StorageError::Secret);
            }
        }
        let is_bucket = matches!(self.engine, Some(Engine::Bucket { .. }));
        let of_bucket = [("endpoint", self.endpoint.is_some()), ("region", self.region.is_some())];
        let of_segments =
            [("bytes_max", self.bytes_max.is_some()), ("free_bytes_min", self.free_bytes_min.is_some())];
        let first =
            |keys: &[(&'static str, bool)]| keys.iter().find(|(_, is_set)| *is_set).map(|(key, _)| *key);
        match (is_bucket, first(&of_bucket), first(&of_segments)) {
            (false, Some(key), _) => Err(StorageError::NoBucket { key }),
            (true, _, Some(key)) => Err(StorageError::NoSegments { key }),
            _ => Ok(()),
        }
    }

    pub(crate) fn sizes(&self) -> Config {
        let standard = Config::STANDARD;
        Config {
            stored_bytes_max: self.bytes_max.unwrap_or(standard.stored_bytes_max),
            free_bytes_min: self.free_bytes_min.unwrap_or(standard.free_bytes_min),
            ..standard
        }
    }

    pub(crate) fn check_period(&self) -> Option<Duration> {
        self.check_days.map(|days| Duration::from_hours(24 * u64::from(days.get())))
    }

    /// Opens the store; `dir` holds the segments, or what is not in the bucket.
    pub(super) async fn open(&self, dir: &Path) -> Result<Store, Failure> {
        let Some(Engine::Bucket { bucket, prefix }) = &self.engine else {
            let (dir, sizes) = (dir.to_owned(), self.sizes());
            let store = tokio::task::spawn_blocking(move || Store::open(&dir, sizes)).await;
            let store = store
                .map_err(|source| Failure::new(1024, Exit::Failure, "opening stopped").because(source))?;
            return store.map_err(segments_failure);
        };
        let settings = S3 {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: bucket.clone(),
            prefix: prefix.clone(),
            credentials: Credentials::Environment,
        };
        let owner = owner(dir).map_err(|source| {
            let what = format!("{} cannot be used", dir.join(OWNER_FILE).display());
            Failure::new(3057, Exit::Failure, what).because(source)
        })?;
        let blocks = ObjectBlocks::open_s3(&settings, &owner).await.map_err(bucket_failure)?;
        Ok(Store::in_bucket(blocks.cached(Config::STANDARD.cache_bytes_max)))
    }
}

/// Who this node is to its bucket; made at the first start.
fn owner(dir: &Path) -> io::Result<String> {
    fs::create_dir_all(dir)?;
    let path = dir.join(OWNER_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let text = hex::encode(rand::random::<[u8; OWNER_BYTES]>());
    // Renamed, so that a crash leaves none or a whole one: with half of it the bucket would be another's.
    let draft = path.with_extension("new");
    fs::write(&draft, &text)?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(draft, path)?;
    Ok(text)
}

fn segments_failure(error: OpenError) -> Failure {
    let code = if matches!(error, OpenError::Locked { .. }) { 1012 } else { 3019 };
    Failure::new(code, Exit::Failure, "the block store cannot be opened").because(error)
}

fn bucket_failure(error: OpenBucketError) -> Failure {
    let (code, exit) = match error {
        OpenBucketError::Settings(_) => (1014, Exit::Usage),
        OpenBucketError::Missing { .. } => (3057, Exit::NotFound),
        OpenBucketError::Denied { .. } => (3057, Exit::Denied),
        OpenBucketError::Unreachable { .. } => (3057, Exit::Network),
        OpenBucketError::Owned { .. } => (3058, Exit::Failure),
    };
    Failure::new(code, exit, "the block store cannot be opened").because(error)
}

#[cfg(test)]
mod tests {
    use super::{Engine, StorageError, StorageFile, owner};

    #[track_caller]
    fn check(text: &str, expect: &Result<(), StorageError>) {
        let file: StorageFile = toml_edit::de::from_str(text).unwrap();
        assert_eq!(&file.check(), expect, "{text}");
    }

    #[test]
    fn credentials_are_refused_wherever_they_stand() {
        let bucket = "engine = 's3://b'\n";
        for name in
            ["access_key_id", "secret_access_key", "session_token", "aws_secret_access_key", "secret_key"]
        {
            check(&format!("{bucket}{name} = 'do not tell'"), &Err(StorageError::Secret));
        }
        check(&format!("{bucket}endpoint = 'https://id:do-not-tell@host'"), &Err(StorageError::Secret));
        assert!("s3://id:do-not-tell@b/p".parse::<Engine>().is_err());
    }

    #[test]
    fn settings_that_are_not_the_engines_are_refused() {
        check("", &Ok(()));
        check("engine = 'segments'\nbytes_max = 1\nfree_bytes_min = 0\ncheck_days = 1", &Ok(()));
        check("engine = 's3://b/p'\nendpoint = 'http://127.0.0.1:1'\nregion = 'r'\ncheck_days = 1", &Ok(()));
        check("region = 'r'", &Err(StorageError::NoBucket { key: "region" }));
        check("engine = 'segments'\nendpoint = 'http://h'", &Err(StorageError::NoBucket { key: "endpoint" }));
        check("engine = 's3://b'\nbytes_max = 1", &Err(StorageError::NoSegments { key: "bytes_max" }));
        check("engine = 's3://b'\nendpoint = 'ftp://h'", &Err(StorageError::Endpoint));
        check("engine = 's3://b'\nendpoint = 'h'", &Err(StorageError::Endpoint));
    }

    #[test]
    fn an_engine_is_read_as_it_is_written() {
        for text in ["segments", "s3://bucket", "s3://my-bucket.1/a/b"] {
            assert_eq!(text.parse::<Engine>().unwrap().to_string(), text);
        }
        assert_eq!("s3://b/".parse::<Engine>().unwrap().to_string(), "s3://b");
        for text in [
            "",
            "s3",
            "s3://",
            "s3:///p",
            "s3://b//p",
            "s3://b/../p",
            "s3://b/p?x",
            "gs://b",
            "s3://b c",
            "S3://b",
        ] {
            assert!(text.parse::<Engine>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_node_is_the_same_to_its_bucket_after_a_restart() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = owner(&one.path().join("storage")).unwrap();
        assert_eq!(first.len(), 32);
        assert_eq!(owner(&one.path().join("storage")).unwrap(), first);
        assert_ne!(owner(other.path()).unwrap(), first);
    }
}
