//! What the ledger says of an app now.

use super::plan::{Current, contract_address};
use crate::{
    client::{Client, NodeInfo},
    failure::{Exit, Failure},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::app::{AppName, AppRecord, HISTORY_KEY, HISTORY_MAX, RECORD_KEY};
use nubes_contracts::{
    FIRST_COME_REGISTRAR, FirstComeRegistrar, MULTICALL3, Multicall3, NAME_REGISTRY, NameRegistry,
    PUBLIC_RESOLVER, PublicResolver, node_of,
};
use serde_json::json;
use std::fmt;

/// Reads owner, record and which of `contracts` (creation codes) are deployed.
pub(crate) async fn read(
    client: &Client,
    node: &NodeInfo,
    name: &AppName,
    contracts: &[&Bytes],
) -> Result<Current, Failure> {
    let url = &node.rpc.http;
    let lease = lease(client, url, keccak256(name.app())).await?;
    let on_ledger = match name.preview() {
        Some(_) => read_owner(client, url, &name.on_ledger()).await?,
        None => None,
    };
    let mut current = held(name, lease, read_owner(client, url, name.app()).await?, on_ledger);
    for code in contracts {
        let address = contract_address(code);
        let deployed: Bytes = client.rpc(url, "eth_getCode", json!([address, "latest"])).await?;
        if !deployed.is_empty() {
            current.deployed.insert(address);
        }
    }
    // What a resolver still says of a name that is nobody's was said by somebody who has it no more.
    if current.owner.is_none() {
        return Ok(current);
    }
    let text = read_text(client, url, name, RECORD_KEY).await?;
    if let Ok(cid) = Cid::try_from(text.as_str()) {
        current.record = Some((cid, fetch_record(client, &cid).await?));
    }
    let history = read_text(client, url, name, HISTORY_KEY).await?;
    current.history =
        history.split(' ').filter_map(|cid| Cid::try_from(cid).ok()).take(HISTORY_MAX).collect();
    Ok(current)
}

/// Who has what, by the owners in the registry of the app's name and of the preview's. Of a name that has lapsed the registry
/// still tells the last owner; it is anybody's.
fn held(name: &AppName, lease: Lease, app: Option<Address>, preview: Option<Address>) -> Current {
    let app_owner = app.filter(|_| !lease.is_over);
    let owner = if name.preview().is_some() { preview } else { app_owner };
    Current { owner, app_owner, seconds_left: lease.seconds_left(), ..Current::default() }
}

async fn read_owner(client: &Client, url: &str, name: &str) -> Result<Option<Address>, Failure> {
    let owner = ask(client, url, NAME_REGISTRY, &NameRegistry::ownerCall { node: node_of(name) }).await?;
    Ok(Some(owner).filter(|owner| !owner.is_zero()))
}

async fn read_text(client: &Client, url: &str, name: &AppName, key: &str) -> Result<String, Failure> {
    let call = PublicResolver::textCall { node: node_of(&name.on_ledger()), key: key.to_owned() };
    ask(client, url, PUBLIC_RESOLVER, &call).await
}

/// Until when nobody else can have a name, by the ledger's clock, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    /// Zero: nobody ever asked for the name.
    pub(crate) expires_at: u64,
    /// It is anybody's: never asked for, or expired longer ago than the grace.
    pub(crate) is_over: bool,
    now: u64,
}

impl Lease {
    pub(crate) const fn seconds_left(&self) -> u64 {
        self.expires_at.saturating_sub(self.now)
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.expires_at.abs_diff(self.now) / 86_400;
        if self.now < self.expires_at { write!(f, "in {days} days") } else { write!(f, "{days} days ago") }
    }
}

pub(crate) async fn lease(client: &Client, url: &str, label: B256) -> Result<Lease, Failure> {
    let registrar = FIRST_COME_REGISTRAR;
    let expires_at = ask(client, url, registrar, &FirstComeRegistrar::expiresAtCall { label }).await?;
    let is_over = ask(client, url, registrar, &FirstComeRegistrar::availableCall { label }).await?;
    let now = ask(client, url, MULTICALL3, &Multicall3::getCurrentBlockTimestampCall {}).await?;
    Ok(Lease { expires_at, is_over, now: now.saturating_to() })
}

/// Asks a contract.
pub(crate) async fn ask<C: SolCall>(
    client: &Client,
    url: &str,
    contract: Address,
    call: &C,
) -> Result<C::Return, Failure> {
    let answer = client.call(url, contract, &call.abi_encode()).await?;
    C::abi_decode_returns(&answer).map_err(no_such_contract)
}

pub(crate) async fn fetch_record(client: &Client, cid: &Cid) -> Result<AppRecord, Failure> {
    client.json(client.http().get(format!("{}/ipfs/{cid}", client.door()))).await
}

fn no_such_contract(source: alloy_sol_types::Error) -> Failure {
    Failure::new(1021, Exit::Failure, "the chain has no Nubes names at their addresses").because(source)
}

#[cfg(test)]
mod tests {
    use super::{Lease, held};
    use alloy_primitives::Address;
    use nubes_base::AppName;

    const ME: Option<Address> = Some(Address::repeat_byte(1));
    const OTHER: Option<Address> = Some(Address::repeat_byte(2));

    #[track_caller]
    fn check(name: &str, is_over: bool, expect: [Option<Address>; 2]) {
        let name: AppName = name.parse().unwrap();
        let lease = Lease { expires_at: 100, is_over, now: 40 };
        let current = held(&name, lease, OTHER, name.preview().and(ME));
        assert_eq!(([current.app_owner, current.owner], current.seconds_left), (expect, 60), "{name}");
    }

    #[test]
    fn a_lapsed_name_is_nobodys_and_what_is_below_it_still_somebodys() {
        check("shop", false, [OTHER, OTHER]);
        check("shop", true, [None, None]);
        check("fix--shop", false, [OTHER, ME]);
        check("fix--shop", true, [None, ME]);
    }

    #[test]
    fn a_lease_says_when_it_ends() {
        let lease = |expires_at, now| Lease { expires_at, is_over: false, now };
        for (lease, left, text) in [
            (lease(86_400 * 3, 86_400), 2 * 86_400, "in 2 days"),
            (lease(86_401, 86_400), 1, "in 0 days"),
            (lease(86_400, 86_400), 0, "0 days ago"),
            (lease(86_400, 86_400 * 3), 0, "2 days ago"),
        ] {
            assert_eq!((lease.seconds_left(), lease.to_string().as_str()), (left, text));
        }
    }
}
