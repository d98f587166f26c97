//! `nubes name`: who has a name, until when, and what it says.
//!
//! Whoever owns a name in the registry decides about it. The registrar only says until when nobody else can have it.

use super::deploy::{apply, confirm};
use crate::{
    account,
    cli::{Door, Key, NameRenew, NameSet, NameShow, NameSub, NameTransfer},
    client::Client,
    deploy::{
        ledger::{Lease, ask, lease},
        plan::{Plan, Step},
    },
    failure::{Exit, Failure},
    names::LedgerName,
    output::Output,
};
use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use cid::Cid;
use nubes_base::app::RECORD_KEY;
use nubes_contracts::{
    FIRST_COME_REGISTRAR, FirstComeRegistrar, NAME_REGISTRY, NameRegistry, PUBLIC_RESOLVER, PublicResolver,
    contenthash,
};
use nubes_market::Account;
use serde_json::{Map, Value, json};

/// Text records that are shown if they are there: the ledger cannot list keys. ENSIP-5, and ours.
const KEYS: [&str; 9] =
    [RECORD_KEY, "avatar", "description", "display", "email", "keywords", "location", "notice", "url"];

/// The names of the ledger behind one node.
struct Names {
    client: Client,
    rpc: String,
}

impl Names {
    async fn ask<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, Failure> {
        ask(&self.client, &self.rpc, contract, call).await
    }

    async fn owner(&self, node: B256) -> Result<Option<Address>, Failure> {
        let owner = self.ask(NAME_REGISTRY, &NameRegistry::ownerCall { node }).await?;
        Ok(Some(owner).filter(|owner| !owner.is_zero()))
    }

    async fn resolver(&self, node: B256) -> Result<Option<Address>, Failure> {
        let resolver = self.ask(NAME_REGISTRY, &NameRegistry::resolverCall { node }).await?;
        Ok(Some(resolver).filter(|resolver| !resolver.is_zero()))
    }

    async fn lease(&self, name: &LedgerName) -> Result<Lease, Failure> {
        lease(&self.client, &self.rpc, name.registered().hash()).await
    }
}

/// Somebody who changes names.
struct Holder {
    names: Names,
    account: Account,
}

impl Holder {
    async fn open(door: &Door, key: &Key) -> Result<Self, Failure> {
        let client = Client::new(&door.node)?;
        let node = client.info().await?;
        let account = account::open(key.key_file.as_deref(), &node).await?;
        Ok(Self { names: Names { client, rpc: node.rpc.http }, account })
    }

    /// Fails unless the account may decide about the name: as its owner, or as one that its owner has approved.
    async fn check(&self, name: &LedgerName) -> Result<(), Failure> {
        let owner = self.names.owner(name.node()).await?.ok_or_else(|| nobodys(name))?;
        let operator = self.account.address();
        let call = NameRegistry::isApprovedForAllCall { holder: owner, operator };
        if owner == operator || self.names.ask(NAME_REGISTRY, &call).await? {
            return Ok(());
        }
        let what = format!("{name} belongs to {owner}, not to the signer {operator}");
        Err(Failure::new(1018, Exit::Denied, what).help("use the owner's key"))
    }

    async fn carry_out(&self, steps: Vec<Step>) -> Result<Vec<Value>, Failure> {
        apply(&Plan { changes: Vec::new(), steps }, &self.account).await
    }
}

pub(super) async fn show(args: NameShow, output: Output) -> Result<(), Failure> {
    let (client, name) = (Client::new(&args.door.node)?, args.name);
    let rpc = client.info().await?.rpc.http;
    let names = Names { client, rpc };
    let (owner, resolver) = (names.owner(name.node()).await?, names.resolver(name.node()).await?);
    let lease = names.lease(&name).await?;
    let state = match owner {
        Some(_) if !lease.is_over => {
            if lease.seconds_left() == 0 {
                "grace"
            } else {
                "held"
            }
        }
        _ => "free",
    };
    let mut lines = vec![format!("{name}  {state}")];
    lines.extend(owner.map(|owner| format!("owner     {owner}")));
    lines.extend(resolver.map(|resolver| format!("resolver  {resolver}")));
    if lease.expires_at != 0 {
        lines.push(format!("expires   {lease}"));
    }
    let mut value = json!({
        "name": name.to_string(), "state": state, "owner": owner, "resolver": resolver,
        "expiresAt": lease.expires_at, "secondsLeft": lease.seconds_left(),
    });
    if let Some(resolver) = resolver {
        let records = records(&names, resolver, name.node(), &args.keys).await?;
        lines.extend(records.iter().map(|(key, record)| {
            format!("{key:<9} {}", record.as_str().map_or_else(|| record.to_string(), str::to_owned))
        }));
        value["records"] = Value::Object(records);
    }
    output.result(&lines.join("\n"), &value);
    Ok(())
}

/// What a resolver says of a name: `address`, `site`, and texts by their keys.
async fn records(
    names: &Names,
    resolver: Address,
    node: B256,
    more: &[String],
) -> Result<Map<String, Value>, Failure> {
    let mut records = Map::new();
    let address = names.ask(resolver, &PublicResolver::addr_0Call { node }).await?;
    if !address.is_zero() {
        records.insert("address".to_owned(), json!(address));
    }
    let hash = names.ask(resolver, &PublicResolver::contenthashCall { node }).await?;
    if let Some(cid) = contenthash::decode(&hash).ok().and_then(|cid| Cid::try_from(cid).ok()) {
        records.insert("site".to_owned(), json!(format!("ipfs://{cid}")));
    }
    for key in KEYS.into_iter().chain(more.iter().map(String::as_str)) {
        let text = names.ask(resolver, &PublicResolver::textCall { node, key: key.to_owned() }).await?;
        if !text.is_empty() {
            records.insert(key.to_owned(), json!(text));
        }
    }
    Ok(records)
}

pub(super) async fn renew(args: NameRenew, output: Output) -> Result<(), Failure> {
    let name = args.name;
    if !name.is_registered() {
        let what = format!("{name} does not expire by itself");
        let help = format!("renew {}, with which it expires", name.registered());
        return Err(Failure::new(1027, Exit::Usage, what).help(help));
    }
    let holder = Holder::open(&args.door, &args.key).await?;
    if holder.names.lease(&name).await?.is_over {
        return Err(nobodys(&name));
    }
    let call = FirstComeRegistrar::renewCall { label: name.registered().hash(), duration: args.span.seconds };
    let steps = vec![step(format!("renewal of {name}"), FIRST_COME_REGISTRAR, &call)];
    let transactions = holder.carry_out(steps).await?;
    let lease = holder.names.lease(&name).await?;
    let value = json!({
        "name": name.to_string(), "expiresAt": lease.expires_at, "secondsLeft": lease.seconds_left(),
        "transactions": transactions,
    });
    output.result(&format!("{name} expires {lease}"), &value);
    Ok(())
}

pub(super) async fn transfer(args: NameTransfer, output: Output) -> Result<(), Failure> {
    let (name, to) = (args.name, args.address);
    if to.is_zero() {
        let what = format!("{name} would be lost: nobody has the address zero");
        return Err(Failure::new(1027, Exit::Usage, what));
    }
    let holder = Holder::open(&args.door, &args.key).await?;
    holder.check(&name).await?;
    if !args.yes {
        confirm(&format!("Give {name} to {to}?"), output)?;
    }
    let call = NameRegistry::setOwnerCall { node: name.node(), newOwner: to };
    let transactions = holder.carry_out(vec![step(format!("owner of {name}"), NAME_REGISTRY, &call)]).await?;
    let value = json!({ "name": name.to_string(), "owner": to, "transactions": transactions });
    output.result(&format!("{name} belongs to {to}"), &value);
    Ok(())
}

pub(super) async fn set(args: NameSet, output: Output) -> Result<(), Failure> {
    let (name, key, value) = (args.name, args.key_of_text, args.value);
    let holder = Holder::open(&args.door, &args.key).await?;
    holder.check(&name).await?;
    let node = name.node();
    let mut steps = Vec::new();
    let found = holder.names.resolver(node).await?;
    if found.is_none() {
        let call = NameRegistry::setResolverCall { node, newResolver: PUBLIC_RESOLVER };
        steps.push(step(format!("resolver of {name}"), NAME_REGISTRY, &call));
    }
    let call = PublicResolver::setTextCall { node, key: key.clone(), value: value.clone() };
    steps.push(step(format!("{key} of {name}"), found.unwrap_or(PUBLIC_RESOLVER), &call));
    let transactions = holder.carry_out(steps).await?;
    let text = format!("{name} {key} {}", if value.is_empty() { "removed" } else { &value });
    let value = json!({ "name": name.to_string(), "key": key, "value": value, "transactions": transactions });
    output.result(&text, &value);
    Ok(())
}

pub(super) async fn sub(args: NameSub, output: Output) -> Result<(), Failure> {
    let holder = Holder::open(&args.door, &args.key).await?;
    holder.check(&args.name).await?;
    let (me, below) = (holder.account.address(), args.name.below(&args.label));
    let owner = args.owner.unwrap_or(me);
    let before = holder.names.owner(below.node()).await?;
    let (node, label) = (args.name.node(), args.label.hash());
    let mut steps = Vec::new();
    if let Some(before) = before.filter(|before| *before != owner) {
        if before != me {
            if !args.yes {
                confirm(&format!("Take {below} from {before}?"), output)?;
            }
            let take = NameRegistry::setSubnodeOwnerCall { node, label, newOwner: me };
            steps.push(step(format!("owner of {below}"), NAME_REGISTRY, &take));
        }
        // Its records would answer for the next owner, and only who has it may clear them.
        let clear = PublicResolver::clearRecordsCall { node: below.node() };
        steps.push(step(format!("records of {below}"), PUBLIC_RESOLVER, &clear));
    }
    if before != Some(owner) {
        let give = NameRegistry::setSubnodeRecordCall {
            node,
            label,
            newOwner: owner,
            newResolver: PUBLIC_RESOLVER,
            newTtl: 0,
        };
        steps.push(step(format!("name {below}"), NAME_REGISTRY, &give));
    }
    let transactions = holder.carry_out(steps).await?;
    let value = json!({ "name": below.to_string(), "owner": owner, "transactions": transactions });
    output.result(&format!("{below} belongs to {owner}"), &value);
    Ok(())
}

fn step<C: SolCall>(what: String, to: Address, call: &C) -> Step {
    Step { what, to, data: call.abi_encode().into() }
}

fn nobodys(name: &LedgerName) -> Failure {
    Failure::new(1038, Exit::NotFound, format!("{name} is nobody's"))
}
