//! What one node is told: where its keys, data and peers are and where it listens.
//!
//! `node.toml` holds no secret; the validator's keys are in a file of their own, readable by their owner only.

use super::{dns, storage::StorageFile};
use crate::{
    cli::Names,
    failure::{Exit, Failure},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub(crate) const FILE_NAME: &str = "node.toml";

/// `node.toml`. Paths are relative to the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// Name in logs.
    pub(crate) name: String,
    pub(crate) genesis: PathBuf,
    pub(crate) committee: PathBuf,
    pub(crate) keys: PathBuf,
    pub(crate) data: PathBuf,
    /// Where other validators reach this one.
    pub(crate) listen: SocketAddr,
    /// JSON-RPC over HTTP and WebSocket; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rpc: Option<SocketAddr>,
    /// Front door: storage, functions and sites; absent: the node only validates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) door: Option<SocketAddr>,
    /// Where IPFS peers reach this node's storage; absent: it neither fetches from peers nor serves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<ExchangeFile>,
    /// What the block store may take and how often it is checked; absent: all of the disk but a reserve, and never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage: Option<StorageFile>,
    /// What the front door does not serve; absent: it serves what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<GatewayFile>,
}

/// `[exchange]`: one address for each transport; without any the node only dials.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExchangeFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tcp: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ws: Option<SocketAddr>,
    /// UDP, so it may have the number of a TCP port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quic: Option<SocketAddr>,
}

/// `[gateway]`: how the front door serves content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayFile {
    /// List of what is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deny: Option<PathBuf>,
    /// Who is asked for the links of domains that no map has: `system` or an address; absent: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dns: Option<dns::Server>,
    /// Whether content that is not here is read from the storage providers of its deals, and kept as a cache is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) providers: Option<bool>,
}

/// `committee.toml`: who validates, and the public part of their common key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommitteeFile {
    /// Public committee data as consensus encodes it, in hex.
    pub(crate) public: String,
    pub(crate) validators: Vec<ValidatorFile>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidatorFile {
    /// Ed25519 identity in hex.
    pub(crate) key: String,
    pub(crate) address: SocketAddr,
}

/// A node's folder and what its file says.
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    pub(crate) dir: PathBuf,
    pub(crate) file: NodeFile,
}

impl NodeConfig {
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let file = Self::read_file(dir)?;
        let config = Self { dir: dir.to_owned(), file };
        config.check()?;
        Ok(config)
    }

    /// The file alone; it says nothing that it may not say.
    pub(crate) fn read_file(dir: &Path) -> Result<NodeFile, Failure> {
        let path = dir.join(FILE_NAME);
        let file: NodeFile = read_toml(&path)?;
        if let Some(storage) = &file.storage {
            storage.check().map_err(|source| {
                Failure::new(1014, Exit::Usage, format!("{} is not valid", path.display())).because(source)
            })?;
        }
        Ok(file)
    }

    /// A path of the file, resolved.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }

    /// What was given when the node was started, and for the rest what the file says.
    pub(crate) fn names(&self, given: &Names) -> Names {
        let deny = self.file.gateway.as_ref().and_then(|gateway| gateway.deny.as_deref());
        let deny = given.deny.clone().or_else(|| deny.map(|deny| self.path(deny)));
        Names { deny, ..given.clone() }
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse =
            |what: String| Err(Failure::new(1014, Exit::Usage, format!("{}: {what}", self.dir.display())));
        let exchange = self.file.exchange.unwrap_or_default();
        let listens = [Some(self.file.listen), self.file.rpc, self.file.door, exchange.tcp, exchange.ws];
        let listens: Vec<_> = listens.into_iter().flatten().collect();
        for (index, address) in listens.iter().enumerate() {
            if listens.iter().skip(index + 1).any(|other| other == address) {
                return refuse(format!("two services listen on {address}"));
            }
        }
        if self.file.door.is_some() && self.file.rpc.is_none() {
            return refuse("`door` needs `rpc`: sites tell visitors where the ledger answers".to_owned());
        }
        if self.file.exchange.is_some() && self.file.door.is_none() {
            return refuse("`exchange` needs `door`: without it the node keeps no content".to_owned());
        }
        if self.file.storage.is_some() && self.file.door.is_none() {
            return refuse("`storage` needs `door`: without it the node keeps no content".to_owned());
        }
        Ok(())
    }
}

pub(crate) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| {
        Failure::new(1014, Exit::NotFound, format!("cannot read {}", path.display())).because(source)
    })?;
    toml_edit::de::from_str(&text).map_err(|source| {
        Failure::new(1014, Exit::Usage, format!("{} is not valid", path.display())).because(source)
    })
}

pub(crate) fn write_toml<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let text = toml_edit::ser::to_string_pretty(value).map_err(|source| {
        Failure::new(1023, Exit::Failure, format!("cannot write {}", path.display())).because(source)
    })?;
    std::fs::write(path, text).map_err(|source| {
        Failure::new(1023, Exit::Failure, format!("cannot write {}", path.display())).because(source)
    })
}

#[cfg(test)]
mod tests {
    use super::{NodeConfig, NodeFile};
    use crate::cli::Names;
    use std::path::{Path, PathBuf};

    #[track_caller]
    fn check(given: Option<&str>, section: &str, expect: Option<&str>) {
        let text = format!(
            "name = 'a'\ngenesis = 'g'\ncommittee = 'c'\nkeys = 'k'\ndata = 'd'\nlisten = '127.0.0.1:1'\n{section}"
        );
        let file: NodeFile = toml_edit::de::from_str(&text).unwrap();
        let config = NodeConfig { dir: "/node".into(), file };
        let given = Names { domains: Vec::new(), dnslink: None, deny: given.map(PathBuf::from) };
        assert_eq!(config.names(&given).deny.as_deref(), expect.map(Path::new));
    }

    #[test]
    fn the_deny_list_is_the_given_one_or_that_of_the_file() {
        check(None, "", None);
        check(None, "[gateway]\ndeny = 'list'", Some("/node/list"));
        check(None, "[gateway]\ndeny = '/etc/list'", Some("/etc/list"));
        check(Some("mine"), "[gateway]\ndeny = 'list'", Some("mine"));
    }
}
