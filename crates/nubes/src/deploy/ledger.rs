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

/// Reads owner, record and which of `contracts` (creation codes) are deployed.
pub(crate) async fn read(
    client: &Client,
    node: &NodeInfo,
    name: &AppName,
    contracts: &[&Bytes],
) -> Result<Current, Failure> {
    let url = &node.rpc.http;
    let mut current = Current::default();
    let label = keccak256(name.app());
    // Of a name that has lapsed the registry still tells the last owner; it is anybody's, and its records end with it.
    let lapsed = ask(client, url, FIRST_COME_REGISTRAR, &FirstComeRegistrar::availableCall { label }).await?;
    if !lapsed {
        current.app_owner = read_owner(client, url, name.app()).await?;
        current.seconds_left = seconds_left(client, url, label).await?;
    }
    current.owner = match name.preview() {
        Some(_) => read_owner(client, url, &name.on_ledger()).await?,
        None => current.app_owner,
    };
    for code in contracts {
        let address = contract_address(code);
        let deployed: Bytes = client.rpc(url, "eth_getCode", json!([address, "latest"])).await?;
        if !deployed.is_empty() {
            current.deployed.insert(address);
        }
    }
    if lapsed && name.preview().is_none() {
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

async fn read_owner(client: &Client, url: &str, name: &str) -> Result<Option<Address>, Failure> {
    let owner = ask(client, url, NAME_REGISTRY, &NameRegistry::ownerCall { node: node_of(name) }).await?;
    Ok(Some(owner).filter(|owner| !owner.is_zero()))
}

async fn read_text(client: &Client, url: &str, name: &AppName, key: &str) -> Result<String, Failure> {
    let call = PublicResolver::textCall { node: node_of(&name.on_ledger()), key: key.to_owned() };
    ask(client, url, PUBLIC_RESOLVER, &call).await
}

/// Until the name expires, by the ledger's clock.
pub(crate) async fn seconds_left(client: &Client, url: &str, label: B256) -> Result<u64, Failure> {
    let expiry = ask(client, url, FIRST_COME_REGISTRAR, &FirstComeRegistrar::expiresAtCall { label }).await?;
    let now = ask(client, url, MULTICALL3, &Multicall3::getCurrentBlockTimestampCall {}).await?;
    Ok(expiry.saturating_sub(now.saturating_to()))
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
