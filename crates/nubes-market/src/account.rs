//! Somebody who signs: one transaction after the other, each final before the next.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolCall, SolInterface};
use nubes_base::port::{CallError, FinalReceipt, Ledger, SubmitError};
use nubes_contracts::{
    FirstComeRegistrar, PayRails, PossessionProofs, ProviderRegistry, PublicResolver, RepairJobs,
    StorageDeals, TestDollar,
};
use std::{fmt, sync::Arc};
use tokio::sync::Mutex;

/// Headroom over the gas that was used when it was tried: the state may change until it is in a block.
const GAS_MARGIN_PERCENT: u64 = 30;
/// How often a transaction that the pool refused, after it ran well when it was tried, is made anew.
const ATTEMPTS_MAX: u32 = 4;

/// A key and the ledger that it acts on.
pub struct Account {
    ledger: Arc<dyn Ledger>,
    signer: PrivateKeySigner,
    // One transaction at a time, so that nonces follow each other; a task would have to be owned by somebody.
    order: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A contract says no. Nothing was sent.
    #[error("the contract refuses: {reason}")]
    Refused { reason: String },
    /// The ledger cannot run it, or does not answer. Nothing was sent.
    #[error("the transaction cannot be prepared")]
    Prepare {
        #[source]
        source: CallError,
    },
    /// It was sent. Read the ledger before it is sent again.
    #[error("the transaction is not final")]
    Submit {
        #[source]
        source: SubmitError,
    },
    /// The state changed between trying and executing. Its fee is spent, nothing else changed.
    #[error("transaction {transaction} reverted in block {block}")]
    Reverted { transaction: B256, block: u64 },
    /// The key cannot sign.
    #[error("the key cannot sign")]
    Sign {
        #[source]
        source: alloy_signer::Error,
    },
}

impl Account {
    pub fn new(ledger: Arc<dyn Ledger>, signer: PrivateKeySigner) -> Self {
        Self { ledger, signer, order: Mutex::new(()) }
    }

    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    pub const fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// An EIP-191-free signature of a digest, as contracts check it: `r`, `s`, `v`.
    pub fn sign(&self, digest: &B256) -> Result<Bytes, SendError> {
        let signature = self.signer.sign_hash_sync(digest).map_err(|source| SendError::Sign { source })?;
        Ok(Bytes::from(signature.as_bytes().to_vec()))
    }

    /// Calls a contract and waits until that is final.
    pub async fn send<C: SolCall>(&self, to: Address, call: &C) -> Result<FinalReceipt, SendError> {
        self.send_data(to, call.abi_encode().into()).await
    }

    /// The same with the call as bytes, which may also be creation code for a deployer.
    pub async fn send_data(&self, to: Address, input: Bytes) -> Result<FinalReceipt, SendError> {
        let _turn = self.order.lock().await;
        let mut attempt = 1;
        loop {
            let sent = self.send_once(to, input.clone()).await;
            // Somebody else with the same key took the nonce: a command beside a running provider.
            let is_race = matches!(&sent, Err(SendError::Submit { source: SubmitError::Refused { .. } }));
            if !is_race || attempt == ATTEMPTS_MAX {
                return sent;
            }
            attempt += 1;
        }
    }

    async fn send_once(&self, to: Address, input: Bytes) -> Result<FinalReceipt, SendError> {
        let prepared = self.ledger.prepare(self.address(), to, input.clone()).await;
        let prepared = prepared.map_err(|source| match source {
            CallError::Reverted { data } => SendError::Refused { reason: reason(&data) },
            source => SendError::Prepare { source },
        })?;
        let transaction = TxEip1559 {
            chain_id: prepared.chain_id,
            nonce: prepared.nonce,
            gas_limit: prepared.gas + prepared.gas / 100 * GAS_MARGIN_PERCENT,
            // Twice the price of now: the base fee may rise until it is in a block; the rest is not paid.
            max_fee_per_gas: prepared.gas_price.saturating_mul(2),
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: AccessList::default(),
            input,
        };
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash());
        let signature = signature.map_err(|source| SendError::Sign { source })?;
        let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
        let receipt = self.ledger.submit(raw.into()).await.map_err(|source| SendError::Submit { source })?;
        if !receipt.success {
            return Err(SendError::Reverted { transaction: receipt.transaction, block: receipt.block });
        }
        Ok(receipt)
    }
}

/// A contract's refusal in its own words, as far as its errors are known here.
pub(crate) fn reason(data: &[u8]) -> String {
    use alloy_sol_types::{Revert, SolError};
    fn of<E: SolInterface + fmt::Debug>(data: &[u8]) -> Option<String> {
        E::abi_decode(data).ok().map(|error| format!("{error:?}"))
    }
    Revert::abi_decode(data)
        .ok()
        .map(|revert| revert.reason)
        .or_else(|| of::<StorageDeals::StorageDealsErrors>(data))
        .or_else(|| of::<PossessionProofs::PossessionProofsErrors>(data))
        .or_else(|| of::<RepairJobs::RepairJobsErrors>(data))
        .or_else(|| of::<ProviderRegistry::ProviderRegistryErrors>(data))
        .or_else(|| of::<PayRails::PayRailsErrors>(data))
        .or_else(|| of::<TestDollar::TestDollarErrors>(data))
        .or_else(|| of::<FirstComeRegistrar::FirstComeRegistrarErrors>(data))
        .or_else(|| of::<PublicResolver::PublicResolverErrors>(data))
        .unwrap_or_else(|| format!("0x{}", alloy_primitives::hex::encode(data)))
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("address", &self.address()).finish_non_exhaustive()
    }
}
