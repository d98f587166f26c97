//! What a deployment would change: the difference between the manifest and the ledger. Pure.

mod name;

use crate::failure::{Exit, Failure};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use cid::Cid;
use nubes_base::app::{AppName, AppRecord};
use nubes_contracts::CREATE2_DEPLOYER;
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
    /// Of a preview: who has the name of its app, and so may make it. Otherwise the same as `owner`.
    pub(crate) app_owner: Option<Address>,
    /// Until the name of the app expires; it stays its owner's for some time after that.
    pub(crate) seconds_left: u64,
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
    name::check_owner(&desired.record.name, current, signer)?;
    let mut plan = Plan::default();
    plan_contracts(desired, current, &mut plan);
    let before = current.record.as_ref().map(|(_, record)| record);
    plan_functions(desired, before, &mut plan);
    plan_site(desired, before, &mut plan);
    name::plan(desired, current, signer, &mut plan);
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
    plan.steps.push(name::write(name, name::point_to(name, (cid, record), current)));
    Ok(plan)
}

/// What it takes to take a preview down. Empty if the ledger has none of that name.
pub(crate) fn take_down(name: &AppName, current: &Current, signer: Address) -> Result<Plan, Failure> {
    name::check_owner(name, current, signer)?;
    let mut plan = Plan::default();
    let (Some(_), Some(preview)) = (current.owner, name.preview()) else { return Ok(plan) };
    let removed =
        |kind, name: &str, detail| Change { sign: Sign::Remove, kind, name: name.to_owned(), detail };
    if let Some((_, record)) = &current.record {
        plan.changes.extend(record.functions.keys().map(|name| removed("function", name, String::new())));
        plan.changes.extend(record.site.map(|site| removed("site", "", site.to_string())));
    }
    plan.changes.push(removed("name", name.as_str(), String::new()));
    plan.steps.extend(name::give_up(name, preview));
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
