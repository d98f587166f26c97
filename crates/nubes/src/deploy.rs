//! From a manifest to a running app: build, address the content, compare with the ledger, change it.

pub(crate) mod artifact;
pub(crate) mod build;
pub(crate) mod ledger;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod upload;
