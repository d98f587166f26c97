//! A network with storage providers, each a process of its own, and what the ledger says of them.

use crate::{NodeProcess, Rpc, free_port_base, nubes, nubes_json};
use alloy_primitives::{Address, Bytes, Log, LogData, U64, U256, address, hex};
use alloy_sol_types::{SolCall, SolEvent, sol};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

const TOKEN: Address = address!("4e75626573000000000000000000000000000003");
const REGISTRY: Address = address!("4e75626573000000000000000000000000000004");
const RAILS: Address = address!("4e75626573000000000000000000000000000005");
const JOBS: Address = address!("4e75626573000000000000000000000000000009");
/// Parts of a token unit.
const PARTS: u128 = 1_000_000_000_000_000_000;
/// Blocks of one `eth_getLogs`.
const LOG_BLOCKS: u64 = 5_000;
/// Longest wait for something that the ledger's clock brings.
const PATIENCE: Duration = Duration::from_mins(5);

sol! {
    function balanceOf(address account) returns (uint256);
    function booked() returns (uint256);
    struct RailAccount { uint256 funds; uint256 locked; uint256 rate; uint64 settledAt; }
    function accountOf(address token, address owner) returns (RailAccount account);
    function settle(uint256 railId, uint256 until) returns (uint256 paid, uint256 settledUpTo);

    event FaultExecuted(bytes32 indexed faultId, address indexed provider, uint256 indexed dealId, address source, uint8 kind, uint256 evidence, uint256 asked, uint256 slashed, address beneficiary);
    event JobOpened(uint256 indexed dealId, uint256 bounty);
    event JobTaken(uint256 indexed dealId, address indexed taker, uint256 replacementId, uint256 deposit, uint256 deadline);
    event JobDone(uint256 indexed dealId, address indexed taker, uint256 units);
    event Claimed(address indexed owner, uint256 units);
    event Deposited(address indexed token, address indexed owner, address indexed payer, uint256 units);
    event RailSettled(uint256 indexed railId, uint256 from, uint256 until, uint256 amount, string note);
    event PossessionProven(address indexed provider, uint256 indexed period);
    event DealStateChanged(uint256 indexed dealId, uint8 state);
}

/// Whether the long form was asked for: `cargo xtask soak`.
#[expect(clippy::disallowed_methods, reason = "the environment is how the long form is asked for")]
pub fn is_soak() -> bool {
    std::env::var("NUBES_SOAK").is_ok_and(|form| form == "full")
}

/// One validator and providers, as `nubes network init` makes them.
#[derive(Debug)]
pub struct Storage {
    pub dir: PathBuf,
    base: u16,
    validator: Option<NodeProcess>,
    providers: BTreeMap<usize, NodeProcess>,
}

impl Storage {
    /// Makes the network; `change` may edit the text of each provider's `node.toml`.
    pub async fn start(
        dir: &Path,
        (providers, period): (usize, &str),
        change: impl Fn(usize, String) -> String,
    ) -> Result<Self> {
        let base = free_port_base()?;
        let (count, port) = (providers.to_string(), base.to_string());
        let args =
            ["network", "init", "--validators", "1", "--providers", &count, "--period", period, "--price"];
        let made = nubes(dir, &[args.as_slice(), &["100000", "--port-base", &port]].concat()).await?;
        ensure!(made.status.success(), "{made:?}");
        let mut storage = Self { dir: dir.to_owned(), base, validator: None, providers: BTreeMap::new() };
        storage.validator = Some(NodeProcess::start(dir, &["node", "run", "net/v0"]).await?);
        for index in 0..providers {
            let path = storage.folder(index).join("node.toml");
            std::fs::write(&path, change(index, std::fs::read_to_string(&path)?))?;
            storage.run_provider(index).await?;
        }
        Ok(storage)
    }

    pub fn folder(&self, provider: usize) -> PathBuf {
        self.dir.join(format!("net/p{provider}"))
    }

    pub fn key(&self, provider: usize) -> String {
        self.folder(provider).join("provider.key").display().to_string()
    }

    pub async fn run_provider(&mut self, provider: usize) -> Result<()> {
        let folder = format!("net/p{provider}");
        let process = NodeProcess::start(&self.dir, &["node", "run", &folder]).await?;
        self.providers.insert(provider, process);
        Ok(())
    }

    /// `kill -9`.
    pub async fn kill_provider(&mut self, provider: usize) -> Result<()> {
        self.providers.remove(&provider).context("it does not run")?.kill().await
    }

    /// The address of a running provider's account.
    pub fn provider(&self, provider: usize) -> Result<Address> {
        let process = self.providers.get(&provider).context("it does not run")?;
        Ok(serde_json::from_value(process.ready["provider"].clone())?)
    }

    pub fn door(&self) -> String {
        format!("http://127.0.0.1:{}", self.base + 2)
    }

    pub fn ledger(&self) -> Ledger {
        Ledger { rpc: Rpc::new(&format!("http://127.0.0.1:{}", self.base)) }
    }

    /// A command that talks to this network.
    pub async fn run(&self, args: &[&str]) -> Result<Value> {
        nubes_json(&self.dir, &[args, &["--node", &self.door()]].concat()).await
    }

    /// The object's line of `nubes deal show`.
    pub async fn show(&self, cid: &str) -> Result<Value> {
        let shown = self.run(&["deal", "show", cid]).await?;
        Ok(shown["objects"][0].clone())
    }

    /// Looks at the object until it is as it should be.
    pub async fn wait(&self, cid: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let look = async {
            loop {
                let object = self.show(cid).await?;
                if holds(&object) {
                    return Ok(object);
                }
                self.next_block().await?;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.with_context(|| format!("never: {what}"))?
    }

    /// Waits for the ledger to go on.
    pub async fn next_block(&self) -> Result<()> {
        let rpc = self.ledger().rpc;
        rpc.reach(rpc.block_number().await? + 1).await?;
        Ok(())
    }

    pub async fn stop(self) -> Result<()> {
        for (_, process) in self.providers {
            process.stop().await?;
        }
        self.validator.context("it runs")?.stop().await
    }
}

/// What the ledger has, read without any code of the product.
#[derive(Debug)]
pub struct Ledger {
    pub rpc: Rpc,
}

impl Ledger {
    async fn call<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return> {
        let data = hex::encode_prefixed(call.abi_encode());
        let answer = self.rpc.call("eth_call", json!([{ "to": to, "data": data }, "latest"])).await?;
        let answer: Bytes = serde_json::from_value(answer)?;
        Ok(C::abi_decode_returns(&answer)?)
    }

    pub async fn dollars(&self, owner: Address) -> Result<U256> {
        self.call(TOKEN, balanceOfCall { account: owner }).await
    }

    /// Parts that an account has on the rails.
    pub async fn parts(&self, owner: Address) -> Result<U256> {
        Ok(self.call(RAILS, accountOfCall { token: TOKEN, owner }).await?.funds)
    }

    /// All events of one kind, from all contracts.
    pub async fn events<E: SolEvent>(&self) -> Result<Vec<E>> {
        let head = self.rpc.block_number().await?;
        let mut events = Vec::new();
        for from in (0..=head).step_by(usize::try_from(LOG_BLOCKS)?) {
            let to = head.min(from + LOG_BLOCKS - 1);
            let filter = json!([{
                "fromBlock": U64::from(from), "toBlock": U64::from(to), "topics": [E::SIGNATURE_HASH],
            }]);
            let logs = self.rpc.call("eth_getLogs", filter).await?;
            for log in logs.as_array().context("logs are a list")? {
                let topics = serde_json::from_value(log["topics"].clone())?;
                let data: Bytes = serde_json::from_value(log["data"].clone())?;
                let data = LogData::new(topics, data).context("at most four topics")?;
                let log = Log { address: serde_json::from_value(log["address"].clone())?, data };
                events.push(E::decode_log(&log)?.data);
            }
        }
        Ok(events)
    }

    /// Every unit of the token is where it should be: stakes in the registry, accounts on the rails, bounties, deposits
    /// and claims with the jobs.
    pub async fn check_books(&self, stakes: U256, owners: &[Address]) -> Result<()> {
        let registry = self.dollars(REGISTRY).await?;
        ensure!(registry == stakes, "the registry holds {registry}, the stakes are {stakes}");
        let mut parts = U256::ZERO;
        for owner in owners {
            parts += self.parts(*owner).await?;
        }
        let rails = self.dollars(RAILS).await? * U256::from(PARTS);
        ensure!(rails == parts, "the rails hold {rails} parts, the accounts are {parts}");
        let (jobs, booked) = (self.dollars(JOBS).await?, self.call(JOBS, bookedCall {}).await?);
        ensure!(jobs == booked, "the jobs hold {jobs} and have booked {booked}");
        Ok(())
    }
}
