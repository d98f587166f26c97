use super::{Current, Desired, Plan, Sign, contract_address, plan};
use alloy_primitives::{Address, Bytes, address};
use cid::Cid;
use nubes_base::app::{AppRecord, RECORD_VERSION};
use std::collections::{BTreeMap, BTreeSet};

const ME: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
const OTHER: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");

fn cid(text: &str) -> Cid {
    Cid::try_from(text).unwrap()
}

fn desired() -> Desired {
    let site = cid("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    let record = AppRecord {
        version: RECORD_VERSION,
        name: "guestbook".parse().unwrap(),
        site: Some(site),
        functions: BTreeMap::new(),
        contracts: BTreeMap::new(),
    };
    let contracts = BTreeMap::from([("guestbook".to_owned(), Bytes::from_static(&[0x60, 0x00]))]);
    let record_cid = cid("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    Desired { record, record_cid, contracts, site_bytes: 7 }
}

fn signs(plan: &Plan) -> Vec<(&'static str, Sign)> {
    plan.changes.iter().map(|change| (change.kind, change.sign)).collect()
}

#[test]
fn a_first_deployment_adds_everything_in_order() {
    let plan = plan(&desired(), &Current::default(), ME).unwrap();
    assert_eq!(signs(&plan), [("contract", Sign::Add), ("site", Sign::Add), ("name", Sign::Add)]);
    let steps: Vec<_> = plan.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(steps, ["contract guestbook", "name guestbook", "record of guestbook"]);
}

#[test]
fn deploying_again_changes_nothing() {
    let desired = desired();
    let current = Current {
        owner: Some(ME),
        record: Some((desired.record_cid, desired.record.clone())),
        deployed: BTreeSet::from([contract_address(&desired.contracts["guestbook"])]),
    };
    let plan = plan(&desired, &current, ME).unwrap();
    assert!(plan.is_empty());
    assert_eq!(signs(&plan), [("contract", Sign::Keep), ("site", Sign::Keep), ("name", Sign::Keep)]);
}

#[test]
fn a_changed_site_is_one_transaction() {
    let desired = desired();
    let mut before = desired.record.clone();
    before.site = Some(cid("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"));
    let current = Current {
        owner: Some(ME),
        record: Some((cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"), before)),
        deployed: BTreeSet::from([contract_address(&desired.contracts["guestbook"])]),
    };
    let plan = plan(&desired, &current, ME).unwrap();
    assert_eq!(signs(&plan), [("contract", Sign::Keep), ("site", Sign::Change), ("name", Sign::Change)]);
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn the_name_of_somebody_else_is_refused() {
    let current = Current { owner: Some(OTHER), ..Current::default() };
    let failure = plan(&desired(), &current, ME).unwrap_err();
    assert_eq!(failure.error_code().to_string(), "NX1018");
}
