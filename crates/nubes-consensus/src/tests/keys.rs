//! Keys and committees as files keep them.

use crate::{Committee, CommitteeError, Identity, VALIDATORS_MAX, ValidatorKeys, deal_committee};
use proptest::{collection::vec, prelude::*};

#[test]
fn keys_and_committee_come_back_from_their_bytes() {
    let (committee, keys) = deal_committee(4, [1; 32]).unwrap();
    let again = Committee::new(&committee.members(), &committee.sharing_bytes()).unwrap();
    assert_eq!(again.members(), committee.members());
    assert_eq!(again.group_key(), committee.group_key());
    assert_eq!(again.group_key().len(), 96);
    for keys in keys {
        let again = ValidatorKeys::from_secret_bytes(&keys.to_secret_bytes()).unwrap();
        assert_eq!(again.to_secret_bytes(), keys.to_secret_bytes());
        assert_eq!(again.identity(), Identity::from_bytes(&keys.identity().to_bytes()).unwrap());
        assert!(committee.members().contains(&keys.identity()));
    }
}

#[test]
fn one_seed_deals_one_committee_and_two_seeds_two() {
    let group = |seed| deal_committee(4, [seed; 32]).unwrap().0.group_key();
    assert_eq!(group(1), group(1));
    assert_ne!(group(1), group(2));
}

#[test]
fn secrets_are_not_printed() {
    let (_, keys) = deal_committee(1, [1; 32]).unwrap();
    let printed = format!("{:?} {:#?}", keys[0], keys[0]).replace(['\n', ' ', ','], "").to_lowercase();
    let secrets = keys[0].to_secret_bytes();
    for secret in secrets.windows(8) {
        let decimal: String = secret.iter().map(ToString::to_string).collect();
        assert!(!printed.contains(&hex::encode(secret)) && !printed.contains(&decimal));
    }
}

#[test]
fn a_committee_has_1_to_100_members() {
    assert!(matches!(deal_committee(0, [1; 32]), Err(CommitteeError::Size(0))));
    assert!(matches!(deal_committee(VALIDATORS_MAX + 1, [1; 32]), Err(CommitteeError::Size(101))));
    let (committee, keys) = deal_committee(VALIDATORS_MAX, [1; 32]).unwrap();
    assert_eq!(keys.len(), 100);
    assert!(Committee::new(&committee.members(), &committee.sharing_bytes()).is_ok());
}

#[test]
fn a_committee_that_does_not_fit_its_sharing_is_refused() {
    let (committee, _) = deal_committee(4, [1; 32]).unwrap();
    let (members, sharing) = (committee.members(), committee.sharing_bytes());
    let twice = [&members[..3], &members[..1]].concat();
    assert!(matches!(Committee::new(&twice, &sharing), Err(CommitteeError::Duplicate)));
    assert!(matches!(
        Committee::new(&members[..3], &sharing),
        Err(CommitteeError::Seats { seats: 4, members: 3 })
    ));
    assert!(matches!(Committee::new(&members, &[sharing, vec![0]].concat()), Err(CommitteeError::Key(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in vec(any::<u8>(), 0..400)) {
        let (committee, _) = deal_committee(1, [1; 32]).unwrap();
        let _ = Identity::from_bytes(&bytes);
        let _ = ValidatorKeys::from_secret_bytes(&bytes);
        let _ = Committee::new(&committee.members(), &bytes);
    }

    #[test]
    fn no_damage_to_a_sharing_makes_the_decoder_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (committee, _) = deal_committee(4, [1; 32]).unwrap();
        let mut sharing = committee.sharing_bytes();
        *at.get_mut(&mut sharing) = byte;
        let _ = Committee::new(&committee.members(), &sharing);
    }
}
