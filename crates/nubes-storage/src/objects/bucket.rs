//! A bucket, how it is reached, and whose it is.

use super::ObjectBlocks;
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};
use std::{fmt, sync::Arc, time::Duration};

/// A request is tried again so often, and so long, before the caller hears of it.
const RETRIES_MAX: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Name, below the prefix, of the object that says whose blocks these are.
const OWNER: &str = "owner";
/// Of the owner's object, as much is looked at.
const OWNER_BYTES_MAX: u64 = 256;

/// A bucket and how to reach it.
#[derive(Clone, Debug)]
pub struct S3 {
    /// `http://…` or `https://…` of a server that is not Amazon's; the bucket is the first part of the path then. None: what
    /// the environment says, else Amazon's.
    pub endpoint: Option<String>,
    /// None: what the environment says, else Amazon's first.
    pub region: Option<String>,
    pub bucket: String,
    /// Before the keys, so that a bucket can hold other things too; may be empty.
    pub prefix: String,
    pub credentials: Credentials,
}

/// By what the server knows who asks.
#[derive(Clone)]
pub enum Credentials {
    /// What the variables `AWS_…` of the process name, in the way of Amazon's own tools: a pair of keys, a token of the
    /// platform, or the machine's own role.
    Environment,
    Keys {
        access_key_id: String,
        secret_access_key: String,
    },
}

// The secret is not for logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Keys { access_key_id, secret_access_key: _ } => {
                f.debug_struct("Keys").field("access_key_id", access_key_id).finish_non_exhaustive()
            }
        }
    }
}

/// The settings of a bucket contradict themselves or the address is none.
#[derive(Debug, thiserror::Error)]
#[error("cannot use bucket {bucket}")]
pub struct S3Error {
    pub bucket: String,
    #[source]
    pub source: object_store::Error,
}

/// Why a bucket is not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenBucketError {
    #[error(transparent)]
    Settings(#[from] S3Error),
    /// Make it first.
    #[error("there is no bucket {bucket}")]
    Missing { bucket: String },
    /// Give other credentials, or give these the right to list, read, write and delete.
    #[error("the server of bucket {bucket} refuses these credentials")]
    Denied {
        bucket: String,
        #[source]
        source: object_store::Error,
    },
    /// Use another prefix. If the other node is gone for good, delete the object and start again.
    #[error("the blocks in bucket {bucket} are those of another node, which the object {key} names")]
    Owned { bucket: String, key: String },
    /// Nobody answers, or not as an S3 server does.
    #[error("the server of bucket {bucket} does not answer as it should")]
    Unreachable {
        bucket: String,
        #[source]
        source: object_store::Error,
    },
}

impl ObjectBlocks {
    /// Blocks in a bucket. Nothing is asked of the server yet.
    pub fn s3(settings: &S3) -> Result<Self, S3Error> {
        let refused = |source| S3Error { bucket: settings.bucket.clone(), source };
        Ok(Self::new(Arc::new(client(settings).map_err(refused)?), &settings.prefix))
    }

    /// Blocks in a bucket that is there, lets this node in, and is `owner`'s at this prefix; it is made so if it is nobody's.
    pub async fn open_s3(settings: &S3, owner: &str) -> Result<Self, OpenBucketError> {
        let blocks = Self::s3(settings)?;
        let bucket = || settings.bucket.clone();
        match blocks.claim(owner).await {
            Ok(true) => Ok(blocks),
            Ok(false) => {
                let key = blocks.prefix.clone().join(OWNER).to_string();
                Err(OpenBucketError::Owned { bucket: bucket(), key })
            }
            // A missing object is no error of `claim`, so what is missing is the bucket.
            Err(object_store::Error::NotFound { .. }) => Err(OpenBucketError::Missing { bucket: bucket() }),
            Err(
                source @ (object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }),
            ) => Err(OpenBucketError::Denied { bucket: bucket(), source }),
            Err(source) => Err(OpenBucketError::Unreachable { bucket: bucket(), source }),
        }
    }

    /// Whether the prefix is `owner`'s, after this at the latest.
    async fn claim(&self, owner: &str) -> Result<bool, object_store::Error> {
        let key = self.prefix.clone().join(OWNER);
        let text = owner.as_bytes().to_vec();
        match self.objects.put_opts(&key, text.into(), PutMode::Create.into()).await {
            Ok(_)
            | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(error) => return Err(error),
        }
        let found = self.objects.get(&key).await?;
        Ok(found.meta.size <= OWNER_BYTES_MAX && found.bytes().await? == owner.as_bytes())
    }
}

pub(super) fn client(settings: &S3) -> Result<AmazonS3, object_store::Error> {
    let retry =
        RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let builder = match &settings.credentials {
        Credentials::Environment => AmazonS3Builder::from_env(),
        Credentials::Keys { access_key_id, secret_access_key } => {
            AmazonS3Builder::new().with_access_key_id(access_key_id).with_secret_access_key(secret_access_key)
        }
    };
    let mut builder = builder.with_bucket_name(&settings.bucket).with_retry(retry);
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
    // Whoever writes http:// means it.
    if endpoint.starts_with("http://") {
        builder = builder.with_allow_http(true);
    }
    builder.build()
}
