//! What a deployment would change: the difference between the manifest and the ledger. Pure.

use crate::failure::{Exit, Failure};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::app::{AppName, AppRecord, HISTORY_KEY, HISTORY_MAX, RECORD_KEY};
use nubes_contracts::{
    CREATE2_DEPLOYER, FIRST_COME_REGISTRAR, FirstComeRegistrar, PUBLIC_RESOLVER, PublicResolver, contenthash,
    node_of,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the manifest asks for, built and content-addressed.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) record: AppRecord,
    pub(crate) record_cid: Cid,
    /// Creation code by the contract's name.
    pub(crate) contracts: BTreeMap<String, Bytes>,
    /// Size of the site, for the person who reads the plan.
    pub(crate) site_bytes: u64,
}

/// What the ledger says now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current {
    /// None: the name is free.
    pub(crate) owner: Option<Address>,
    pub(crate) record: Option<(Cid, AppRecord)>,
    /// Former records, the newest first.
    pub(crate) history: Vec<Cid>,
    pub(crate) deployed: BTreeSet<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Add,
    Change,
    Keep,
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sign: Sign,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) detail: String,
}

/// One transaction of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) what: String,
    pub(crate) to: Address,
    pub(crate) data: Bytes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<Change>,
    pub(crate) steps: Vec<Step>,
}

/// Where CREATE2 puts a contract: the same address on every chain, so that deploying again is a no-op.
pub(crate) fn contract_address(creation_code: &[u8]) -> Address {
    CREATE2_DEPLOYER.create2(B256::ZERO, keccak256(creation_code))
}

pub(crate) fn plan(desired: &Desired, current: &Current, signer: Address) -> Result<Plan, Failure> {
    let name = &desired.record.name;
    if let Some(owner) = current.owner.filter(|owner| *owner != signer) {
        let what = format!("`{name}` belongs to {owner}, not to the signer {signer}");
        return Err(Failure::new(1018, Exit::Denied, what));
    }
    let mut plan = Plan::default();
    plan_contracts(desired, current, &mut plan);
    let before = current.record.as_ref().map(|(_, record)| record);
    plan_functions(desired, before, &mut plan);
    plan_site(desired, before, &mut plan);
    plan_name(desired, current, signer, &mut plan);
    Ok(plan)
}

fn plan_contracts(desired: &Desired, current: &Current, plan: &mut Plan) {
    for (name, code) in &desired.contracts {
        let address = contract_address(code);
        let sign = if current.deployed.contains(&address) { Sign::Keep } else { Sign::Add };
        if sign == Sign::Add {
            let data = [B256::ZERO.as_slice(), code].concat().into();
            plan.steps.push(Step { what: format!("contract {name}"), to: CREATE2_DEPLOYER, data });
        }
        plan.changes.push(Change { sign, kind: "contract", name: name.clone(), detail: address.to_string() });
    }
}

fn plan_functions(desired: &Desired, before: Option<&AppRecord>, plan: &mut Plan) {
    let functions = &desired.record.functions;
    for (name, function) in functions {
        let sign = match before.and_then(|record| record.functions.get(name)) {
            None => Sign::Add,
            Some(old) if old == function => Sign::Keep,
            Some(_) => Sign::Change,
        };
        let detail = format!("{}  {}", function.route, function.code.cid());
        plan.changes.push(Change { sign, kind: "function", name: name.clone(), detail });
    }
    let gone = before
        .iter()
        .flat_map(|record| record.functions.keys())
        .filter(|name| !functions.contains_key(*name));
    for name in gone {
        plan.changes.push(Change {
            sign: Sign::Remove,
            kind: "function",
            name: name.clone(),
            detail: String::new(),
        });
    }
}

fn plan_site(desired: &Desired, before: Option<&AppRecord>, plan: &mut Plan) {
    let old = before.and_then(|record| record.site);
    let (sign, detail) = match (desired.record.site, old) {
        (None, None) => return,
        (None, Some(cid)) => (Sign::Remove, cid.to_string()),
        (Some(cid), Some(old)) if cid == old => (Sign::Keep, cid.to_string()),
        (Some(cid), Some(_)) => (Sign::Change, format!("{cid}  {} bytes", desired.site_bytes)),
        (Some(cid), None) => (Sign::Add, format!("{cid}  {} bytes", desired.site_bytes)),
    };
    plan.changes.push(Change { sign, kind: "site", name: String::new(), detail });
}

fn plan_name(desired: &Desired, current: &Current, signer: Address, plan: &mut Plan) {
    let name = desired.record.name.as_str();
    if current.owner.is_none() {
        let call = FirstComeRegistrar::registerWithCall {
            label: keccak256(name),
            owner: signer,
            resolver: PUBLIC_RESOLVER,
        };
        let step =
            Step { what: format!("name {name}"), to: FIRST_COME_REGISTRAR, data: call.abi_encode().into() };
        plan.steps.push(step);
    }
    let unchanged = current.record.as_ref().is_some_and(|(cid, _)| *cid == desired.record_cid);
    let sign = match (current.owner, unchanged) {
        (None, _) => Sign::Add,
        (Some(_), true) => Sign::Keep,
        (Some(_), false) => Sign::Change,
    };
    plan.changes.push(Change {
        sign,
        kind: "name",
        name: name.to_owned(),
        detail: desired.record_cid.to_string(),
    });
    if unchanged {
        return;
    }
    plan.steps.push(point_to(&desired.record.name, (&desired.record_cid, &desired.record), current));
}

/// Makes the name stand for a record, and remembers what it stood for.
fn point_to(name: &AppName, (cid, record): (&Cid, &AppRecord), current: &Current) -> Step {
    let node = node_of(name.as_str());
    let set = |key: &str, value: String| {
        Bytes::from(PublicResolver::setTextCall { node, key: key.to_owned(), value }.abi_encode())
    };
    let site = record.site.map(|cid| contenthash::encode(&cid.to_bytes())).unwrap_or_default();
    let hash = PublicResolver::setContenthashCall { node, hash: site };
    let mut data = vec![set(RECORD_KEY, cid.to_string()), hash.abi_encode().into()];
    let former = current.record.iter().map(|(cid, _)| cid).chain(&current.history);
    let mut history: Vec<String> = Vec::new();
    for former in former.filter(|former| *former != cid).map(ToString::to_string) {
        if history.len() < HISTORY_MAX && !history.contains(&former) {
            history.push(former);
        }
    }
    if !history.is_empty() {
        data.push(set(HISTORY_KEY, history.join(" ")));
    }
    let data = PublicResolver::multicallCall { data }.abi_encode().into();
    Step { what: format!("record of {name}"), to: PUBLIC_RESOLVER, data }
}

/// What it takes to make the app again what it was in `target`.
pub(crate) fn roll_back(
    name: &AppName,
    (cid, record): (&Cid, &AppRecord),
    current: &Current,
    signer: Address,
) -> Result<Plan, Failure> {
    if current.owner != Some(signer) {
        let what = format!("`{name}` does not belong to the signer {signer}");
        return Err(Failure::new(1018, Exit::Denied, what));
    }
    let mut plan = Plan::default();
    let before = current.record.as_ref().map(|(_, record)| record);
    let desired =
        Desired { record: record.clone(), record_cid: *cid, contracts: BTreeMap::new(), site_bytes: 0 };
    plan_functions(&desired, before, &mut plan);
    plan_site(&desired, before, &mut plan);
    let change = Change { sign: Sign::Change, kind: "name", name: name.to_string(), detail: cid.to_string() };
    plan.changes.push(change);
    plan.steps.push(point_to(name, (cid, record), current));
    Ok(plan)
}

impl Plan {
    /// Nothing on the ledger would change.
    pub(crate) const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn text(&self) -> String {
        let rows = self.changes.iter().map(|change| {
            format!("  {} {:<9} {:<12} {}", change.sign.mark(), change.kind, change.name, change.detail)
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn to_json(&self) -> Value {
        let changes = self.changes.iter().map(|change| {
            json!({ "change": change.sign.word(), "kind": change.kind, "name": change.name, "detail": change.detail })
        });
        let steps = self.steps.iter().map(|step| json!({ "what": step.what, "to": step.to }));
        json!({ "changes": changes.collect::<Vec<_>>(), "transactions": steps.collect::<Vec<_>>() })
    }
}

impl Sign {
    const fn mark(self) -> char {
        match self {
            Self::Add => '+',
            Self::Change => '~',
            Self::Keep => '=',
            Self::Remove => '-',
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Keep => "keep",
            Self::Remove => "remove",
        }
    }
}

#[cfg(test)]
mod tests;
