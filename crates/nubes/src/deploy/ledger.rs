//! What the ledger says of an app now.

use super::plan::{Current, contract_address};
use crate::{
    client::{Client, NodeInfo},
    failure::{Exit, Failure},
};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::app::{AppName, AppRecord, HISTORY_KEY, HISTORY_MAX, RECORD_KEY};
use nubes_contracts::{NAME_REGISTRY, NameRegistry, PUBLIC_RESOLVER, PublicResolver, node_of};
use serde_json::json;

/// Reads owner, record and which of `contracts` (creation codes) are deployed.
pub(crate) async fn read(
    client: &Client,
    node: &NodeInfo,
    name: &AppName,
    contracts: &[&Bytes],
) -> Result<Current, Failure> {
    let url = &node.rpc.http;
    let owner = read_owner(client, url, &name.on_ledger()).await?;
    let app_owner = if name.preview().is_some() { read_owner(client, url, name.app()).await? } else { owner };
    let mut current = Current { owner, app_owner, ..Current::default() };
    for code in contracts {
        let address = contract_address(code);
        let deployed: Bytes = client.rpc(url, "eth_getCode", json!([address, "latest"])).await?;
        if !deployed.is_empty() {
            current.deployed.insert(address);
        }
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
    let data = NameRegistry::ownerCall { node: node_of(name) }.abi_encode();
    let owner = client.call(url, NAME_REGISTRY, &data).await?;
    let owner = NameRegistry::ownerCall::abi_decode_returns(&owner).map_err(no_such_contract)?;
    Ok(Some(owner).filter(|owner| !owner.is_zero()))
}

async fn read_text(client: &Client, url: &str, name: &AppName, key: &str) -> Result<String, Failure> {
    let data =
        PublicResolver::textCall { node: node_of(&name.on_ledger()), key: key.to_owned() }.abi_encode();
    let text = client.call(url, PUBLIC_RESOLVER, &data).await?;
    PublicResolver::textCall::abi_decode_returns(&text).map_err(no_such_contract)
}

pub(crate) async fn fetch_record(client: &Client, cid: &Cid) -> Result<AppRecord, Failure> {
    client.json(client.http().get(format!("{}/ipfs/{cid}", client.door()))).await
}

fn no_such_contract(source: alloy_sol_types::Error) -> Failure {
    Failure::new(1021, Exit::Failure, "the chain has no Nubes names at their addresses").because(source)
}
