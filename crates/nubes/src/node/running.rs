//! A node of whichever kind its folder says.

use super::{
    Node,
    config::{FILE_NAME, NodeConfig, read_toml},
    provider::{ProviderNode, config::ProviderConfig},
};
use crate::{cli::Names, failure::Failure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug)]
pub(crate) enum Running {
    Validator { config: Box<NodeConfig>, node: Box<Node> },
    Provider { name: String, node: ProviderNode },
}

/// Enough of `node.toml` to know what it is about.
#[derive(Deserialize)]
struct Kind {
    provider: Option<serde::de::IgnoredAny>,
}

/// Whether the folder is a provider's.
pub(crate) fn is_provider(dir: &Path) -> Result<bool, Failure> {
    Ok(read_toml::<Kind>(&dir.join(FILE_NAME))?.provider.is_some())
}

impl Running {
    pub(crate) async fn start(dir: &Path, names: &Names) -> Result<Self, Failure> {
        if is_provider(dir)? {
            let config = ProviderConfig::read(dir)?;
            let node = ProviderNode::start(&config).await?;
            return Ok(Self::Provider { name: config.file.name, node });
        }
        let config = Box::new(NodeConfig::read(dir)?);
        let node = Box::new(Node::start(&config, names).await?);
        Ok(Self::Validator { config, node })
    }

    /// What it says when it is ready: for a person and for a program.
    pub(crate) fn ready(&self) -> (String, Value) {
        match self {
            Self::Validator { config, node } => {
                let (file, peers) = (&config.file, node.exchange_addresses());
                let mut lines = vec![format!("{} is ready", file.name)];
                lines.extend(peers.iter().map(|address| format!("IPFS peers  {address}")));
                let value = json!({
                    "ready": true, "node": file.name, "rpc": file.rpc, "door": file.door, "exchange": peers,
                });
                (lines.join("\n"), value)
            }
            Self::Provider { name, node } => {
                let text = format!("{name} is ready\nprovider  {}  http://{}", node.address, node.door);
                (text, json!({ "ready": true, "node": name, "door": node.door, "provider": node.address }))
            }
        }
    }

    /// Resolves when a part of the node has failed. A provider has no part that fails for good: it tries again.
    pub(crate) async fn failed(&mut self) -> Failure {
        match self {
            Self::Validator { node, .. } => node.failed().await,
            Self::Provider { .. } => std::future::pending().await,
        }
    }

    pub(crate) async fn stop(self) {
        match self {
            Self::Validator { node, .. } => node.stop().await,
            Self::Provider { node, .. } => node.stop().await,
        }
    }
}
