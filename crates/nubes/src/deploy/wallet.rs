//! Signs and sends the transactions of a deployment, one after the other, each final before the next.

use crate::{
    client::{Client, NodeInfo, Receipt},
    failure::{Exit, Failure},
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind, U64, U256, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use serde_json::json;
use std::path::Path;

/// The mnemonic that every Ethereum development tool uses. Its keys are public: funded on development chains only.
pub(crate) const DEVELOPMENT_MNEMONIC: &str = "test test test test test test test test test test test junk";
/// Headroom over the estimate, in percent: the state may change between estimate and execution.
const GAS_MARGIN_PERCENT: u64 = 25;

#[derive(Debug)]
pub(crate) struct Wallet {
    signer: PrivateKeySigner,
}

impl Wallet {
    /// The key in `file`, or the first development account if the chain funds it.
    pub(crate) fn open(file: Option<&Path>, node: &NodeInfo) -> Result<Self, Failure> {
        let signer = match file {
            Some(file) => read_key(file)?,
            None if node.development => development_account()?,
            None => {
                let what = format!("chain {} is no development chain: a key is needed", node.chain_id);
                return Err(Failure::new(1022, Exit::Denied, what));
            }
        };
        Ok(Self { signer })
    }

    pub(crate) fn into_signer(self) -> PrivateKeySigner {
        self.signer
    }

    pub(crate) const fn address(&self) -> Address {
        self.signer.address()
    }

    /// Sends `data` to `to` and waits until it is final.
    pub(crate) async fn send(
        &self,
        client: &Client,
        node: &NodeInfo,
        call: (Address, Bytes),
    ) -> Result<Receipt, Failure> {
        let (to, input) = call;
        let url = &node.rpc.http;
        let from = self.address();
        let request = json!({ "from": from, "to": to, "data": input });
        let gas: U64 = client.rpc(url, "eth_estimateGas", json!([request])).await?;
        let nonce: U64 = client.rpc(url, "eth_getTransactionCount", json!([from, "pending"])).await?;
        let price: U256 = client.rpc(url, "eth_gasPrice", json!([])).await?;
        let transaction = TxEip1559 {
            chain_id: node.chain_id,
            nonce: nonce.to(),
            gas_limit: gas.to::<u64>() / 100 * (100 + GAS_MARGIN_PERCENT) + GAS_MARGIN_PERCENT,
            // Twice the price of now: the base fee may rise before the transaction is in a block; the rest is not paid.
            max_fee_per_gas: u128::try_from(price).unwrap_or(u128::MAX).saturating_mul(2),
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: alloy_eips::eip2930::AccessList::default(),
            input,
        };
        let signature = self
            .signer
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|source| Failure::new(1022, Exit::Denied, "the key cannot sign").because(source))?;
        let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
        let receipt: Receipt =
            client.rpc(url, "eth_sendRawTransactionSync", json!([hex::encode_prefixed(raw)])).await?;
        if receipt.status.is_zero() {
            let what = format!(
                "transaction {} reverted in block {}",
                receipt.transaction_hash, receipt.block_number
            );
            return Err(Failure::new(1019, Exit::Failure, what));
        }
        Ok(receipt)
    }
}

fn development_account() -> Result<PrivateKeySigner, Failure> {
    let built = MnemonicBuilder::<English>::default().phrase(DEVELOPMENT_MNEMONIC).build();
    built.map_err(|source| {
        Failure::new(1022, Exit::Failure, "the development account cannot be derived").because(source)
    })
}

pub(crate) fn read_key(file: &Path) -> Result<PrivateKeySigner, Failure> {
    let text = std::fs::read_to_string(file).map_err(|source| {
        Failure::new(1022, Exit::NotFound, format!("cannot read the key file {}", file.display()))
            .because(source)
    })?;
    // The parser's own error could quote the key; it is not kept.
    text.trim().parse().map_err(|_| {
        Failure::new(1022, Exit::Failure, format!("{} does not hold a private key in hex", file.display()))
    })
}
