//! Reads a name's record: ledger, then storage, then checks.

use super::{
    App, ResolveError,
    table::{Announcement, Slot},
};
use crate::route::Routes;
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::{
    AppName, AppRecord,
    app::{RECORD_BYTES_MAX, RECORD_KEY, RECORD_VERSION},
    port::{Blobs, Ledger},
};
use nubes_contracts::{NAME_REGISTRY, NameRegistry, PUBLIC_RESOLVER, PublicResolver, node_of};
use serde::Deserialize;

/// Of a text that should be a CID, as much is quoted.
const QUOTE_CHARS_MAX: usize = 100;

pub(super) async fn load(
    ledger: &dyn Ledger,
    blobs: &dyn Blobs,
    name: &AppName,
    slot: &Slot,
) -> Result<App, ResolveError> {
    let resolver = call(ledger, name, NAME_REGISTRY, NameRegistry::resolverCall { node: slot.node }).await?;
    if resolver == Address::ZERO {
        return Err(ResolveError::Unknown { name: name.clone() });
    }
    let text = PublicResolver::textCall { node: slot.node, key: RECORD_KEY.to_owned() };
    let text = call(ledger, name, resolver, text).await?;
    if text.is_empty() {
        return Err(ResolveError::Unknown { name: name.clone() });
    }
    let record_cid = cid_of(&text).map_err(|source| ResolveError::RecordCid {
        name: name.clone(),
        text: text.chars().take(QUOTE_CHARS_MAX).collect(),
        source,
    })?;
    let json = blobs.get(&record_cid, RECORD_BYTES_MAX).await;
    let json =
        json.map_err(|source| ResolveError::RecordMissing { name: name.clone(), source: source.into() })?;
    let record = parse(name, &json)?;
    let tenure = tenure(ledger, name, slot).await?;
    let routes =
        Routes::new(&record, tenure).map_err(|source| ResolveError::Route { name: name.clone(), source })?;
    Ok(App { name: name.clone(), record, record_cid, routes, generation: slot.generation })
}

/// How often the name has begun anew. The public resolver counts it, whatever resolver the name has: there the registrar clears
/// the records of a name that lapsed. A preview begins anew with its app too. A sum of what only rises is never met twice.
async fn tenure(ledger: &dyn Ledger, name: &AppName, slot: &Slot) -> Result<u64, ResolveError> {
    let versions = |node| call(ledger, name, PUBLIC_RESOLVER, PublicResolver::recordVersionsCall { node });
    let own = versions(slot.node).await?;
    if slot.node == slot.app_node {
        return Ok(own);
    }
    Ok(own.saturating_add(versions(slot.app_node).await?))
}

/// The name of the app that a transaction has announced, if it is an app. The ledger only knows the hash of
/// the name, so it is taken from the record and compared.
pub(super) async fn name_of(blobs: &dyn Blobs, announcement: &Announcement) -> Option<AppName> {
    let cid = cid_of(&announcement.text).ok()?;
    let json = blobs.get(&cid, RECORD_BYTES_MAX).await.ok()?;
    let record: AppRecord = serde_json::from_slice(&json).ok()?;
    (node_of(&record.name.on_ledger()) == announcement.node).then_some(record.name)
}

async fn call<C: SolCall + Send>(
    ledger: &dyn Ledger,
    name: &AppName,
    to: Address,
    call: C,
) -> Result<C::Return, ResolveError> {
    let answer = ledger.call(to, Bytes::from(call.abi_encode())).await;
    let answer = answer.map_err(|source| ResolveError::Ledger { name: name.clone(), source })?;
    C::abi_decode_returns(&answer).map_err(|source| ResolveError::Resolver { name: name.clone(), source })
}

/// Stricter than the crate, which looks for a CID anywhere in a path.
fn cid_of(text: &str) -> Result<Cid, cid::Error> {
    if text.contains('/') { Err(cid::Error::ParsingError) } else { text.parse() }
}

/// All that is known about a record before its version is.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn parse(name: &AppName, json: &[u8]) -> Result<AppRecord, ResolveError> {
    let refuse = |source| ResolveError::RecordJson { name: name.clone(), source };
    let Versioned { version } = serde_json::from_slice(json).map_err(refuse)?;
    if version != RECORD_VERSION {
        return Err(ResolveError::RecordVersion { name: name.clone(), version });
    }
    let record: AppRecord = serde_json::from_slice(json).map_err(refuse)?;
    if record.name != *name {
        return Err(ResolveError::RecordName { name: name.clone(), found: record.name });
    }
    Ok(record)
}
