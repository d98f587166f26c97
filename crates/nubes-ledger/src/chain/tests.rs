//! The chain from both its sides: what consensus asks (build, execute, finalise), and what clients ask.

mod calls;
mod contracts;
mod disk;
mod durability;
mod genesis;
mod headers;
mod history;
mod layers;
mod limits;
mod simulation;
mod supply;

use super::{BlockAt, Chain, NonceOf, TransactionSource};
use crate::{
    genesis::Genesis,
    state::{OpenError, StoredBlock},
};
use alloy_consensus::{SignableTransaction, Signed, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::{Nibbles, proof::verify_proof};
use nubes_consensus::{EthBlock, MachineError, Slot, StateMachine as _};
use parking_lot::Mutex;
use redb::{StorageBackend, backends::InMemoryBackend};
use std::sync::Arc;
use tokio::sync::Notify;

type Shared = Arc<Recovered<TxEnvelope>>;

const GWEI: u128 = 1_000_000_000;
const ETHER: u128 = 1_000_000_000 * GWEI;
/// Keys from 1 to this own one ether each.
const RICH_MAX: u8 = 4;
const PAYEE: Address = Address::repeat_byte(0xaa);

/// Offers exactly what it was given, also what no pool would take, and remembers what it was told.
#[derive(Debug, Default)]
struct Given {
    next: Mutex<Vec<Shared>>,
    rejected: Mutex<Vec<B256>>,
    settled: Mutex<Vec<(Address, B256, u64)>>,
    arrivals: Notify,
}

impl TransactionSource for Given {
    fn best(&self, _: u64, _: &NonceOf<'_>, count: usize) -> Vec<Shared> {
        self.next.lock().iter().take(count).cloned().collect()
    }

    fn settle(&self, included: &[(Address, B256)], nonce: &NonceOf<'_>) {
        let told = included.iter().map(|(sender, hash)| (*sender, *hash, nonce(sender)));
        self.settled.lock().extend(told);
    }

    fn reject(&self, transactions: &[B256]) {
        self.rejected.lock().extend(transactions);
    }

    fn recovered(&self, _: &B256) -> Option<Shared> {
        None
    }

    fn arrivals(&self) -> &Notify {
        &self.arrivals
    }

    fn hear(&self, _: Bytes) {}
}

/// A chain with its source.
#[derive(Debug)]
struct Node {
    chain: Chain,
    given: Arc<Given>,
}

impl Node {
    fn new() -> Self {
        Self::on(InMemoryBackend::new()).unwrap()
    }

    fn on(backend: impl StorageBackend) -> Result<Self, OpenError> {
        let given = Arc::new(Given::default());
        let chain = Chain::with_backend(backend, &rich(), Arc::clone(&given) as _)?;
        Ok(Self { chain, given })
    }

    fn head(&self) -> Arc<StoredBlock> {
        Chain::head(&self.chain)
    }

    fn build(&self, parent: B256, seed: u8, transactions: &[Shared]) -> Result<EthBlock, MachineError> {
        *self.given.next.lock() = transactions.to_vec();
        let context = B256::repeat_byte(seed);
        self.chain.build(&Slot { parent, context, seed: keccak256(context), timestamp: 100 })
    }

    /// A block on the head that becomes final.
    fn advance(&self, transactions: &[Shared]) -> Arc<StoredBlock> {
        let block = self.build(self.head().hash, 1, transactions).unwrap();
        self.chain.finalize(&block, block.header.hash_slow()).unwrap();
        self.head()
    }

    fn balance(&self, address: Address) -> U256 {
        self.chain.balance(&address, BlockAt::Head).unwrap()
    }

    fn nonce(&self, address: Address) -> u64 {
        self.chain.nonce(&address, BlockAt::Head).unwrap()
    }

    fn slot(&self, address: Address, slot: u64) -> U256 {
        self.chain.storage(&address, &U256::from(slot), BlockAt::Head).unwrap()
    }

    fn code(&self, address: Address) -> Bytes {
        self.chain.code(&address, BlockAt::Head).unwrap()
    }
}

/// Two nodes: what one builds the other must accept, and both must then say the same.
struct Twins {
    builder: Node,
    checker: Node,
}

impl Twins {
    fn new() -> Self {
        Self { builder: Node::new(), checker: Node::new() }
    }

    fn advance(&self, transactions: &[Shared]) -> Arc<StoredBlock> {
        let block = self.builder.build(self.builder.head().hash, 1, transactions).unwrap();
        let hash = block.header.hash_slow();
        self.checker.chain.execute(&block, hash).unwrap();
        for node in [&self.builder, &self.checker] {
            node.chain.finalize(&block, hash).unwrap();
        }
        assert_eq!(self.builder.head().receipts, self.checker.head().receipts);
        self.checker.head()
    }

    /// That the header commits to what the checker says about `address` and its `slots`.
    #[track_caller]
    fn check_committed(&self, address: Address, slots: &[U256]) {
        let (node, at) = (&self.checker, BlockAt::Head);
        let root = node.head().block.header.state_root;
        let proof = node.chain.proof(&address, slots, at).unwrap();
        assert_eq!(proof.account.balance, node.balance(address));
        assert_eq!(proof.account.nonce, node.nonce(address));
        assert_eq!(proof.account.code_hash, keccak256(node.code(address)));
        let exists = proof.account != crate::state::Account::EMPTY;
        let expected = exists.then(|| proof.account.to_rlp());
        verify_proof(root, Nibbles::unpack(keccak256(address)), expected, &proof.nodes).unwrap();
        for (slot, value, nodes) in &proof.storage {
            assert_eq!(*value, node.chain.storage(&address, slot, at).unwrap());
            let key = Nibbles::unpack(keccak256(B256::from(*slot)));
            let expected = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            verify_proof(proof.account.storage_root, key, expected, nodes).unwrap();
        }
    }
}

fn rich() -> Genesis {
    let mut genesis = Genesis::development();
    for key in 1..=RICH_MAX {
        genesis.alloc.entry(address(key)).or_default().balance = U256::from(ETHER);
    }
    genesis
}

fn signer(key: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(key)).unwrap()
}

fn address(key: u8) -> Address {
    signer(key).address()
}

fn sign<T: SignableTransaction<Signature>>(key: u8, transaction: T) -> Shared
where
    TxEnvelope: From<Signed<T>>,
{
    let signature = signer(key).sign_hash_sync(&transaction.signature_hash()).unwrap();
    let signed = TxEnvelope::from(transaction.into_signed(signature));
    Arc::new(Recovered::new_unchecked(signed, address(key)))
}

/// To be changed by the caller; as it is it sends nothing to the payee.
fn transaction(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: crate::DEVELOPMENT_CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: GWEI,
        to: TxKind::Call(PAYEE),
        ..TxEip1559::default()
    }
}

fn pay(key: u8, nonce: u64, value: u128) -> Shared {
    sign(key, TxEip1559 { value: U256::from(value), ..transaction(nonce) })
}

fn message(key: u8, nonce: u64, to: Address, input: impl Into<Bytes>) -> Shared {
    let (to, input) = (TxKind::Call(to), input.into());
    sign(key, TxEip1559 { to, input, gas_limit: 500_000, ..transaction(nonce) })
}

fn create(key: u8, nonce: u64, init: impl Into<Bytes>) -> Shared {
    sign(key, TxEip1559 { to: TxKind::Create, input: init.into(), gas_limit: 500_000, ..transaction(nonce) })
}

/// Creation code that leaves `runtime` (at most 255 bytes) behind: CODECOPY and RETURN of what follows.
fn init(runtime: &[u8]) -> Vec<u8> {
    let length = u8::try_from(runtime.len()).unwrap();
    let mut code = vec![0x60, length, 0x80, 0x60, 0x0b, 0x60, 0, 0x39, 0x60, 0, 0xf3];
    code.extend(runtime);
    code
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

/// Writes the second word of its input into the slot of the first.
const WRITER: [u8; 8] = [0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];
/// Writes slot 0, then reverts with the word 42.
const REVERTER: [u8; 15] = [0x60, 1, 0x60, 0, 0x55, 0x60, 42, 0x60, 0, 0x52, 0x60, 0x20, 0x60, 0, 0xfd];
/// Writes slot 0, then runs in a circle.
const SPINNER: [u8; 9] = [0x60, 1, 0x60, 0, 0x55, 0x5b, 0x60, 5, 0x56];
/// Emits one log with the topic that is its input's first word.
const LOGGER: [u8; 9] = [0x60, 0, 0x35, 0x60, 0, 0x60, 0, 0xa1, 0x00];
