//! The rules for one transaction, cheapest first.

use super::{PoolError, cost};
use crate::exec::{BLOCK_GAS_LIMIT, fees::BASE_FEE_MIN};
use alloy_consensus::{
    Transaction as _, TxEnvelope, Typed2718 as _,
    transaction::{Recovered, SignerRecoverable as _},
};
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, U256};
use revm::{context_interface::cfg::GasParams, primitives::hardfork::SpecId};
use std::sync::Arc;

/// Longest raw transaction, as geth has it.
pub(crate) const TRANSACTION_BYTES_MAX: usize = 128 * 1024;
/// EIP-3860.
const INIT_CODE_BYTES_MAX: usize = 49_152;
/// EIP-7825.
const TRANSACTION_GAS_MAX: u64 = 16_777_216;
const BLOB_TYPE: u8 = 3;
const AUTHORIZATION_TYPE: u8 = 4;

/// A well-formed transaction of this chain with its sender.
pub(super) struct Checked(Arc<Recovered<TxEnvelope>>);

impl Checked {
    pub(super) fn decode(raw: &[u8], chain_id: u64) -> Result<Self, PoolError> {
        if raw.len() > TRANSACTION_BYTES_MAX {
            return Err(PoolError::Oversized { bytes: raw.len(), bytes_max: TRANSACTION_BYTES_MAX });
        }
        match raw.first() {
            Some(&BLOB_TYPE) => return Err(PoolError::Type),
            Some(kind @ 0..=0x7f) if *kind == 0 || *kind > AUTHORIZATION_TYPE => return Err(PoolError::Type),
            Some(_) => {}
            None => return Err(PoolError::Malformed),
        }
        let mut rest = raw;
        let transaction = TxEnvelope::decode_2718(&mut rest).map_err(|_| PoolError::Malformed)?;
        if !rest.is_empty() {
            return Err(PoolError::Malformed);
        }
        check_fields(&transaction, chain_id)?;
        let sender = transaction.recover_signer().map_err(|_| PoolError::Signature)?;
        check_tip(&transaction, sender)?;
        Ok(Self(Arc::new(Recovered::new_unchecked(transaction, sender))))
    }

    pub(super) fn sender(&self) -> Address {
        self.0.signer()
    }

    pub(super) fn check_state(&self, next: u64, have: U256) -> Result<(), PoolError> {
        let (nonce, sender) = (self.0.nonce(), self.sender());
        if nonce < next {
            return Err(PoolError::NonceTooLow { next, nonce });
        }
        let want = cost(self.0.inner());
        if have < want {
            return Err(PoolError::Funds { sender, have, want });
        }
        Ok(())
    }

    pub(super) fn into_inner(self) -> Arc<Recovered<TxEnvelope>> {
        self.0
    }
}

fn check_fields(transaction: &TxEnvelope, want: u64) -> Result<(), PoolError> {
    // Legacy transactions may leave the chain open; replay from another chain would be possible, so they may not here.
    let have = transaction.chain_id().unwrap_or_default();
    if have != want {
        return Err(PoolError::ChainId { have, want });
    }
    if transaction.is_create() && transaction.input().len() > INIT_CODE_BYTES_MAX {
        return Err(PoolError::InitCode { bytes: transaction.input().len(), bytes_max: INIT_CODE_BYTES_MAX });
    }
    let gas = transaction.gas_limit();
    if gas > BLOCK_GAS_LIMIT {
        return Err(PoolError::BlockGas);
    }
    if gas > TRANSACTION_GAS_MAX {
        return Err(PoolError::GasCap { cap: TRANSACTION_GAS_MAX, gas });
    }
    if transaction.ty() == AUTHORIZATION_TYPE && transaction.authorization_list().is_none_or(<[_]>::is_empty)
    {
        return Err(PoolError::EmptyAuthorizations);
    }
    if transaction.max_fee_per_gas() < u128::from(BASE_FEE_MIN) {
        return Err(PoolError::Underpriced { fee: transaction.max_fee_per_gas(), minimum: BASE_FEE_MIN });
    }
    check_gas(transaction, gas)
}

fn check_gas(transaction: &TxEnvelope, have: u64) -> Result<(), PoolError> {
    let list = transaction.access_list();
    let accounts = list.map_or(0, |list| list.0.len());
    let slots = list.map_or(0, alloy_eips::eip2930::AccessList::storage_keys_count);
    let authorizations = transaction.authorization_list().map_or(0, <[_]>::len);
    let as_u64 = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let needed = GasParams::new_spec(SpecId::OSAKA).initial_tx_gas(
        transaction.input(),
        transaction.is_create(),
        as_u64(accounts),
        as_u64(slots),
        as_u64(authorizations),
        None,
    );
    let want = needed.initial_total_gas();
    if have < want {
        return Err(PoolError::IntrinsicGas { have, want });
    }
    if have < needed.floor_gas() {
        return Err(PoolError::FloorGas { have, want: needed.floor_gas() });
    }
    Ok(())
}

fn check_tip(transaction: &TxEnvelope, sender: Address) -> Result<(), PoolError> {
    let (tip, fee) =
        (transaction.max_priority_fee_per_gas().unwrap_or_default(), transaction.max_fee_per_gas());
    if tip > fee {
        return Err(PoolError::TipAboveFee { sender, tip, fee });
    }
    if transaction.nonce() == u64::MAX {
        return Err(PoolError::NonceMax { sender });
    }
    Ok(())
}
