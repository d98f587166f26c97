//! Signs transfers with the development accounts.

use crate::Rpc;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, Bytes, TxKind, U64, U256, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use anyhow::{Context, Result};
use serde_json::{Value, json};

const MNEMONIC: &str = "test test test test test test test test test test test junk";
const CHAIN_ID: u64 = 41_414;

/// One of the ten funded accounts.
#[derive(Debug)]
pub struct Wallet {
    signer: PrivateKeySigner,
}

impl Wallet {
    pub fn development(index: u32) -> Result<Self> {
        let signer = MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(index)?.build()?;
        Ok(Self { signer })
    }

    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// A plain transfer with every field that a test may want to get wrong.
    pub const fn transfer(nonce: u64, to: Address, value: U256) -> TxEip1559 {
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(to),
            value,
            access_list: AccessList(Vec::new()),
            input: Bytes::new(),
        }
    }

    pub fn sign(&self, transaction: TxEip1559) -> Result<String> {
        let signature = self.signer.sign_hash_sync(&transaction.signature_hash())?;
        Ok(hex::encode_prefixed(TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()))
    }

    pub async fn nonce(&self, rpc: &Rpc) -> Result<u64> {
        let nonce = rpc.call("eth_getTransactionCount", json!([self.address(), "pending"])).await?;
        Ok(serde_json::from_value::<U64>(nonce)?.to())
    }

    /// Sends one unit to `to` and waits until it is final; returns the receipt.
    pub async fn send(&self, rpc: &Rpc, to: Address) -> Result<Value> {
        let raw = self.sign(Self::transfer(self.nonce(rpc).await?, to, U256::from(1)))?;
        rpc.call("eth_sendRawTransactionSync", json!([raw])).await.context("not final")
    }
}
