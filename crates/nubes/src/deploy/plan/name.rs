//! The part of a plan that is about the name: who has it, and what it stands for.

use super::{Change, Current, Desired, Plan, Sign, Step};
use crate::failure::{Exit, Failure};
use alloy_primitives::{Address, Bytes, keccak256};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::app::{AppName, AppRecord, HISTORY_KEY, HISTORY_MAX, RECORD_KEY};
use nubes_contracts::{
    FIRST_COME_REGISTRAR, FirstComeRegistrar, NAME_REGISTRY, NameRegistry, PUBLIC_RESOLVER, PublicResolver,
    contenthash, node_of,
};

/// For how long a name is taken and renewed.
pub(crate) const TERM_SECONDS: u64 = 365 * 86_400;
/// A deployment renews a name of which less is left.
const RENEWAL_SECONDS: u64 = 30 * 86_400;

/// Whether the signer may do what it plans. Of a preview both names count: the owner of the app could take the preview from
/// whoever has it, and is asked to say so.
pub(super) fn check_owner(name: &AppName, current: &Current, signer: Address) -> Result<(), Failure> {
    let on_ledger = name.on_ledger();
    for (name, owner) in [(name.app(), current.app_owner), (on_ledger.as_str(), current.owner)] {
        if let Some(owner) = owner.filter(|owner| *owner != signer) {
            let what = format!("`{name}` belongs to {owner}, not to the signer {signer}");
            return Err(Failure::new(1018, Exit::Denied, what));
        }
    }
    Ok(())
}

pub(super) fn plan(desired: &Desired, current: &Current, signer: Address, plan: &mut Plan) {
    let name = &desired.record.name;
    match current.app_owner {
        None => plan.steps.push(register(name.app(), signer)),
        Some(_) if current.seconds_left < RENEWAL_SECONDS => {
            plan.steps.push(renew(name.app()));
            let (name, detail) = (name.app().to_owned(), "renewed for a year".to_owned());
            plan.changes.push(Change { sign: Sign::Change, kind: "name", name, detail });
        }
        Some(_) => {}
    }
    if let (None, Some(preview)) = (current.owner, name.preview()) {
        plan.steps.push(give_below(name, preview, signer, PUBLIC_RESOLVER));
    }
    let unchanged = current.record.as_ref().is_some_and(|(cid, _)| *cid == desired.record_cid);
    let sign = match (current.owner, unchanged) {
        (None, _) => Sign::Add,
        (Some(_), true) => Sign::Keep,
        (Some(_), false) => Sign::Change,
    };
    let detail = desired.record_cid.to_string();
    plan.changes.push(Change { sign, kind: "name", name: name.to_string(), detail });
    if !unchanged {
        plan.steps.push(point_to(name, (&desired.record_cid, &desired.record), current));
    }
}

fn register(app: &str, owner: Address) -> Step {
    let (label, resolver, duration) = (keccak256(app), PUBLIC_RESOLVER, TERM_SECONDS);
    let call = FirstComeRegistrar::registerWithCall { label, owner, resolver, duration };
    Step { what: format!("name {app}"), to: FIRST_COME_REGISTRAR, data: call.abi_encode().into() }
}

fn renew(app: &str) -> Step {
    let call = FirstComeRegistrar::renewCall { label: keccak256(app), duration: TERM_SECONDS };
    Step { what: format!("renewal of {app}"), to: FIRST_COME_REGISTRAR, data: call.abi_encode().into() }
}

/// As the owner of the app, decides about the name of a preview.
fn give_below(name: &AppName, preview: &str, owner: Address, resolver: Address) -> Step {
    let call = NameRegistry::setSubnodeRecordCall {
        node: node_of(name.app()),
        label: keccak256(preview),
        newOwner: owner,
        newResolver: resolver,
        newTtl: 0,
    };
    Step { what: format!("name {}", name.on_ledger()), to: NAME_REGISTRY, data: call.abi_encode().into() }
}

/// Makes the name stand for a record, and remembers what it stood for.
pub(super) fn point_to(name: &AppName, (cid, record): (&Cid, &AppRecord), current: &Current) -> Step {
    let former = current.record.iter().map(|(cid, _)| cid).chain(&current.history);
    let mut history: Vec<String> = Vec::new();
    for former in former.filter(|former| *former != cid).map(ToString::to_string) {
        if history.len() < HISTORY_MAX && !history.contains(&former) {
            history.push(former);
        }
    }
    let node = node_of(&name.on_ledger());
    let set = |key: &str, value: String| {
        Bytes::from(PublicResolver::setTextCall { node, key: key.to_owned(), value }.abi_encode())
    };
    let site = record.site.map(|cid| contenthash::encode(&cid.to_bytes())).unwrap_or_default();
    let hash = PublicResolver::setContenthashCall { node, hash: site };
    let mut data = vec![set(RECORD_KEY, cid.to_string()), hash.abi_encode().into()];
    if !history.is_empty() {
        data.push(set(HISTORY_KEY, history.join(" ")));
    }
    let data = PublicResolver::multicallCall { data }.abi_encode().into();
    Step { what: format!("record of {name}"), to: PUBLIC_RESOLVER, data }
}

/// Clears the records of a preview's name, then lets go of the name. In this order, since only its owner may clear them.
pub(super) fn give_up(name: &AppName, preview: &str) -> [Step; 2] {
    let call = PublicResolver::clearRecordsCall { node: node_of(&name.on_ledger()) };
    let what = format!("record of {name}");
    let clear = Step { what, to: PUBLIC_RESOLVER, data: call.abi_encode().into() };
    [clear, give_below(name, preview, Address::ZERO, Address::ZERO)]
}
