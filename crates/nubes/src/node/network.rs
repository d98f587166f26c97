//! Writes a new network: genesis, committee, and a folder for each node.
//!
//! Keys come from a trusted dealer on this machine. Key files are readable by their owner only.

use super::{
    config::{
        CommitteeFile, ExchangeFile, FILE_NAME, GatewayFile, NodeConfig, NodeFile, ValidatorFile, read_toml,
        write_toml,
    },
    provider::config::{LedgerFile, ProviderFile, ProviderNodeFile},
    storage::Engine,
};
use crate::failure::{Exit, Failure};
use alloy_primitives::{Address, hex};
use alloy_signer_local::PrivateKeySigner;
use nubes_consensus::{ValidatorKeys, deal_committee};
use nubes_ledger::Genesis;
use rand::{TryRng, rngs::SysRng};
use std::{
    fs,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const COMMITTEE_FILE: &str = "committee.toml";
const GENESIS_FILE: &str = "genesis.json";
const KEY_FILE: &str = "validator.key";
const PROVIDER_KEY_FILE: &str = "provider.key";

/// What a new network consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) validators: u8,
    pub(crate) providers: u8,
    /// How often providers prove possession.
    pub(crate) period_seconds: u64,
    /// What providers ask for 1 GiB and 30 days.
    pub(crate) dollars_per_gib_month: f64,
    pub(crate) ports: Ports,
}

/// Which ports the nodes of a network take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ports {
    /// `nubes dev`: the first node has the well-known ports around `base`, the others only validate.
    Development { base: u16 },
    /// `nubes network init`: every node has all services, ten ports apart.
    Spread { base: u16 },
}

/// Ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodePorts {
    pub(crate) listen: u16,
    pub(crate) rpc: u16,
    pub(crate) door: u16,
    /// For IPFS peers: TCP, and QUIC on the UDP port of the same number.
    pub(crate) exchange: u16,
    /// For IPFS peers in browsers: WebSocket.
    pub(crate) exchange_ws: u16,
    /// Whether the node has a front door and JSON-RPC at all.
    pub(crate) serves: bool,
}

impl Ports {
    /// 8080 -> 8545, the two ports that everybody expects.
    const RPC_DISTANCE: u16 = 465;
    /// 8080 -> 8120. Not 4001, which everybody expects: Kubo may run on the same machine.
    const EXCHANGE_DISTANCE: u16 = 40;
    /// 8080 -> 8130, and up.
    const PROVIDER_DISTANCE: u16 = 50;

    pub(crate) fn of(self, index: u16) -> Result<NodePorts, Failure> {
        let ports = match self {
            Self::Development { base } => (|| {
                let listen = base.checked_add(20)?.checked_add(index)?;
                Some(NodePorts {
                    listen,
                    rpc: base.checked_add(Self::RPC_DISTANCE)?,
                    door: base,
                    exchange: base.checked_add(Self::EXCHANGE_DISTANCE)?,
                    exchange_ws: base.checked_add(Self::EXCHANGE_DISTANCE + 1)?,
                    serves: index == 0,
                })
            })(),
            Self::Spread { base } => (|| {
                let first = base.checked_add(index.checked_mul(10)?)?;
                Some(NodePorts {
                    listen: first.checked_add(1)?,
                    rpc: first,
                    door: first.checked_add(2)?,
                    exchange: first.checked_add(3)?,
                    exchange_ws: first.checked_add(4)?,
                    serves: true,
                })
            })(),
        };
        ports.ok_or_else(ports_end)
    }

    /// Where provider `index` of a network with so many validators answers.
    fn provider_door(self, validators: u8, index: u16) -> Result<SocketAddr, Failure> {
        let port = match self {
            Self::Development { base } => base.checked_add(Self::PROVIDER_DISTANCE + index),
            Self::Spread { .. } => Some(self.of(u16::from(validators) + index)?.door),
        };
        port.map(loopback).ok_or_else(ports_end)
    }

    fn provider_file(self, validators: u8, index: u16, shape: &Shape) -> Result<ProviderNodeFile, Failure> {
        let rpc = (0..u16::from(validators)).map(|index| self.of(index));
        let rpc: Vec<NodePorts> = rpc.collect::<Result<_, _>>()?;
        let rpc =
            rpc.iter().filter(|ports| ports.serves).map(|ports| format!("http://{}", loopback(ports.rpc)));
        let name = provider_name(index);
        Ok(ProviderNodeFile {
            data: "data".into(),
            door: self.provider_door(validators, index)?,
            ledger: LedgerFile { rpc: rpc.collect() },
            provider: ProviderFile {
                key: PROVIDER_KEY_FILE.into(),
                uri: None,
                dollars_per_gib_month: shape.dollars_per_gib_month,
                stake_dollars: 1_000.0,
                capacity_gib: 1_024,
                piece_gib_max: 32,
                days_max: 3_650,
                period_seconds: shape.period_seconds,
                check_seconds: 86_400,
                region: "local".to_owned(),
                operator: name.clone(),
                repairs: true,
            },
            name,
        })
    }

    /// On a laptop all content is the developer's own, so nobody else fills the disk by asking for it.
    fn gateway(self, serves: bool) -> Option<GatewayFile> {
        let is_local = matches!(self, Self::Development { .. });
        (is_local && serves).then(|| GatewayFile { providers: Some(true), ..GatewayFile::default() })
    }

    fn file(self, index: u16) -> Result<NodeFile, Failure> {
        let ports = self.of(index)?;
        let exchange = ExchangeFile {
            tcp: Some(loopback(ports.exchange)),
            ws: Some(loopback(ports.exchange_ws)),
            quic: Some(loopback(ports.exchange)),
        };
        Ok(NodeFile {
            name: node_name(index),
            genesis: Path::new("..").join(GENESIS_FILE),
            committee: Path::new("..").join(COMMITTEE_FILE),
            keys: KEY_FILE.into(),
            data: "data".into(),
            listen: loopback(ports.listen),
            rpc: ports.serves.then(|| loopback(ports.rpc)),
            door: ports.serves.then(|| loopback(ports.door)),
            exchange: ports.serves.then_some(exchange),
            storage: None,
            gateway: self.gateway(ports.serves),
        })
    }
}

fn ports_end() -> Failure {
    Failure::new(1027, Exit::Usage, "the first port is too high: ports end at 65535")
}

/// Makes the network in `dir` and returns the nodes' folders, validators first.
pub(crate) fn init(dir: &Path, shape: &Shape) -> Result<Vec<PathBuf>, Failure> {
    let Shape { validators, ports, .. } = *shape;
    let empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if !empty {
        return Err(Failure::new(1013, Exit::Usage, format!("{} is not empty", dir.display())));
    }
    let mut seed = [0; 32];
    SysRng
        .try_fill_bytes(&mut seed)
        .map_err(|source| Failure::new(1023, Exit::Failure, "the system gives no entropy").because(source))?;
    let (committee, keys) = deal_committee(u32::from(validators), seed)
        .map_err(|source| Failure::new(1023, Exit::Failure, "the keys cannot be made").because(source))?;
    let mut nodes = Vec::new();
    let mut members = Vec::new();
    for (index, keys) in (0..).zip(&keys) {
        let file = ports.file(index)?;
        members.push(ValidatorFile { key: hex::encode(keys.identity().to_bytes()), address: file.listen });
        let node = dir.join(&file.name);
        write_node(&node, &file, keys)?;
        nodes.push(node);
    }
    let mut accounts = Vec::new();
    for index in 0..u16::from(shape.providers) {
        let file = ports.provider_file(validators, index, shape)?;
        let node = dir.join(&file.name);
        accounts.push(write_provider(&node, &file)?);
        nodes.push(node);
    }
    let genesis = Genesis::development_for(&accounts).to_json();
    let written = fs::write(dir.join(GENESIS_FILE), genesis);
    written.map_err(|source| {
        Failure::new(1023, Exit::Failure, "the genesis cannot be written").because(source)
    })?;
    // Last: a folder with this file is a whole network, see `reopen`.
    let public = hex::encode(committee.sharing_bytes());
    write_toml(&dir.join(COMMITTEE_FILE), &CommitteeFile { public, validators: members })?;
    Ok(nodes)
}

/// Whether `dir` holds a whole network; a folder whose making was cut short does not.
pub(crate) fn exists(dir: &Path) -> bool {
    dir.join(COMMITTEE_FILE).is_file()
}

/// The nodes of the development network in `dir`, moved to `base` if they were elsewhere.
pub(crate) fn reopen(dir: &Path, base: u16) -> Result<Vec<PathBuf>, Failure> {
    let mut committee: CommitteeFile = read_toml(&dir.join(COMMITTEE_FILE))?;
    let ports = Ports::Development { base };
    let mut nodes = Vec::new();
    for (index, member) in (0..).zip(&mut committee.validators) {
        let mut file = ports.file(index)?;
        member.address = file.listen;
        let node = dir.join(&file.name);
        let former = NodeConfig::read_file(&node)?;
        file.storage = former.storage;
        // A network from before there was one gets the new one.
        file.gateway = former.gateway.or(file.gateway);
        write_toml(&node.join(FILE_NAME), &file)?;
        nodes.push(node);
    }
    for index in 0.. {
        let node = dir.join(provider_name(index));
        if !node.is_dir() {
            break;
        }
        move_provider(&node, ports, (u8::try_from(committee.validators.len()).unwrap_or(u8::MAX), index))?;
        nodes.push(node);
    }
    write_toml(&dir.join(COMMITTEE_FILE), &committee)?;
    Ok(nodes)
}

/// Has a node keep its blocks elsewhere. What it has stays where it is.
pub(crate) fn keep_in(dir: &Path, engine: &Engine) -> Result<(), Failure> {
    let mut file = NodeConfig::read_file(dir)?;
    let storage = file.storage.get_or_insert_default();
    storage.engine = Some(engine.clone());
    write_toml(&dir.join(FILE_NAME), &file)
}

/// A provider keeps what its file says of the offer; where it answers and where the ledger is may change.
fn move_provider(dir: &Path, ports: Ports, (validators, index): (u8, u16)) -> Result<(), Failure> {
    let path = dir.join(FILE_NAME);
    let mut file: ProviderNodeFile = read_toml(&path)?;
    let shape = Shape { validators, providers: 0, period_seconds: 0, dollars_per_gib_month: 0.0, ports };
    let moved = ports.provider_file(validators, index, &shape)?;
    (file.door, file.ledger) = (moved.door, moved.ledger);
    write_toml(&path, &file)
}

fn write_node(dir: &Path, file: &NodeFile, keys: &ValidatorKeys) -> Result<(), Failure> {
    write_secret(dir, KEY_FILE, &hex::encode(keys.to_secret_bytes()))?;
    write_toml(&dir.join(FILE_NAME), file)
}

/// Makes a key, and returns its account.
fn write_provider(dir: &Path, file: &ProviderNodeFile) -> Result<Address, Failure> {
    let signer = PrivateKeySigner::random();
    write_secret(dir, PROVIDER_KEY_FILE, &hex::encode(signer.to_bytes()))?;
    write_toml(&dir.join(FILE_NAME), file)?;
    Ok(signer.address())
}

fn write_secret(dir: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let refuse = |source: std::io::Error| {
        Failure::new(1023, Exit::Failure, format!("cannot write {}", dir.display())).because(source)
    };
    fs::create_dir_all(dir).map_err(refuse)?;
    let secret = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name));
    secret.and_then(|mut secret| secret.write_all(text.as_bytes())).map_err(refuse)
}

/// Reads a validator's secrets. Errors never quote the file's content.
pub(crate) fn read_keys(path: &Path) -> Result<ValidatorKeys, Failure> {
    let refuse = || Failure::new(1014, Exit::Denied, format!("{} holds no validator key", path.display()));
    let text = fs::read_to_string(path).map_err(|source| refuse().because(source))?;
    let bytes = hex::decode(text.trim()).map_err(|_| refuse())?;
    ValidatorKeys::from_secret_bytes(&bytes).map_err(|_| refuse())
}

fn node_name(index: u16) -> String {
    format!("v{index}")
}

fn provider_name(index: u16) -> String {
    format!("p{index}")
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::{NodePorts, Ports, Shape, exists, init, read_keys, reopen};
    use crate::node::{config::NodeConfig, provider::config::ProviderConfig, running::is_provider};
    use std::os::unix::fs::PermissionsExt;

    const fn shape(validators: u8, providers: u8, ports: Ports) -> Shape {
        Shape { validators, providers, period_seconds: 60, dollars_per_gib_month: 0.01, ports }
    }

    #[test]
    fn development_ports_are_the_well_known_ones() {
        let ports = Ports::Development { base: 8080 };
        let expected = NodePorts {
            listen: 8100,
            rpc: 8545,
            door: 8080,
            exchange: 8120,
            exchange_ws: 8121,
            serves: true,
        };
        assert_eq!(ports.of(0).unwrap(), expected);
        assert!(!ports.of(3).unwrap().serves);
        assert!(Ports::Development { base: 65_500 }.of(0).is_err());
        assert!(Ports::Spread { base: 65_530 }.of(1).is_err());
    }

    #[test]
    fn a_network_is_written_once_and_keys_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let nodes = init(&net, &shape(4, 0, Ports::Spread { base: 18_000 })).unwrap();
        assert!(exists(&net));
        assert_eq!(nodes.len(), 4);
        let key = nodes[0].join("validator.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        read_keys(&key).unwrap();
        assert_eq!(
            init(&net, &shape(4, 0, Ports::Spread { base: 18_000 })).unwrap_err().error_code().to_string(),
            "NX1013"
        );
    }

    #[test]
    fn a_network_moves_to_other_ports() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        init(&net, &shape(2, 0, Ports::Development { base: 8080 })).unwrap();
        let nodes = reopen(&net, 9080).unwrap();
        let config = NodeConfig::read(&nodes[0]).unwrap();
        assert_eq!(config.file.door.unwrap().port(), 9080);
        assert_eq!(config.file.rpc.unwrap().port(), 9545);
        assert_eq!(config.file.exchange.unwrap().ws.unwrap().port(), 9121);
        assert!(NodeConfig::read(&nodes[1]).unwrap().file.exchange.is_none());
    }

    #[test]
    fn providers_have_keys_and_ports_of_their_own_and_move_along() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let nodes = init(&net, &shape(1, 2, Ports::Development { base: 8080 })).unwrap();
        let read = |index: usize| ProviderConfig::read(&nodes[index]).unwrap().file;
        assert_eq!((read(1).door.port(), read(2).door.port()), (8130, 8131));
        assert_eq!(read(2).ledger.rpc, ["http://127.0.0.1:8545"]);
        let key = nodes[1].join("provider.key");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(std::fs::read(key).unwrap(), std::fs::read(nodes[2].join("provider.key")).unwrap());
        assert_eq!(reopen(&net, 9080).unwrap(), nodes);
        assert_eq!((read(1).door.port(), read(1).provider.operator), (9130, "p0".to_owned()));
        assert_eq!(read(1).ledger.rpc, ["http://127.0.0.1:9545"]);
        assert!(is_provider(&nodes[1]).unwrap() && !is_provider(&nodes[0]).unwrap());
    }

    #[test]
    fn a_configuration_from_before_the_exchange_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let nodes = init(&net, &shape(1, 0, Ports::Spread { base: 18_000 })).unwrap();
        let path = nodes[0].join("node.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, _) = text.split_once("[exchange]").unwrap();
        std::fs::write(&path, before).unwrap();
        assert!(NodeConfig::read(&nodes[0]).unwrap().file.exchange.is_none());
        std::fs::write(&path, format!("{before}[exchange]\ntcp = \"127.0.0.1:18002\"\n")).unwrap();
        let taken = NodeConfig::read(&nodes[0]).unwrap_err();
        assert!(taken.to_string().contains("two services listen on 127.0.0.1:18002"), "{taken}");
        std::fs::write(&path, format!("{before}[exchange]\nudp = \"127.0.0.1:18003\"\n")).unwrap();
        NodeConfig::read(&nodes[0]).unwrap_err();
    }

    #[test]
    fn the_settings_of_the_block_store_are_read_strictly_and_move_along() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let nodes = init(&net, &shape(2, 0, Ports::Development { base: 8080 })).unwrap();
        let path = nodes[0].join("node.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let write = |storage: &str| std::fs::write(&path, format!("{text}\n[storage]\n{storage}\n")).unwrap();
        write("bytes_max = 1000000\nfree_bytes_min = 0\ncheck_days = 7");
        reopen(&net, 9080).unwrap();
        let storage = NodeConfig::read(&nodes[0]).unwrap().file.storage.unwrap();
        assert_eq!((storage.sizes().stored_bytes_max, storage.sizes().free_bytes_min), (1_000_000, 0));
        assert_eq!(storage.check_period().unwrap().as_secs(), 7 * 86_400);
        write("access_key_id = \"do not tell\"");
        for refused in [reopen(&net, 9080).map(drop), NodeConfig::read(&nodes[0]).map(drop)] {
            let said = refused.unwrap_err().to_json().to_string();
            assert!(said.contains("AWS_ACCESS_KEY_ID") && !said.contains("do not tell"), "{said}");
        }
        for wrong in ["bytes = 1", "check_days = 0", "bytes_max = -1", "bytes_max = \"1 GiB\""] {
            write(wrong);
            NodeConfig::read(&nodes[0]).unwrap_err();
        }
        let path = nodes[1].join("node.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n[storage]\ncheck_days = 7\n")).unwrap();
        let error = NodeConfig::read(&nodes[1]).unwrap_err();
        assert!(error.to_string().contains("`storage` needs `door`"), "{error}");
    }

    #[test]
    fn the_settings_of_the_gateway_move_along() {
        let dir = tempfile::tempdir().unwrap();
        let net = dir.path().join("net");
        let nodes = init(&net, &shape(1, 0, Ports::Development { base: 8080 })).unwrap();
        let path = nodes[0].join("node.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, _) = text.split_once("[gateway]").unwrap();
        std::fs::write(&path, before).unwrap();
        reopen(&net, 9080).unwrap();
        let gateway = || NodeConfig::read(&nodes[0]).unwrap().file.gateway.unwrap();
        assert_eq!((gateway().deny, gateway().providers), (None, Some(true)));
        std::fs::write(&path, format!("{before}\n[gateway]\ndeny = \"list\"\nproviders = false\n")).unwrap();
        reopen(&net, 9080).unwrap();
        assert_eq!(gateway().deny.as_deref(), Some("list".as_ref()));
        assert_eq!(gateway().providers, Some(false));
    }

    #[test]
    fn a_damaged_key_is_refused_without_quoting_it() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("validator.key");
        std::fs::write(&key, "c0ffee").unwrap();
        let failure = read_keys(&key).unwrap_err();
        assert!(!format!("{failure:?}").contains("c0ffee"));
    }
}
