//! A ledger that another node keeps, over its JSON-RPC: any EVM chain whose `finalized` blocks stay.
//!
//! What it answers is believed. Who does not trust the node runs one, or names several: the next one is asked when one
//! does not answer, and none of them is compared with the others.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256, hex, keccak256};
use alloy_rpc_types_eth::{Block, TransactionReceipt};
use async_trait::async_trait;
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use jsonrpsee::{
    core::client::{ClientT, Error as ClientError},
    core::traits::ToRpcParams,
    rpc_params,
    types::ErrorObjectOwned,
};
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use nubes_base::port::{CallError, FinalBlock, FinalReceipt, Ledger, Log, Prepared, SubmitError};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One answer takes at most this long; `submit` waits for finality, see [`crate::local::SUBMIT_WAIT`].
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the head is asked for.
const POLL_PERIOD: Duration = Duration::from_millis(400);
/// How long a stream waits after a node that did not answer.
const RETRY_PERIOD: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: u32 = 64 << 20;
/// `execution reverted`, and what EIP-7966 says when time runs out.
const REVERTED: i32 = 3;
const NOT_IN_TIME: i32 = 4;

/// Implements the port by JSON-RPC.
#[derive(Clone, Debug)]
pub struct RemoteLedger {
    nodes: Arc<[HttpClient]>,
    /// Which of them answered last.
    current: Arc<AtomicUsize>,
    /// The newest block that was heard of: where a new follower begins.
    seen: Arc<AtomicU64>,
}

/// Why there is no such ledger.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Name at least one.
    #[error("no JSON-RPC address is given")]
    NoAddress,
    /// Mend the address: `http://HOST:PORT`.
    #[error("`{url}` is no address of a JSON-RPC node")]
    Address {
        url: String,
        #[source]
        source: ClientError,
    },
    /// Start the node, or name another.
    #[error("no JSON-RPC node answers")]
    NoAnswer {
        #[source]
        source: ClientError,
    },
}

impl RemoteLedger {
    /// Asks for the head, so one of the nodes must answer.
    pub async fn connect<S: AsRef<str>>(urls: &[S]) -> Result<Self, RemoteError> {
        let build = |url: &S| {
            HttpClientBuilder::default()
                .request_timeout(REQUEST_TIMEOUT)
                .max_response_size(ANSWER_BYTES_MAX)
                .build(url)
                .map_err(|source| RemoteError::Address { url: url.as_ref().to_owned(), source })
        };
        let nodes: Arc<[HttpClient]> = urls.iter().map(build).collect::<Result<_, _>>()?;
        if nodes.is_empty() {
            return Err(RemoteError::NoAddress);
        }
        let ledger = Self { nodes, current: Arc::default(), seen: Arc::default() };
        ledger.head().await.map_err(|source| RemoteError::NoAnswer { source })?;
        Ok(ledger)
    }

    /// Asks the node that answered last, and the others in turn if it does not.
    async fn ask<T, P>(&self, method: &str, params: P) -> Result<T, ClientError>
    where
        T: DeserializeOwned,
        P: ToRpcParams + Send + Clone,
    {
        let first = self.current.load(Ordering::Relaxed);
        let mut last = None;
        for turn in 0..self.nodes.len() {
            let index = (first + turn) % self.nodes.len();
            let Some(node) = self.nodes.get(index) else { break };
            match node.request(method, params.clone()).await {
                Err(error @ (ClientError::Transport(_) | ClientError::RequestTimeout)) => last = Some(error),
                answer => {
                    self.current.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(last.unwrap_or(ClientError::RequestTimeout))
    }

    async fn read_block(&self, number: u64) -> Result<Option<FinalBlock>, ClientError> {
        let at = U64::from(number);
        let block: Option<Block<B256>> = self.ask("eth_getBlockByNumber", rpc_params![at, false]).await?;
        let Some(block) = block else { return Ok(None) };
        let header: Header = block.header.inner;
        let mut logs: Vec<alloy_rpc_types_eth::Log> = Vec::new();
        // Most blocks are empty, and their headers say so.
        if !header.logs_bloom.is_zero() {
            let filter = json!({ "blockHash": block.header.hash });
            logs = self.ask("eth_getLogs", rpc_params![filter]).await?;
        }
        let (timestamp, header) = (header.timestamp, Bytes::from(alloy_rlp::encode(&header)));
        if keccak256(&header) != block.header.hash {
            // A chain with other header fields: its blocks can be followed, its headers prove nothing.
            tracing::debug!(number, "the header does not hash to the block's hash");
        }
        let hash = block.header.hash;
        Ok(Some(FinalBlock { number, hash, timestamp, header, logs: logs.iter().map(event).collect() }))
    }

    async fn head(&self) -> Result<u64, ClientError> {
        let head = self.ask::<U64, _>("eth_blockNumber", rpc_params![]).await?.to();
        self.seen.fetch_max(head, Ordering::Relaxed);
        Ok(head)
    }

    /// Waits until block `number` is there.
    async fn await_block(&self, number: u64) -> FinalBlock {
        loop {
            let answer = match self.head().await {
                Ok(head) if head < number => {
                    tokio::time::sleep(POLL_PERIOD).await;
                    continue;
                }
                Ok(_) => self.read_block(number).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(Some(block)) => return block,
                // Another node answered, which is behind.
                Ok(None) => {}
                Err(error) => tracing::warn!(number, %error, "the ledger does not answer"),
            }
            tokio::time::sleep(RETRY_PERIOD).await;
        }
    }
}

#[async_trait]
impl Ledger for RemoteLedger {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, CallError> {
        let call = json!({ "to": to, "data": data });
        self.ask("eth_call", rpc_params![call, "latest"]).await.map_err(call_error)
    }

    async fn submit(&self, transaction: Bytes) -> Result<FinalReceipt, SubmitError> {
        let hash = keccak256(&transaction);
        let receipt: Result<TransactionReceipt, _> =
            self.ask("eth_sendRawTransactionSync", rpc_params![transaction]).await;
        let receipt = receipt.map_err(|error| submit_error(error, hash))?;
        let receipt = final_receipt(&receipt);
        self.seen.fetch_max(receipt.block, Ordering::Relaxed);
        Ok(receipt)
    }

    fn follow(&self) -> BoxStream<'static, FinalBlock> {
        let next = self.seen.load(Ordering::Relaxed) + 1;
        stream::unfold((self.clone(), next), |(ledger, next)| async move {
            Some((ledger.await_block(next).await, (ledger, next + 1)))
        })
        .boxed()
    }

    async fn block(&self, number: u64) -> Result<Option<FinalBlock>, CallError> {
        self.read_block(number).await.map_err(call_error)
    }

    async fn prepare(&self, from: Address, to: Address, data: Bytes) -> Result<Prepared, CallError> {
        let call = json!({ "from": from, "to": to, "data": data });
        let gas: U64 = self.ask("eth_estimateGas", rpc_params![call]).await.map_err(call_error)?;
        let nonce = self.ask::<U64, _>("eth_getTransactionCount", rpc_params![from, "pending"]);
        let nonce = nonce.await.map_err(call_error)?;
        let price: U128 = self.ask("eth_gasPrice", rpc_params![]).await.map_err(call_error)?;
        let chain: U64 = self.ask("eth_chainId", rpc_params![]).await.map_err(call_error)?;
        Ok(Prepared { chain_id: chain.to(), nonce: nonce.to(), gas: gas.to(), gas_price: price.to() })
    }
}

fn final_receipt(receipt: &TransactionReceipt) -> FinalReceipt {
    FinalReceipt {
        transaction: receipt.transaction_hash,
        block: receipt.block_number.unwrap_or_default(),
        success: receipt.status(),
        gas_used: receipt.gas_used,
        fee: U256::from(receipt.gas_used).saturating_mul(U256::from(receipt.effective_gas_price)),
        contract: receipt.contract_address,
        logs: receipt.logs().iter().map(event).collect(),
    }
}

fn event(log: &alloy_rpc_types_eth::Log) -> Log {
    Log { address: log.address(), topics: log.topics().to_vec(), data: log.data().data.clone() }
}

fn call_error(error: ClientError) -> CallError {
    match error {
        ClientError::Call(error) if error.code() == REVERTED => CallError::Reverted { data: reason(&error) },
        ClientError::Call(error) => CallError::Failed { what: error.message().to_owned() },
        source => CallError::Unreachable { source: Box::new(source) },
    }
}

fn reason(error: &ErrorObjectOwned) -> Bytes {
    let text = error.data().and_then(|data| serde_json::from_str::<String>(data.get()).ok());
    text.and_then(|text| hex::decode(text).ok()).unwrap_or_default().into()
}

fn submit_error(error: ClientError, transaction: B256) -> SubmitError {
    match error {
        ClientError::Call(error) if error.code() == NOT_IN_TIME => {
            let waited_ms = u64::try_from(crate::local::SUBMIT_WAIT.as_millis()).unwrap_or(u64::MAX);
            SubmitError::Pending { transaction, waited_ms }
        }
        ClientError::Call(error) => SubmitError::Refused { reason: error.message().to_owned() },
        source => SubmitError::Unreachable { source: Box::new(source) },
    }
}
