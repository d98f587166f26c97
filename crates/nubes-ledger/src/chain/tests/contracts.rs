use super::{
    ETHER, GWEI, LOGGER, Node, PAYEE, REVERTER, SPINNER, Twins, WRITER, address, create, init, message, pay,
    sign, transaction, words,
};
use crate::chain::{BlockAt, LogFilter};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEip7702, TxEnvelope, transaction::Recovered};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync as _;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use nubes_contracts::{BEACON_ROOTS, CREATE2_DEPLOYER, HISTORY_STORAGE, TEST_DOLLAR, TestDollar};

/// EIP-4788 keeps timestamps and roots in two rings of this length, EIP-2935 hashes in one.
const RING: u64 = 8_191;

#[test]
fn a_transfer_moves_value_and_burns_the_base_fee() {
    let twins = Twins::new();
    let block = twins.advance(&[pay(1, 0, 7)]);
    let header = &block.block.header;
    let fee = U256::from(header.gas_used) * U256::from(header.base_fee_per_gas.unwrap());
    let node = &twins.checker;
    assert_eq!(header.gas_used, 21_000);
    assert!(block.receipts[0].status());
    assert_eq!(node.balance(PAYEE), U256::from(7));
    assert_eq!(node.balance(address(1)), U256::from(ETHER) - U256::from(7) - fee);
    assert_eq!(node.balance(header.beneficiary), U256::ZERO);
    assert_eq!(node.nonce(address(1)), 1);
    twins.check_committed(PAYEE, &[]);
    twins.check_committed(address(1), &[]);
}

#[test]
fn a_tip_goes_to_the_beneficiary() {
    let twins = Twins::new();
    let tip = sign(1, TxEip1559 { max_priority_fee_per_gas: 3, ..transaction(0) });
    let block = twins.advance(&[tip]);
    assert_eq!(twins.checker.balance(block.block.header.beneficiary), U256::from(3 * 21_000));
}

#[test]
fn a_deployed_contract_keeps_its_code_and_storage() {
    let twins = Twins::new();
    let contract = address(1).create(0);
    let block = twins.advance(&[create(1, 0, init(&WRITER)), message(2, 0, contract, words(&[5, 6]))]);
    assert!(block.receipts.iter().all(alloy_consensus::ReceiptEnvelope::status));
    assert_eq!(twins.checker.code(contract), Bytes::from(WRITER.to_vec()));
    assert_eq!(twins.checker.slot(contract, 5), U256::from(6));
    twins.check_committed(contract, &[U256::from(5), U256::from(6)]);
    twins.advance(&[message(2, 1, contract, words(&[5, 0])), message(2, 2, contract, words(&[7, 8]))]);
    assert_eq!(twins.checker.slot(contract, 5), U256::ZERO);
    assert_eq!(twins.checker.slot(contract, 7), U256::from(8));
    twins.check_committed(contract, &[U256::from(5), U256::from(7)]);
}

#[test]
fn the_create2_deployer_deploys_where_everybody_computes() {
    let twins = Twins::new();
    let (salt, code) = (B256::repeat_byte(3), init(&WRITER));
    let contract = CREATE2_DEPLOYER.create2_from_code(salt, &code);
    let block = twins.advance(&[message(1, 0, CREATE2_DEPLOYER, [salt.to_vec(), code].concat())]);
    assert!(block.receipts[0].status());
    assert_eq!(twins.checker.code(contract), Bytes::from(WRITER.to_vec()));
    twins.check_committed(contract, &[]);
}

#[test]
fn a_revert_costs_gas_and_changes_nothing_else() {
    let twins = Twins::new();
    let contract = address(1).create(0);
    twins.advance(&[create(1, 0, init(&REVERTER))]);
    let value = U256::from(9);
    let doomed = TxEip1559 { to: TxKind::Call(contract), value, gas_limit: 100_000, ..transaction(0) };
    let block = twins.advance(&[sign(2, doomed)]);
    assert!(!block.receipts[0].status() && block.block.header.gas_used < 100_000);
    assert_eq!(twins.checker.balance(contract), U256::ZERO);
    assert_eq!(twins.checker.slot(contract, 0), U256::ZERO);
    assert_eq!(twins.checker.nonce(address(2)), 1);
    twins.check_committed(contract, &[U256::ZERO]);
}

#[test]
fn running_out_of_gas_costs_all_of_it() {
    let twins = Twins::new();
    let contract = address(1).create(0);
    twins.advance(&[create(1, 0, init(&SPINNER))]);
    let block = twins.advance(&[message(2, 0, contract, Bytes::new())]);
    assert!(!block.receipts[0].status());
    assert_eq!(block.block.header.gas_used, 500_000);
    assert_eq!(twins.checker.slot(contract, 0), U256::ZERO);
}

/// Creation code that writes the value it is sent into slot 0; sent 1 it destroys itself, else it leaves one byte.
const PHOENIX: [u8; 24] = [
    0x34, 0x60, 0, 0x55, 0x60, 1, 0x34, 0x14, 0x60, 0x15, 0x57, 0x60, 0, 0x60, 0, 0x53, 0x60, 1, 0x60, 0,
    0xf3, 0x5b, 0x33, 0xff,
];

fn phoenix(nonce: u64, value: u64) -> super::Shared {
    let input = [B256::ZERO.to_vec(), PHOENIX.to_vec()].concat().into();
    let to = TxKind::Call(CREATE2_DEPLOYER);
    sign(1, TxEip1559 { to, value: U256::from(value), input, gas_limit: 500_000, ..transaction(nonce) })
}

#[test]
fn a_contract_that_destroys_itself_at_birth_leaves_nothing() {
    let twins = Twins::new();
    let contract = CREATE2_DEPLOYER.create2_from_code(B256::ZERO, PHOENIX);
    let block = twins.advance(&[pay(2, 0, 1), phoenix(0, 1)]);
    assert!(block.receipts[1].status());
    assert!(twins.checker.code(contract).is_empty());
    assert_eq!(twins.checker.slot(contract, 0), U256::ZERO);
    twins.check_committed(contract, &[U256::ZERO]);
}

#[test]
fn an_address_with_coins_whose_contract_destroys_itself_is_gone() {
    let twins = Twins::new();
    let contract = CREATE2_DEPLOYER.create2_from_code(B256::ZERO, PHOENIX);
    let gift = TxEip1559 { to: TxKind::Call(contract), value: U256::from(50), ..transaction(0) };
    twins.advance(&[sign(2, gift)]);
    assert_eq!(twins.checker.balance(contract), U256::from(50));
    twins.advance(&[phoenix(0, 1)]);
    assert_eq!(twins.checker.balance(contract), U256::ZERO);
    assert_eq!(twins.checker.balance(CREATE2_DEPLOYER), U256::from(51));
    twins.check_committed(contract, &[U256::ZERO]);
}

#[test]
fn a_contract_can_come_back_in_the_block_of_its_end() {
    let twins = Twins::new();
    let contract = CREATE2_DEPLOYER.create2_from_code(B256::ZERO, PHOENIX);
    let block = twins.advance(&[phoenix(0, 1), phoenix(1, 2)]);
    assert!(block.receipts.iter().all(alloy_consensus::ReceiptEnvelope::status));
    assert_eq!(twins.checker.code(contract), Bytes::from(vec![0]));
    assert_eq!(twins.checker.slot(contract, 0), U256::from(2));
    assert_eq!(twins.checker.balance(contract), U256::from(2));
    twins.check_committed(contract, &[U256::ZERO]);
}

#[test]
fn an_account_can_borrow_code_and_give_it_back() {
    let twins = Twins::new();
    let writer = address(1).create(0);
    twins.advance(&[create(1, 0, init(&WRITER))]);
    let delegate = |nonce, to, sender_nonce| {
        let chain_id = U256::from(crate::DEVELOPMENT_CHAIN_ID);
        let authorization = Authorization { chain_id, address: to, nonce };
        let signature = super::signer(2).sign_hash_sync(&authorization.signature_hash()).unwrap();
        let transaction = TxEip7702 {
            chain_id: crate::DEVELOPMENT_CHAIN_ID,
            nonce: sender_nonce,
            gas_limit: 200_000,
            max_fee_per_gas: GWEI,
            to: address(2),
            authorization_list: vec![authorization.into_signed(signature)],
            input: words(&[1, 2]).into(),
            ..TxEip7702::default()
        };
        sign(3, transaction)
    };
    let block = twins.advance(&[delegate(0, writer, 0)]);
    assert!(block.receipts[0].status());
    let pointer = [&[0xef, 0x01, 0x00], writer.as_slice()].concat();
    assert_eq!(twins.checker.code(address(2)), Bytes::from(pointer));
    assert_eq!(twins.checker.slot(address(2), 1), U256::from(2));
    twins.check_committed(address(2), &[U256::ONE]);
    twins.advance(&[message(4, 0, address(2), words(&[1, 3])), pay(2, 1, 1)]);
    assert_eq!(twins.checker.slot(address(2), 1), U256::from(3));
    twins.advance(&[delegate(2, Address::ZERO, 1)]);
    assert!(twins.checker.code(address(2)).is_empty());
    assert_eq!(twins.checker.slot(address(2), 1), U256::from(3));
    twins.check_committed(address(2), &[U256::ONE]);
}

#[test]
fn logs_are_in_the_receipt_the_bloom_and_the_query() {
    let twins = Twins::new();
    let logger = address(1).create(0);
    let block = twins.advance(&[
        create(1, 0, init(&LOGGER)),
        message(2, 0, logger, words(&[7])),
        message(2, 1, logger, words(&[8])),
    ]);
    let topic = |word: u64| B256::from(U256::from(word));
    assert_eq!(block.receipts[1].logs()[0].topics(), [topic(7)]);
    assert!(!block.block.header.logs_bloom.is_zero());
    let wanted = LogFilter { addresses: vec![logger], topics: vec![vec![topic(8)]] };
    let found = twins.checker.chain.logs(0, 1, &wanted).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].transaction_index, found[0].log_index, found[0].block_hash), (2, 1, block.hash));
    let unwanted = LogFilter { topics: vec![vec![topic(9)]], ..LogFilter::default() };
    assert!(twins.checker.chain.logs(0, 1, &unwanted).unwrap().is_empty());
}

#[test]
fn dollars_move_between_holders() {
    let twins = Twins::new();
    let holder = crate::DEVELOPMENT_ACCOUNTS[0];
    let signer = alloy_signer_local::MnemonicBuilder::from_phrase_nth(
        "test test test test test test test test test test test junk",
        0,
    );
    let input = TestDollar::transferCall { to: PAYEE, value: U256::from(5) }.abi_encode().into();
    let transfer = TxEip1559 { to: TxKind::Call(TEST_DOLLAR), input, gas_limit: 100_000, ..transaction(0) };
    let signature = signer.sign_hash_sync(&transfer.signature_hash()).unwrap();
    let signed = TxEnvelope::from(transfer.into_signed(signature));
    let block = twins.advance(&[Recovered::new_unchecked(signed, holder).into()]);
    let event = TestDollar::Transfer::decode_log(&block.receipts[0].logs()[0]).unwrap();
    assert_eq!((event.from, event.to, event.value), (holder, PAYEE, U256::from(5)));
    let slot = U256::from_be_bytes(keccak256([PAYEE.into_word(), B256::ZERO].concat()).0);
    assert_eq!(twins.checker.chain.storage(&TEST_DOLLAR, &slot, BlockAt::Head).unwrap(), U256::from(5));
    twins.check_committed(TEST_DOLLAR, &[slot]);
}

#[test]
fn contracts_can_look_up_the_context_and_older_hashes() {
    let twins = Twins::new();
    let first = twins.advance(&[]);
    let second = twins.advance(&[]);
    let header = &second.block.header;
    let node: &Node = &twins.checker;
    let ring = header.timestamp % RING;
    assert_eq!(node.slot(BEACON_ROOTS, ring), U256::from(header.timestamp));
    let context = U256::from_be_bytes(header.parent_beacon_block_root.unwrap().0);
    assert_eq!(node.slot(BEACON_ROOTS, ring + RING), context);
    assert_eq!(node.slot(HISTORY_STORAGE, 1), U256::from_be_bytes(first.hash.0));
    twins.check_committed(HISTORY_STORAGE, &[U256::ZERO, U256::ONE]);
}
