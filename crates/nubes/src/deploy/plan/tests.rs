use super::{Current, Desired, Plan, Sign, contract_address, plan, roll_back, take_down};
use alloy_primitives::{Address, Bytes, address, keccak256};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::app::{AppRecord, HISTORY_KEY, RECORD_KEY, RECORD_VERSION};
use nubes_contracts::{
    FIRST_COME_REGISTRAR, FirstComeRegistrar, NameRegistry, PUBLIC_RESOLVER, PublicResolver, node_of,
};
use std::collections::{BTreeMap, BTreeSet};

const ME: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
const OTHER: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");

const DAY: u64 = 86_400;
/// So much is left of a name that needs no renewal.
const LONG: u64 = 30 * DAY;

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
    let call = FirstComeRegistrar::registerWithCall::abi_decode(&plan.steps[1].data).unwrap();
    assert_eq!((call.owner, call.duration), (ME, 365 * DAY));
}

#[test]
fn deploying_again_changes_nothing() {
    let desired = desired();
    let current = Current {
        owner: Some(ME),
        app_owner: Some(ME),
        seconds_left: LONG,
        record: Some((desired.record_cid, desired.record.clone())),
        history: Vec::new(),
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
        app_owner: Some(ME),
        seconds_left: LONG,
        record: Some((cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"), before)),
        history: Vec::new(),
        deployed: BTreeSet::from([contract_address(&desired.contracts["guestbook"])]),
    };
    let plan = plan(&desired, &current, ME).unwrap();
    assert_eq!(signs(&plan), [("contract", Sign::Keep), ("site", Sign::Change), ("name", Sign::Change)]);
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn the_name_of_somebody_else_is_refused() {
    let current = Current { owner: Some(OTHER), app_owner: Some(OTHER), ..Current::default() };
    let failure = plan(&desired(), &current, ME).unwrap_err();
    assert_eq!(failure.error_code().to_string(), "NX1018");
}

/// The text records that a plan's one transaction sets.
fn texts(plan: &Plan) -> BTreeMap<String, String> {
    assert_eq!(plan.steps.len(), 1);
    let call = PublicResolver::multicallCall::abi_decode(&plan.steps[0].data).unwrap();
    let texts = call.data.iter().filter_map(|data| PublicResolver::setTextCall::abi_decode(data).ok());
    texts.map(|text| (text.key, text.value)).collect()
}

#[test]
fn former_records_are_remembered_and_led_back_to() {
    let desired = desired();
    let old = cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
    let older = cid("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi");
    let mut before = desired.record.clone();
    before.site = None;
    let current = Current {
        owner: Some(ME),
        app_owner: Some(ME),
        seconds_left: LONG,
        record: Some((old, before.clone())),
        history: vec![older, old],
        deployed: BTreeSet::from([contract_address(&desired.contracts["guestbook"])]),
    };
    let forward = texts(&plan(&desired, &current, ME).unwrap());
    assert_eq!(forward[HISTORY_KEY], format!("{old} {older}"));
    let back = roll_back(&desired.record.name, (&older, &desired.record), &current, ME).unwrap();
    assert_eq!(signs(&back), [("site", Sign::Add), ("name", Sign::Change)]);
    let back = texts(&back);
    assert_eq!((&back[RECORD_KEY], &back[HISTORY_KEY]), (&older.to_string(), &old.to_string()));
    let many = Current { history: vec![older; 30], ..current.clone() };
    assert_eq!(texts(&plan(&desired, &many, ME).unwrap())[HISTORY_KEY], format!("{old} {older}"));
    let refused = roll_back(&desired.record.name, (&older, &before), &current, OTHER).unwrap_err();
    assert_eq!(refused.error_code().to_string(), "NX1018");
}

/// The same app as its preview `fix`.
fn preview() -> Desired {
    let mut desired = desired();
    desired.record.name = desired.record.name.with_preview("fix").unwrap();
    desired.contracts.clear();
    desired
}

fn whats(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.what.as_str()).collect()
}

#[test]
fn the_owner_of_an_app_makes_a_preview_below_its_name() {
    let live = Current { app_owner: Some(ME), seconds_left: LONG, ..Current::default() };
    let plan = plan(&preview(), &live, ME).unwrap();
    assert_eq!(whats(&plan), ["name fix.guestbook", "record of fix--guestbook"]);
    let call = NameRegistry::setSubnodeRecordCall::abi_decode(&plan.steps[0].data).unwrap();
    assert_eq!((call.node, call.label), (node_of("guestbook"), keccak256("fix")));
    assert_eq!((call.newOwner, call.newResolver), (ME, PUBLIC_RESOLVER));
    let call = PublicResolver::multicallCall::abi_decode(&plan.steps[1].data).unwrap();
    let clear = PublicResolver::clearRecordsCall::abi_decode(&call.data[0]).unwrap();
    assert_eq!(clear.node, node_of("fix.guestbook"), "nothing answers that somebody left there");
    let text = PublicResolver::setTextCall::abi_decode(&call.data[1]).unwrap();
    assert_eq!(text.node, node_of("fix.guestbook"), "the live app's records stay");
}

#[test]
fn a_preview_may_come_before_its_app() {
    let plan = plan(&preview(), &Current::default(), ME).unwrap();
    assert_eq!(whats(&plan), ["name guestbook", "name fix.guestbook", "record of fix--guestbook"]);
}

#[test]
fn a_preview_of_somebody_elses_app_is_refused() {
    for current in [
        Current { app_owner: Some(OTHER), ..Current::default() },
        Current { app_owner: Some(ME), owner: Some(OTHER), ..Current::default() },
        Current { app_owner: Some(OTHER), owner: Some(ME), ..Current::default() },
    ] {
        let failures = [
            plan(&preview(), &current, ME).unwrap_err(),
            take_down(&preview().record.name, &current, ME).unwrap_err(),
        ];
        assert!(failures.iter().all(|failure| failure.error_code().number() == 1018), "{failures:?}");
    }
}

#[test]
fn a_preview_that_is_there_is_kept_and_taken_down() {
    let desired = preview();
    let name = &desired.record.name;
    let current = Current {
        owner: Some(ME),
        app_owner: Some(ME),
        seconds_left: LONG,
        record: Some((desired.record_cid, desired.record.clone())),
        ..Current::default()
    };
    assert!(plan(&desired, &current, ME).unwrap().is_empty());
    let mut changed = desired.clone();
    changed.record_cid = cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy");
    let changes = plan(&changed, &current, ME).unwrap();
    let calls = PublicResolver::multicallCall::abi_decode(&changes.steps[0].data).unwrap().data;
    assert!(calls.iter().all(|call| PublicResolver::clearRecordsCall::abi_decode(call).is_err()));
    let down = take_down(name, &current, ME).unwrap();
    assert_eq!(signs(&down), [("site", Sign::Remove), ("name", Sign::Remove)]);
    assert_eq!(whats(&down), ["record of fix--guestbook", "name fix.guestbook"]);
    let call = NameRegistry::setSubnodeRecordCall::abi_decode(&down.steps[1].data).unwrap();
    assert_eq!((call.node, call.label), (node_of("guestbook"), keccak256("fix")));
    assert_eq!((call.newOwner, call.newResolver), (Address::ZERO, Address::ZERO));
    let gone = Current { app_owner: Some(ME), ..Current::default() };
    assert!(take_down(name, &gone, ME).unwrap().is_empty());
    assert!(take_down(&desired.record.name.app().parse().unwrap(), &current, ME).unwrap().is_empty());
}

#[test]
fn a_name_is_renewed_when_less_than_thirty_days_are_left_and_only_then() {
    for (desired, seconds_left, expect) in [
        (desired(), LONG, false),
        (desired(), LONG - 1, true),
        (desired(), 0, true),
        (preview(), LONG, false),
        (preview(), LONG - 1, true),
    ] {
        let current = Current {
            owner: Some(ME),
            app_owner: Some(ME),
            seconds_left,
            record: Some((desired.record_cid, desired.record.clone())),
            history: Vec::new(),
            deployed: desired.contracts.values().map(|code| contract_address(code)).collect(),
        };
        let plan = plan(&desired, &current, ME).unwrap();
        let whats: &[&str] = if expect { &["renewal of guestbook"] } else { &[] };
        assert_eq!(self::whats(&plan), whats, "{seconds_left}");
        if let Some(step) = plan.steps.first() {
            let call = FirstComeRegistrar::renewCall::abi_decode(&step.data).unwrap();
            assert_eq!(step.to, FIRST_COME_REGISTRAR);
            assert_eq!((call.label, call.duration), (keccak256("guestbook"), 365 * DAY));
        }
    }
}
