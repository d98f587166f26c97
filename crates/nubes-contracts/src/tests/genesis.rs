//! The predeploys, placed as genesis places them and executed under the rules of the ledger.

use crate::{
    CREATE2_DEPLOYER, FIRST_COME_REGISTRAR, FirstComeRegistrar, MULTICALL3, Multicall3, NAME_REGISTRY,
    NameRegistry, PAY_RAILS, POSSESSION_PROOFS, PROVIDER_REGISTRY, PROVIDER_STAKE_MIN, PUBLIC_RESOLVER,
    PayRails, ProviderRegistry, PublicResolver, REPAIR_JOBS, SLASHING_HUB, STORAGE_DEALS, TEST_DOLLAR,
    TestDollar, node_of, predeploys, test_dollar_storage,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolError, SolValue, eip712_domain, sol};
use revm::{
    Context, MainBuilder, MainContext, SystemCallCommitEvm, bytecode::Bytecode,
    context::result::ExecutionResult, database::InMemoryDB, primitives::hardfork::SpecId, state::AccountInfo,
};

const ALICE: Address = Address::repeat_byte(0xa1);
const MALLORY: Address = Address::repeat_byte(0xbd);
const CHAIN_ID: u64 = 41_414;
const BALANCE: u64 = 5_000_000;

sol!(Guestbook, concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/guestbook/contracts/Guestbook.json"));

const YEAR_SECONDS: u64 = 365 * 86_400;

struct Chain(InMemoryDB);

impl Chain {
    fn genesis() -> Self {
        let mut state = InMemoryDB::default();
        for mut predeploy in predeploys() {
            if predeploy.address == TEST_DOLLAR {
                predeploy.storage = test_dollar_storage(&[(ALICE, U256::from(BALANCE))]).unwrap();
            }
            let code = Bytecode::new_raw(predeploy.code);
            let account = AccountInfo { nonce: predeploy.nonce, ..AccountInfo::from_bytecode(code) };
            state.insert_account_info(predeploy.address, account);
            for (slot, value) in predeploy.storage {
                let (slot, value) = (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0));
                state.insert_account_storage(predeploy.address, slot, value).unwrap();
            }
        }
        Self(state)
    }

    fn raw(&mut self, from: Address, to: Address, data: Bytes) -> ExecutionResult {
        let context = Context::mainnet().with_db(&mut self.0).modify_cfg_chained(|cfg| {
            cfg.chain_id = CHAIN_ID;
            cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
        });
        context.build_mainnet().system_call_with_caller_commit(from, to, data).unwrap()
    }

    #[track_caller]
    fn call<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> C::Return {
        match self.raw(from, to, call.abi_encode().into()) {
            ExecutionResult::Success { output, .. } => C::abi_decode_returns(output.data()).unwrap(),
            other => panic!("{} failed: {other:?}", C::SIGNATURE),
        }
    }

    #[track_caller]
    fn refused<C: SolCall, E: SolError>(&mut self, from: Address, to: Address, call: &C) -> E {
        match self.raw(from, to, call.abi_encode().into()) {
            ExecutionResult::Revert { output, .. } => E::abi_decode(&output).unwrap(),
            other => panic!("{} was not refused: {other:?}", C::SIGNATURE),
        }
    }
}

fn register(app: &str, owner: Address) -> FirstComeRegistrar::registerWithCall {
    let (label, resolver, duration) = (keccak256(app), PUBLIC_RESOLVER, YEAR_SECONDS);
    FirstComeRegistrar::registerWithCall { label, owner, resolver, duration }
}

#[test]
fn a_name_is_registered_and_its_records_are_written_and_read() {
    let mut chain = Chain::genesis();
    let node = node_of("guestbook");
    assert_eq!(chain.call(MALLORY, FIRST_COME_REGISTRAR, &register("guestbook", ALICE)), node);
    assert_eq!(chain.call(MALLORY, NAME_REGISTRY, &NameRegistry::ownerCall { node }), ALICE);
    assert_eq!(chain.call(MALLORY, NAME_REGISTRY, &NameRegistry::resolverCall { node }), PUBLIC_RESOLVER);

    let text = PublicResolver::setTextCall { node, key: "nubes.app".to_owned(), value: "bafy".to_owned() };
    let hash = PublicResolver::setContenthashCall { node, hash: Bytes::from_static(&[0xe3, 0x01, 0x01]) };
    let both =
        PublicResolver::multicallCall { data: vec![text.abi_encode().into(), hash.abi_encode().into()] };
    chain.call(ALICE, PUBLIC_RESOLVER, &both);
    let text = PublicResolver::textCall { node, key: "nubes.app".to_owned() };
    assert_eq!(chain.call(MALLORY, PUBLIC_RESOLVER, &text), "bafy");
    let hash = chain.call(MALLORY, PUBLIC_RESOLVER, &PublicResolver::contenthashCall { node });
    assert_eq!(hash, Bytes::from_static(&[0xe3, 0x01, 0x01]));
}

#[test]
fn a_taken_name_stays_with_its_owner() {
    let mut chain = Chain::genesis();
    chain.call(ALICE, FIRST_COME_REGISTRAR, &register("guestbook", ALICE));
    let label = keccak256("guestbook");
    let refusal: FirstComeRegistrar::NameTaken =
        chain.refused(MALLORY, FIRST_COME_REGISTRAR, &register("guestbook", MALLORY));
    assert_eq!((refusal.label, refusal.owner), (label, ALICE));
    let expiry = chain.call(MALLORY, FIRST_COME_REGISTRAR, &FirstComeRegistrar::expiresAtCall { label });
    assert_eq!(refusal.expiresAt, expiry);

    let node = node_of("guestbook");
    let steal = PublicResolver::setTextCall { node, key: "nubes.app".to_owned(), value: "bad".to_owned() };
    let refusal: PublicResolver::NotAuthorised = chain.refused(MALLORY, PUBLIC_RESOLVER, &steal);
    assert_eq!((refusal.node, refusal.owner, refusal.caller), (node, ALICE, MALLORY));
}

#[test]
fn the_test_dollar_has_the_balances_of_genesis() {
    let mut chain = Chain::genesis();
    let expect = U256::from(BALANCE);
    assert_eq!(chain.call(MALLORY, TEST_DOLLAR, &TestDollar::totalSupplyCall {}), expect);
    assert_eq!(chain.call(MALLORY, TEST_DOLLAR, &TestDollar::balanceOfCall { account: ALICE }), expect);
    assert_eq!(chain.call(MALLORY, TEST_DOLLAR, &TestDollar::symbolCall {}), "TUSD");

    chain.call(ALICE, TEST_DOLLAR, &TestDollar::transferCall { to: MALLORY, value: U256::from(1) });
    let rest = chain.call(ALICE, TEST_DOLLAR, &TestDollar::balanceOfCall { account: ALICE });
    assert_eq!(rest, U256::from(BALANCE - 1));
}

#[test]
fn the_test_dollar_signs_for_the_chain_it_is_on() {
    let domain = eip712_domain! {
        name: "Test Dollar",
        version: "1",
        chain_id: CHAIN_ID,
        verifying_contract: TEST_DOLLAR,
    };
    let separator = Chain::genesis().call(ALICE, TEST_DOLLAR, &TestDollar::DOMAIN_SEPARATORCall {});
    assert_eq!(separator, domain.separator());
}

#[test]
fn the_parts_of_the_market_know_each_other_for_good() {
    let mut chain = Chain::genesis();
    let market = chain.call(ALICE, PROVIDER_REGISTRY, &ProviderRegistry::marketOfCall {});
    let parts = (market.token, market.rails, market.deals, market.faultSources[0], market.stakeMin);
    assert_eq!(parts, (TEST_DOLLAR, PAY_RAILS, STORAGE_DEALS, STORAGE_DEALS, PROVIDER_STAKE_MIN));
    let rewired = ProviderRegistry::Market { token: MALLORY, ..market };
    for part in [PROVIDER_REGISTRY, SLASHING_HUB, POSSESSION_PROOFS, STORAGE_DEALS, REPAIR_JOBS] {
        let told = chain.call(ALICE, part, &ProviderRegistry::marketOfCall {});
        assert_eq!(told.abi_encode(), market.abi_encode());
        let wire = ProviderRegistry::wireCall { market: rewired.clone() };
        let refusal: ProviderRegistry::AlreadyWired = chain.refused(MALLORY, part, &wire);
        assert_eq!(refusal.token, TEST_DOLLAR);
    }
}

#[test]
fn stake_and_rails_take_and_give_back_the_test_dollar() {
    let mut chain = Chain::genesis();
    let units = U256::from(BALANCE / 2);
    for spender in [PROVIDER_REGISTRY, PAY_RAILS] {
        chain.call(ALICE, TEST_DOLLAR, &TestDollar::approveCall { spender, value: units });
    }
    chain.call(ALICE, PROVIDER_REGISTRY, &ProviderRegistry::depositStakeCall { provider: ALICE, units });
    chain.call(ALICE, PAY_RAILS, &PayRails::depositCall { token: TEST_DOLLAR, owner: ALICE, units });
    let withdrawable = PayRails::withdrawableCall { token: TEST_DOLLAR, owner: ALICE };
    assert_eq!(chain.call(ALICE, PAY_RAILS, &withdrawable), units);
    chain.call(ALICE, PAY_RAILS, &PayRails::withdrawCall { token: TEST_DOLLAR, receiver: MALLORY, units });
    let got = chain.call(ALICE, TEST_DOLLAR, &TestDollar::balanceOfCall { account: MALLORY });
    assert_eq!(got, units);
}

#[test]
fn many_calls_go_in_one() {
    let call = |account| Multicall3::Call3 {
        target: TEST_DOLLAR,
        allowFailure: false,
        callData: TestDollar::balanceOfCall { account }.abi_encode().into(),
    };
    let calls = Multicall3::aggregate3Call { calls: vec![call(ALICE), call(MALLORY)] };
    let results = Chain::genesis().call(ALICE, MULTICALL3, &calls);
    let amounts = results.iter().map(|result| U256::from_be_slice(&result.returnData)).collect::<Vec<_>>();
    assert_eq!(amounts, [U256::from(BALANCE), U256::ZERO]);
}

#[test]
fn the_guestbook_is_deployed_where_its_code_says_and_counts() {
    let mut chain = Chain::genesis();
    let code = Guestbook::BYTECODE.clone();
    let book = CREATE2_DEPLOYER.create2_from_code(B256::ZERO, &code);
    let deployed = chain.raw(ALICE, CREATE2_DEPLOYER, [B256::ZERO.as_slice(), &code].concat().into());
    assert_eq!(deployed.output().unwrap().as_ref(), book.as_slice());

    chain.call(ALICE, book, &Guestbook::signCall { note: "hello".to_owned() });
    chain.call(MALLORY, book, &Guestbook::signCall { note: String::new() });
    let long: Guestbook::NoteTooLong =
        chain.refused(ALICE, book, &Guestbook::signCall { note: "x".repeat(281) });
    assert_eq!((long.length, long.max), (U256::from(281), U256::from(280)));
    assert_eq!(chain.call(ALICE, book, &Guestbook::signaturesCall {}), U256::from(2));
    assert_eq!(chain.call(ALICE, book, &Guestbook::signaturesOfCall { signer: ALICE }), U256::from(1));
}
