use super::{DEVELOPMENT_ACCOUNTS, Genesis, GenesisError};
use alloy_primitives::U256;

#[test]
fn the_development_genesis_survives_its_json() {
    let genesis = Genesis::development();
    assert_eq!(Genesis::from_json(genesis.to_json().as_bytes()).unwrap(), genesis);
    assert!(genesis.is_development());
    assert_eq!(genesis.alloc[&DEVELOPMENT_ACCOUNTS[0]].balance, U256::from(10u128.pow(22)));
}

#[test]
fn a_bad_genesis_is_refused() {
    let check = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = Genesis::development();
        change(&mut genesis);
        Genesis::from_json(genesis.to_json().as_bytes()).unwrap_err()
    };
    assert!(matches!(check(&|g| g.chain_id = 0), GenesisError::ChainId));
    assert!(matches!(check(&|g| g.gas_limit = 1), GenesisError::GasLimit { given: 1 }));
    assert!(matches!(check(&|g| g.base_fee_per_gas = 0), GenesisError::BaseFee { given: 0 }));
    let rich = |g: &mut Genesis| {
        for address in DEVELOPMENT_ACCOUNTS {
            g.alloc.get_mut(&address).unwrap().balance = U256::MAX;
        }
    };
    assert!(matches!(check(&rich), GenesisError::Supply));
    assert!(matches!(Genesis::from_json(b"{\"chainId\":1,\"extra\":2}"), Err(GenesisError::Json { .. })));
}
