//! A chain, its pool and its server; blocks come when the test says so.

use super::client::{self, Outcome, Socket, outcome, request};
use crate::{Chain, DEVELOPMENT_CHAIN_ID, Genesis, GenesisAccount, Pool, StoredBlock, rpc::Server};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use nubes_base::{Clock, Timestamp};
use nubes_consensus::{Slot, StateMachine as _};
use redb::backends::InMemoryBackend;
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

pub(super) const GWEI: u128 = 1_000_000_000;
/// What each of the keys 1 to 4 owns at the start.
pub(super) const WEALTH: u64 = 10u64.pow(18);
/// Reverts with `Error("user error")`.
pub(super) const REFUSES: Address = Address::repeat_byte(0xe1);
/// Reverts with `Panic(1)`.
pub(super) const PANICS: Address = Address::repeat_byte(0xe2);
/// Reverts with an error that only its own ABI names.
pub(super) const CUSTOM: Address = Address::repeat_byte(0xe3);
/// Emits as many logs as the first word of its input says; the topic counts down to one.
pub(super) const LOGGER: Address = Address::repeat_byte(0xe4);
/// Keeps the first word of its input in slot 0.
pub(super) const KEEPER: Address = Address::repeat_byte(0xe5);
/// Reverts without a reason.
pub(super) const SILENT: Address = Address::repeat_byte(0xe6);
/// Runs into an invalid opcode.
pub(super) const BROKEN: Address = Address::repeat_byte(0xe7);
/// Returns slot 0.
pub(super) const TELLER: Address = Address::repeat_byte(0xe8);

pub(super) const USER_ERROR: &str = "0x08c379a0\
    0000000000000000000000000000000000000000000000000000000000000020\
    000000000000000000000000000000000000000000000000000000000000000a\
    75736572206572726f7200000000000000000000000000000000000000000000";
pub(super) const PANIC_ERROR: &str =
    "0x4e487b710000000000000000000000000000000000000000000000000000000000000001";

#[derive(Debug, Default)]
pub(super) struct HandClock(AtomicU64);

impl HandClock {
    pub(super) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
    }
}

pub(super) fn signer(key: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(key)).unwrap()
}

pub(super) fn address(key: u8) -> Address {
    signer(key).address()
}

pub(super) fn raw<T: SignableTransaction<Signature>>(key: u8, transaction: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = signer(key).sign_hash_sync(&transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

pub(super) fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: DEVELOPMENT_CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: GWEI,
        max_priority_fee_per_gas: 7,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

pub(super) fn call(nonce: u64, to: Address, word: u64) -> TxEip1559 {
    let input = B256::from(U256::from(word)).to_vec().into();
    TxEip1559 { gas_limit: 16_000_000, to: TxKind::Call(to), value: U256::ZERO, input, ..transfer(nonce) }
}

/// Code that reverts with `data`.
fn reverting(data: &[u8]) -> Bytes {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let code = [0x61, length[0], length[1], 0x80, 0x61, 0, 0x0b, 0x5f, 0x39, 0x5f, 0xfd];
    [&code[..], data].concat().into()
}

fn genesis() -> Genesis {
    let mut genesis = Genesis::development();
    for key in 1..=4 {
        genesis.alloc.entry(address(key)).or_default().balance = U256::from(WEALTH);
    }
    let contracts: [(Address, Bytes); 8] = [
        (REFUSES, reverting(&hex::decode(USER_ERROR).unwrap())),
        (PANICS, reverting(&hex::decode(PANIC_ERROR).unwrap())),
        (CUSTOM, reverting(&[0xde, 0xad, 0xbe, 0xef])),
        (LOGGER, hex!("5f355b8015601357805f5fa1600190036002565b00").into()),
        (KEEPER, hex!("5f355f5500").into()),
        (SILENT, hex!("5f5ffd").into()),
        (BROKEN, hex!("fe").into()),
        (TELLER, hex!("5f545f5260205ff3").into()),
    ];
    for (at, code) in contracts {
        genesis.alloc.insert(at, GenesisAccount { code, nonce: 1, ..GenesisAccount::default() });
    }
    genesis
}

pub(super) struct House {
    pub(super) chain: Arc<Chain>,
    pub(super) pool: Arc<Pool>,
    pub(super) clock: Arc<HandClock>,
    pub(super) server: Server,
}

impl House {
    pub(super) async fn open() -> Self {
        let pool = Pool::new(DEVELOPMENT_CHAIN_ID);
        let chain = Chain::with_backend(InMemoryBackend::new(), &genesis(), Arc::clone(&pool) as _).unwrap();
        let (chain, clock) = (Arc::new(chain), Arc::new(HandClock::default()));
        pool.attach(&chain);
        let any_port = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(any_port, Arc::clone(&chain), Arc::clone(&pool), Arc::clone(&clock) as _);
        let server = server.await.unwrap();
        Self { chain, pool, clock, server }
    }

    /// Makes a final block of what waits.
    pub(super) fn block(&self) -> Arc<StoredBlock> {
        make_block(&self.chain)
    }

    /// Sends at the pool's door and makes the block.
    pub(super) fn include<T: SignableTransaction<Signature>>(&self, key: u8, transaction: T) -> B256
    where
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let hash = self.pool.submit(&raw(key, transaction)).unwrap();
        let block = self.block();
        assert!(block.block.body.transactions.iter().any(|transaction| *transaction.hash() == hash));
        hash
    }

    pub(super) async fn ask(&self, method: &str, params: Value) -> Outcome {
        let answer = client::post(self.server.address(), request(method, &params).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        outcome(answer.json())
    }

    pub(super) async fn get(&self, method: &str, params: Value) -> Value {
        self.ask(method, params).await.unwrap_or_else(|failure| panic!("{method}: {failure:?}"))
    }

    pub(super) async fn socket(&self) -> Socket {
        Socket::open(self.server.address()).await
    }
}

pub(super) fn make_block(chain: &Chain) -> Arc<StoredBlock> {
    let head = chain.head();
    let seed = keccak256(head.hash);
    let slot = Slot { parent: head.hash, context: seed, seed, timestamp: head.block.header.timestamp + 1 };
    let block = chain.build(&slot).unwrap();
    chain.finalize(&block, block.header.hash_slow()).unwrap();
    chain.head()
}
