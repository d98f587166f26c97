//! The arguments and options of a call.

use super::error::RpcError;
use super::path::ContentPath;
use crate::query::Query;
use axum::extract::FromRequestParts;
use cid::Cid;
use http::request::Parts;

/// Arguments and options that one call may have.
const ARGUMENTS_MAX: usize = 1000;

/// Arguments are the values of `arg`, everything else is an option. Options that are not known are ignored, as in Kubo.
#[derive(Clone, Debug)]
pub(super) struct Args(Query);

impl<S: Sync> FromRequestParts<S> for Args {
    type Rejection = RpcError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RpcError> {
        let query = Query::of(&parts.uri).ok_or_else(|| RpcError::client("the query is not UTF-8"))?;
        if query.all("arg").count() > ARGUMENTS_MAX {
            return Err(RpcError::client(format!("more than {ARGUMENTS_MAX} arguments")));
        }
        Ok(Self(query))
    }
}

impl Args {
    /// All arguments; at least one.
    pub(super) fn arguments(&self, what: &str) -> Result<Vec<&str>, RpcError> {
        let arguments: Vec<&str> = self.0.all("arg").filter(|argument| !argument.is_empty()).collect();
        if arguments.is_empty() {
            return Err(RpcError::client(format!("argument \"{what}\" is required")));
        }
        Ok(arguments)
    }

    /// The first argument.
    pub(super) fn argument(&self, what: &str) -> Result<&str, RpcError> {
        self.arguments(what)?.first().copied().ok_or_else(|| RpcError::client("no argument"))
    }

    pub(super) fn path(&self) -> Result<ContentPath, RpcError> {
        ContentPath::parse(self.argument("ipfs-path")?)
    }

    pub(super) fn paths(&self) -> Result<Vec<ContentPath>, RpcError> {
        self.arguments("ipfs-path")?.into_iter().map(ContentPath::parse).collect()
    }

    /// The first argument as a CID, with or without `/ipfs/` in front.
    pub(super) fn cid(&self) -> Result<Cid, RpcError> {
        let path = ContentPath::parse(self.argument("cid")?)?;
        if path.names.is_empty() { Ok(path.root) } else { Err(RpcError::client("a CID has no path")) }
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.0.first(name).filter(|value| !value.is_empty())
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, RpcError> {
        match self.0.first(name) {
            None => Ok(default),
            Some("true" | "1" | "") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => {
                Err(RpcError::client(format!("option {name}: `{other}` is neither true nor false")))
            }
        }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, RpcError> {
        let Some(text) = self.option(name) else { return Ok(None) };
        let number = text.parse().ok();
        number
            .map(Some)
            .ok_or_else(|| RpcError::client(format!("option {name}: `{text}` is not such a number")))
    }

    /// Refuses a call that wants what the node does not do.
    pub(super) fn refuse_flags(&self, names: &[&str]) -> Result<(), RpcError> {
        for name in names {
            if self.flag(name, false)? {
                return Err(RpcError::unsupported(&format!("option {name}")));
            }
        }
        Ok(())
    }
}
