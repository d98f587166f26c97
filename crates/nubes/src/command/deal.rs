//! `nubes deal`: have providers keep content, and keep it so.

use super::{deploy::confirm, ls};
use crate::{
    cli::{DealMake, DealRenew, DealShow, DealTopUp, DealWithdraw},
    client::Client,
    failure::{Exit, Failure},
    market::{
        Customer, KeptObject, Making, dollars, dollars_of_parts, group_of, kept_objects, ledger_time,
        make as make_deals, market, pack, unbought, unread,
    },
    node::provider::config::units,
    output::Output,
};
use alloy_primitives::U256;
use cid::Cid;
use nubes_market::{
    Stages,
    client::{Balance, Buyer, Quote},
};
use nubes_storage::pieces::Coding;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Products from the safest down; the first for which there are providers is the default.
const PRODUCTS: [&str; 4] = ["rs-10-20", "rs-4-8", "copies-3", "copies-1"];

pub(super) async fn make(args: DealMake, output: Output) -> Result<(), Failure> {
    let roots = args.cids.iter().map(|cid| parse(cid)).collect::<Result<BTreeSet<Cid>, Failure>>()?;
    let customer = Customer::open(&args.door, &args.key).await?;
    let coding = match args.product {
        Some(coding) => coding,
        None => safest(&customer).await?,
    };
    let stage = |span: crate::market::Span| u32::try_from(span.seconds).unwrap_or(u32::MAX);
    let making = Making {
        cid: pack(&customer.client, &roots).await?,
        coding,
        seconds: args.span.seconds,
        region: args.region,
        stages: Stages {
            read_only: stage(args.read_only),
            grace: stage(args.grace),
            notice: stage(args.notice),
        },
        avoid: args.avoid.into_iter().collect(),
    };
    let mut quoted = Value::Null;
    let mut agree = |quote: &Quote, pieces: usize| {
        let text = quote_text(quote, pieces, &making, args.span);
        quoted = quote_value(quote, &making);
        if args.plan {
            output.result(&text, &quoted);
            return Ok(false);
        }
        output.say(&text);
        if !args.yes {
            confirm("Pay?", output)?;
        }
        Ok(true)
    };
    let Some(object) = make_deals(&customer, &making, &mut agree, output).await? else { return Ok(()) };
    let health = object.health();
    let end = object.end().unwrap_or_default();
    let text = format!("{}\nkept by {} providers as {coding} until {end}", making.cid, health.healthy);
    let mut value = detail(&object);
    value["cid"] = json!(making.cid.to_string());
    value["roots"] = json!(roots.iter().map(ToString::to_string).collect::<Vec<_>>());
    value["quote"] = quoted;
    output.result(&text, &value);
    Ok(())
}

async fn safest(customer: &Customer) -> Result<Coding, Failure> {
    let listings = customer.market().listings().await.map_err(unread)?;
    let open = listings.iter().filter(|listing| listing.takes_deals);
    let operators: BTreeSet<&str> = open.map(|listing| listing.operator.as_str()).collect();
    let fits = PRODUCTS.iter().filter_map(|product| product.parse::<Coding>().ok());
    let mut fits = fits.filter(|coding| coding.total() <= operators.len());
    fits.next().ok_or_else(|| Failure::new(6007, Exit::Failure, "no provider takes deals"))
}

fn parse(text: &str) -> Result<Cid, Failure> {
    let cid = text.trim_start_matches("ipfs://").trim_start_matches("/ipfs/").trim_end_matches('/');
    Cid::try_from(cid)
        .map_err(|source| Failure::new(3001, Exit::Usage, format!("`{cid}` is no CID")).because(source))
}

fn quote_text(quote: &Quote, pieces: usize, making: &Making, span: crate::market::Span) -> String {
    let mut lines = vec![format!("{pieces} pieces of {} as {} for {span}", making.cid, making.coding)];
    lines.extend(quote.providers.iter().map(|listing| {
        let price = dollars(U256::from(listing.offer.pricePerGibMonth));
        format!("  {}  {:<8}  {price} $/GiB and month  {}", listing.provider, listing.region, listing.uri)
    }));
    lines.push(format!("storage  {} $", dollars(quote.costs.storage)));
    lines.push(format!("reserve  {} $, comes back unless the money runs out", dollars(quote.costs.reserve)));
    lines.join("\n")
}

fn quote_value(quote: &Quote, making: &Making) -> Value {
    let providers = quote.providers.iter().map(|listing| {
        json!({
            "provider": listing.provider, "uri": listing.uri, "region": listing.region, "operator": listing.operator,
            "unitsPerGibMonth": listing.offer.pricePerGibMonth.to_string(),
        })
    });
    json!({
        "cid": making.cid.to_string(), "product": making.coding.to_string(), "seconds": making.seconds,
        "storageUnits": quote.costs.storage.to_string(), "reserveUnits": quote.costs.reserve.to_string(),
        "providers": providers.collect::<Vec<_>>(),
    })
}

pub(super) async fn show(args: DealShow, output: Output) -> Result<(), Failure> {
    let cid = parse(&args.cid)?;
    let market = market(&Client::new(&args.door.node)?).await?;
    let (group, _) = group_of(&cid)?;
    let objects = kept_objects(&market, None).await?;
    let objects: Vec<KeptObject> = objects.into_iter().filter(|object| object.group == group).collect();
    if objects.is_empty() {
        return Err(Failure::new(6011, Exit::NotFound, format!("no deal keeps {cid}")));
    }
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for object in &objects {
        let answers = object.ask(&market).await?;
        let health = object.health();
        lines.push(format!(
            "{}  {} bytes  {}/{} healthy  client {}",
            object.layout.coding, object.layout.bytes, health.healthy, health.total, object.client
        ));
        lines.extend(object.pieces.iter().map(|(index, piece)| {
            let answers = if answers.get(index) == Some(&true) { "answers" } else { "silent" };
            let (price, stage) = (dollars_of_parts(U256::from(piece.terms.pricePerSecond)), piece.stage.name());
            let (deal, provider, missed, end) = (piece.deal, piece.terms.provider, piece.missed, piece.end);
            format!("  {index:>2}  deal {deal}  {provider}  {stage}  {answers}  missed {missed}  until {end}  {price} $/s")
        }));
        let mut value = detail(object);
        value["answering"] = json!(answers.values().filter(|answers| **answers).count());
        values.push(value);
    }
    output.result(&lines.join("\n"), &json!({ "objects": values }));
    Ok(())
}

fn detail(object: &KeptObject) -> Value {
    let pieces = object.pieces.iter().map(|(index, piece)| {
        json!({
            "index": index, "deal": piece.deal, "provider": piece.terms.provider, "root": piece.root,
            "stage": piece.stage.name(), "missed": piece.missed, "end": piece.end, "rail": piece.rail.to_string(),
            "partsPerSecond": piece.terms.pricePerSecond.to_string(),
        })
    });
    let mut value = ls::value(object, None);
    value["pieces"] = json!(pieces.collect::<Vec<_>>());
    value
}

pub(super) async fn top_up(args: DealTopUp, output: Output) -> Result<(), Failure> {
    let customer = Customer::open(&args.door, &args.key).await?;
    let buyer = Buyer::new(&customer.account);
    buyer.deposit(U256::from(units(args.dollars)?)).await.map_err(unbought)?;
    let objects = kept_objects(&customer.market(), Some(customer.account.address())).await?;
    let (mut revived, mut short) = (Vec::new(), Vec::new());
    let pieces = objects.iter().flat_map(|object| object.pieces.values());
    // What lacks money still, and what has it again while the ledger does not know: both are told by the same call.
    for piece in pieces.filter(|piece| piece.stage.lacks_money() || piece.recorded.lacks_money()) {
        match buyer.revive(piece.deal).await {
            Ok(()) => revived.push(piece.deal),
            Err(error) => {
                output.say(&format!("deal {} is not active yet: {error}", piece.deal));
                short.push(piece.deal);
            }
        }
    }
    let Balance { funds, free, .. } = buyer.balance().await.map_err(unbought)?;
    let text = format!(
        "{} $ on the rails, {} $ of it free; {} deals revived",
        dollars(funds),
        dollars(free),
        revived.len()
    );
    let value = json!({
        "fundsUnits": funds.to_string(), "freeUnits": free.to_string(), "revived": revived, "notActive": short,
    });
    output.result(&text, &value);
    Ok(())
}

pub(super) async fn renew(args: DealRenew, output: Output) -> Result<(), Failure> {
    let cid = parse(&args.cid)?;
    let customer = Customer::open(&args.door, &args.key).await?;
    let (market, client) = (customer.market(), customer.account.address());
    let (group, _) = group_of(&cid)?;
    let objects = kept_objects(&market, Some(client)).await?;
    let pieces: Vec<_> = objects
        .iter()
        .filter(|object| object.group == group)
        .flat_map(|object| object.pieces.values())
        .filter(|piece| piece.stage.is_running())
        .collect();
    if pieces.is_empty() {
        return Err(Failure::new(6011, Exit::NotFound, format!("no deal of this account keeps {cid}")));
    }
    let parts: U256 = pieces.iter().map(|piece| U256::from(piece.terms.pricePerSecond)).sum();
    let cost = (parts * U256::from(args.span.seconds)).div_ceil(nubes_market::PARTS);
    let buyer = Buyer::new(&customer.account);
    let now = ledger_time(&market).await?;
    buyer.fund(cost, now).await.map_err(unbought)?;
    for piece in &pieces {
        buyer.renew(piece.deal, args.span.seconds).await.map_err(unbought)?;
    }
    let text = format!("{} deals of {cid} last {} longer, for {} $", pieces.len(), args.span, dollars(cost));
    output
        .result(&text, &json!({ "cid": cid.to_string(), "deals": pieces.len(), "units": cost.to_string() }));
    Ok(())
}

pub(super) async fn withdraw(args: DealWithdraw, output: Output) -> Result<(), Failure> {
    let customer = Customer::open(&args.door, &args.key).await?;
    let buyer = Buyer::new(&customer.account);
    let Balance { withdrawable: free, .. } = buyer.balance().await.map_err(unbought)?;
    let asked = args.dollars.map(units).transpose()?.map_or(free, U256::from);
    if free < asked {
        let what = format!("{} $ are free, {} $ are asked for", dollars(free), dollars(asked));
        return Err(Failure::new(6008, Exit::Money, what));
    }
    buyer.take_out(asked).await.map_err(unbought)?;
    output.result(&format!("{} $ withdrawn", dollars(asked)), &json!({ "units": asked.to_string() }));
    Ok(())
}
