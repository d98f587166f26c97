use super::{
    ETHER, GWEI, Node, PAYEE, REVERTER, SPINNER, WRITER, address, create, init, message, sign, transaction,
    words,
};
use crate::{
    chain::BlockAt,
    exec::{AccountOverride, CallFailure, CallInput, CallOutcome, Overrides},
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256};

/// Returns the word in slot 0.
const READER: [u8; 10] = [0x60, 0, 0x54, 0x60, 0, 0x52, 0x60, 0x20, 0x60, 0];
const RETURN: u8 = 0xf3;
/// Returns the word that the opcode at its start pushes.
const TELLER: [u8; 8] = [0x60, 0, 0x52, 0x60, 0x20, 0x60, 0, RETURN];
const NUMBER: u8 = 0x43;
const BASE_FEE: u8 = 0x48;
const SELF_BALANCE: u8 = 0x47;
const CONTRACT: Address = Address::repeat_byte(0xcc);

fn call(
    node: &Node,
    input: &CallInput,
    at: BlockAt,
    overrides: &Overrides,
) -> Result<CallOutcome, CallFailure> {
    node.chain.call(input, at, overrides).unwrap()
}

fn estimate(node: &Node, input: &CallInput) -> Result<u64, CallFailure> {
    node.chain.estimate(input, BlockAt::Head, &Overrides::default()).unwrap()
}

fn to(contract: Address, data: impl Into<Bytes>) -> CallInput {
    CallInput { from: address(2), to: Some(contract), data: data.into(), ..CallInput::default() }
}

fn pretend(account: AccountOverride) -> Overrides {
    Overrides { accounts: [(CONTRACT, account)].into() }
}

fn code(code: impl Into<Bytes>) -> AccountOverride {
    AccountOverride { code: Some(code.into()), ..AccountOverride::default() }
}

fn reader() -> Vec<u8> {
    [READER.as_slice(), &[RETURN]].concat()
}

fn teller(opcode: u8) -> Vec<u8> {
    [&[opcode], TELLER.as_slice()].concat()
}

#[test]
fn a_call_gives_output_revert_or_halt() {
    let node = Node::new();
    node.advance(&[
        create(1, 0, init(&REVERTER)),
        create(1, 1, init(&SPINNER)),
        create(1, 2, init(&reader())),
    ]);
    let call = |nonce| {
        call(&node, &to(address(1).create(nonce), Bytes::new()), BlockAt::Head, &Overrides::default())
    };
    assert_eq!(call(0), Err(CallFailure::Reverted { data: words(&[42]).into() }));
    assert_eq!(call(1), Err(CallFailure::Halted { reason: "out of gas".to_owned() }));
    assert_eq!(call(2).unwrap().output, Bytes::from(words(&[0])));
}

#[test]
fn a_call_changes_nothing() {
    let node = Node::new();
    let contract = address(1).create(0);
    node.advance(&[create(1, 0, init(&WRITER))]);
    call(&node, &to(contract, words(&[1, 2])), BlockAt::Head, &Overrides::default()).unwrap();
    assert_eq!(node.slot(contract, 1), U256::ZERO);
    assert_eq!(node.nonce(address(2)), 0);
}

#[test]
fn a_call_sees_the_block_it_names() {
    let node = Node::new();
    let contract = address(1).create(0);
    node.advance(&[create(1, 0, init(&[reader(), vec![]].concat()))]);
    for nonce in 0..3 {
        node.advance(&[sign(
            3,
            TxEip1559 { to: TxKind::Call(PAYEE), value: U256::ONE, ..transaction(nonce) },
        )]);
    }
    for number in 1..=4u64 {
        let at = BlockAt::Number(number);
        let told = call(&node, &to(CONTRACT, Bytes::new()), at, &pretend(code(teller(NUMBER)))).unwrap();
        assert_eq!(told.output, Bytes::from(words(&[number])));
        assert_eq!(
            call(&node, &to(contract, Bytes::new()), at, &Overrides::default()).unwrap().output.len(),
            32
        );
    }
    assert!(
        call(&node, &to(contract, Bytes::new()), BlockAt::Number(0), &Overrides::default())
            .unwrap()
            .output
            .is_empty()
    );
}

#[test]
fn a_paying_call_sees_the_base_fee_of_the_block_it_names() {
    let node = Node::new();
    node.advance(&[create(1, 0, init(&SPINNER))]);
    let spinner = TxKind::Call(address(1).create(0));
    let block = node.advance(&[sign(2, TxEip1559 { to: spinner, gas_limit: 16_000_000, ..transaction(0) })]);
    let fee = block.block.header.base_fee_per_gas.unwrap();
    let input = CallInput { gas: Some(100_000), gas_price: GWEI, ..to(CONTRACT, Bytes::new()) };
    let told = call(&node, &input, BlockAt::Head, &pretend(code(teller(BASE_FEE)))).unwrap();
    assert_ne!(fee, node.chain.next_base_fee());
    assert_eq!(told.output, Bytes::from(words(&[fee])));
}

#[test]
fn a_caller_can_pretend_code_balance_and_storage() {
    let node = Node::new();
    let told =
        |account| call(&node, &to(CONTRACT, Bytes::new()), BlockAt::Head, &pretend(account)).unwrap().output;
    let balance = AccountOverride { balance: Some(U256::from(77)), ..code(teller(SELF_BALANCE)) };
    assert_eq!(told(balance), Bytes::from(words(&[77])));
    let slots = AccountOverride { storage: [(U256::ZERO, U256::from(5))].into(), ..code(reader()) };
    assert_eq!(told(slots), Bytes::from(words(&[5])));
}

#[test]
fn replaced_storage_hides_what_is_there() {
    let node = Node::new();
    let contract = address(1).create(0);
    node.advance(&[create(1, 0, init(&WRITER))]);
    node.advance(&[message(2, 0, contract, words(&[0, 9]))]);
    let told = |replaces_storage, storage: &[(U256, U256)]| {
        let storage = storage.iter().copied().collect();
        let account = AccountOverride { storage, replaces_storage, ..code(reader()) };
        let overrides = Overrides { accounts: [(contract, account)].into() };
        call(&node, &to(contract, Bytes::new()), BlockAt::Head, &overrides).unwrap().output
    };
    let other = (U256::ONE, U256::ONE);
    assert_eq!(told(false, &[other]), Bytes::from(words(&[9])));
    assert_eq!(told(true, &[other]), Bytes::from(words(&[0])));
}

#[test]
fn a_call_beyond_the_callers_means_is_refused() {
    let node = Node::new();
    let input = CallInput { from: PAYEE, to: Some(CONTRACT), value: U256::ONE, ..CallInput::default() };
    assert!(matches!(
        call(&node, &input, BlockAt::Head, &Overrides::default()),
        Err(CallFailure::Refused { .. })
    ));
}

#[test]
fn a_transfer_is_estimated_exactly() {
    let node = Node::new();
    let input = CallInput { value: U256::ONE, ..to(PAYEE, Bytes::new()) };
    assert_eq!(estimate(&node, &input), Ok(21_000));
}

#[test]
fn a_poor_sender_gets_an_estimate_of_what_it_can_pay() {
    let node = Node::new();
    let owned = U256::from(50_000 * GWEI);
    node.advance(&[sign(1, TxEip1559 { to: TxKind::Call(PAYEE), value: owned, ..transaction(0) })]);
    let input = CallInput { from: PAYEE, to: Some(address(1)), gas_price: GWEI, ..CallInput::default() };
    assert_eq!(estimate(&node, &input), Ok(21_000));
}

#[test]
fn an_estimate_of_what_always_fails_is_its_failure() {
    let node = Node::new();
    node.advance(&[create(1, 0, init(&REVERTER)), create(1, 1, init(&SPINNER))]);
    let estimate = |nonce| estimate(&node, &to(address(1).create(nonce), Bytes::new()));
    assert_eq!(estimate(0), Err(CallFailure::Reverted { data: words(&[42]).into() }));
    assert_eq!(estimate(1), Err(CallFailure::Halted { reason: "out of gas".to_owned() }));
}

/// Calls the contract of its input's first word with the rest as input; 1 below the top one 64th of the gas stays here.
const RELAY: [u8; 32] = [
    0x60, 0x40, 0x60, 0x20, 0x60, 0, 0x37, 0x60, 0, 0x60, 0, 0x60, 0x40, 0x60, 0, 0x60, 0, 0x60, 0, 0x35,
    0x5a, 0xf1, 0x60, 0x1f, 0x57, 0x60, 0, 0x60, 0, 0xfd, 0xfe, 0x5b,
];

#[test]
fn a_transaction_with_the_estimated_gas_succeeds() {
    let node = Node::new();
    let (writer, relay) = (address(1).create(0), address(1).create(1));
    node.advance(&[create(1, 0, init(&WRITER)), create(1, 1, init(&RELAY))]);
    let relayed = |slot, value| [writer.into_word().to_vec(), words(&[slot, value])].concat();
    // The fourth frees a slot: it needs more gas than it uses in the end.
    let inputs = [
        (writer, words(&[1, 2])),
        (relay, relayed(2, 3)),
        (writer, words(&[1, 4])),
        (writer, words(&[1, 0])),
        (relay, relayed(2, 0)),
        (PAYEE, vec![0xff; 2_000]),
    ];
    for (nonce, (contract, data)) in (0u64..).zip(inputs) {
        let gas_limit = estimate(&node, &to(contract, data.clone())).unwrap();
        let (to, input) = (TxKind::Call(contract), data.into());
        let block = node.advance(&[sign(2, TxEip1559 { to, input, gas_limit, ..transaction(nonce) })]);
        assert!(block.receipts[0].status(), "{nonce} with {gas_limit}");
        assert!(gas_limit <= block.block.header.gas_used * 3 / 2);
    }
    assert_eq!(node.slot(writer, 1), U256::ZERO);
    assert_eq!(node.slot(writer, 2), U256::ZERO);
    assert!(node.balance(address(2)) < U256::from(ETHER));
}

#[test]
fn a_creation_is_called_and_estimated_too() {
    let node = Node::new();
    let input = CallInput { from: address(2), data: init(&WRITER).into(), ..CallInput::default() };
    let outcome = call(&node, &input, BlockAt::Head, &Overrides::default()).unwrap();
    assert_eq!(outcome.output, Bytes::from(WRITER.to_vec()));
    assert!(estimate(&node, &input).unwrap() >= outcome.gas_used);
}
