//! Why a transaction is not taken, in geth's words: wallets match on them.

use alloy_primitives::{Address, U256};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("rlp: transaction cannot be decoded")]
    Malformed,
    #[error("transaction type not supported")]
    Type,
    #[error("invalid sender")]
    Signature,
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    #[error("oversized data: transaction size {bytes}, limit {bytes_max}")]
    Oversized { bytes: usize, bytes_max: usize },
    #[error("max initcode size exceeded: code size {bytes}, limit {bytes_max}")]
    InitCode { bytes: usize, bytes_max: usize },
    #[error("exceeds block gas limit")]
    BlockGas,
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasCap { cap: u64, gas: u64 },
    #[error(
        "max priority fee per gas higher than max fee per gas: address {sender}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
    )]
    TipAboveFee { sender: Address, tip: u128, fee: u128 },
    #[error("intrinsic gas too low: gas {have}, minimum needed {want}")]
    IntrinsicGas { have: u64, want: u64 },
    #[error("insufficient gas for floor data gas cost: gas {have}, minimum needed {want}")]
    FloorGas { have: u64, want: u64 },
    #[error("transaction gas price below minimum: gas fee cap {fee}, minimum needed {minimum}")]
    Underpriced { fee: u128, minimum: u64 },
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error("nonce has max value: address {sender}")]
    NonceMax { sender: Address },
    #[error("insufficient funds for gas * price + value: address {sender} have {have} want {want}")]
    Funds { sender: Address, have: U256, want: U256 },
    #[error("already known")]
    Known,
    #[error("replacement transaction underpriced")]
    Replacement,
    #[error("txpool is full")]
    Full,
    /// This sender has enough waiting.
    #[error("account limit exceeded: {sender} has {count} transactions waiting")]
    SenderFull { sender: Address, count: usize },
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}, gap at most {gap_max}")]
    NonceTooHigh { next: u64, nonce: u64, gap_max: u64 },
    #[error("EIP-7702 transaction with empty auth list")]
    EmptyAuthorizations,
    /// The node is shutting down.
    #[error("the node is stopping")]
    Stopping,
}
