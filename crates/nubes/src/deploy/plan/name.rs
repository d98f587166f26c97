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
const TERM_SECONDS: u64 = 365 * 86_400;
/// A deployment renews a name of which less is left.
const RENEWAL_SECONDS: u64 = 30 * 86_400;

/// Whether the signer may do what it plans. Of a preview both names count: the owner of the app could take the preview from
/// whoever has it, and is asked to say so.
pub(super) fn check_owner(name: &AppName, current: &Current, signer: Address) -> Result<(), Failure> {
    let (on_ledger, app, preview) = (name.on_ledger(), name.app(), name.preview());
    for (name, owner) in [(app, current.app_owner), (on_ledger.as_str(), current.owner)] {
        if let Some(owner) = owner.filter(|owner| *owner != signer) {
            let what = format!("`{name}` belongs to {owner}, not to the signer {signer}");
            let failure = Failure::new(1018, Exit::Denied, what);
            return Err(match preview {
                Some(preview) if current.app_owner == Some(signer) => {
                    failure.help(format!("take it first: `nubes name sub {app} {preview}`"))
                }
                _ => failure,
            });
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
    let mut calls = Vec::new();
    if let (None, Some(preview)) = (current.owner, name.preview()) {
        plan.steps.push(give_below(name, preview, signer, PUBLIC_RESOLVER));
        // Who had it before may have left records. Those of an app's own name the registrar clears.
        calls.push(clear(name));
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
        calls.extend(point_to(name, (&desired.record_cid, &desired.record), current));
        plan.steps.push(write(name, calls));
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

/// The calls that make the name stand for a record, and remember what it stood for.
pub(super) fn point_to(name: &AppName, (cid, record): (&Cid, &AppRecord), current: &Current) -> Vec<Bytes> {
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
    let mut calls = vec![set(RECORD_KEY, cid.to_string()), hash.abi_encode().into()];
    if !history.is_empty() {
        calls.push(set(HISTORY_KEY, history.join(" ")));
    }
    calls
}

/// Clears the records of a preview's name, then lets go of the name. In this order, since only its owner may clear them.
pub(super) fn give_up(name: &AppName, preview: &str) -> [Step; 2] {
    let let_go = give_below(name, preview, Address::ZERO, Address::ZERO);
    [write(name, vec![clear(name)]), let_go]
}

fn clear(name: &AppName) -> Bytes {
    PublicResolver::clearRecordsCall { node: node_of(&name.on_ledger()) }.abi_encode().into()
}

/// Carries out calls to the resolver in one step, so that nobody sees a part of them.
pub(super) fn write(name: &AppName, calls: Vec<Bytes>) -> Step {
    let data = PublicResolver::multicallCall { data: calls }.abi_encode().into();
    Step { what: format!("record of {name}"), to: PUBLIC_RESOLVER, data }
}
