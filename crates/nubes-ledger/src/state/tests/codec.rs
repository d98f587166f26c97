use super::block;
use crate::state::{Account, StoredBlock};
use alloy_primitives::{B256, U256};
use alloy_trie::TrieAccount;
use proptest::{array::uniform32, collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_account_survives_and_lies_as_ethereum_has_it(
        nonce: u64, balance in uniform32(any::<u8>()), root in uniform32(any::<u8>()), code in uniform32(any::<u8>())
    ) {
        let (balance, storage_root, code_hash) = (U256::from_be_bytes(balance), B256::from(root), B256::from(code));
        let account = Account { nonce, balance, storage_root, code_hash };
        prop_assert_eq!(Account::from_rlp(&account.to_rlp()), Ok(account));
        prop_assert_eq!(account.to_rlp(), alloy_rlp::encode(TrieAccount { nonce, balance, storage_root, code_hash }));
    }

    #[test]
    fn damaged_bytes_are_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..200), cut: prop::sample::Index) {
        let _ = Account::from_rlp(&bytes);
        prop_assert!(StoredBlock::decode(B256::ZERO, &bytes, &bytes).is_err());
        let stored = block(7, B256::ZERO, B256::ZERO);
        let whole = stored.block_bytes();
        let part = &whole[..cut.index(whole.len())];
        prop_assert!(StoredBlock::decode(stored.hash, part, &stored.receipt_bytes()).is_err());
    }
}
