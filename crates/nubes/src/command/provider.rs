//! `nubes provider`: who sells storage, and how the own selling goes.

use crate::{
    cli::{ProviderList, ProviderOffer, ProviderStatus, ProviderWithdraw},
    client::Client,
    failure::{Exit, Failure},
    market::{Customer, dollars, kept_objects, market, unread, unsent},
    node::provider::config::units,
    output::Output,
};
use alloy_primitives::U256;
use nubes_contracts::{
    PAY_RAILS, PROVIDER_REGISTRY, PayRails, ProviderRegistry, REPAIR_JOBS, RepairJobs, TEST_DOLLAR,
};
use nubes_market::{Listing, Stage};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) async fn list(args: ProviderList, output: Output) -> Result<(), Failure> {
    let market = market(&Client::new(&args.door.node)?).await?;
    let listings = market.listings().await.map_err(unread)?;
    let mut lines: Vec<String> = listings
        .iter()
        .map(|listing| {
            let price = dollars(U256::from(listing.offer.pricePerGibMonth));
            let open = if listing.takes_deals { "open" } else { "closed" };
            let (region, operator) = (&listing.region, &listing.operator);
            format!(
                "{}  {open:<6}  {price} $/GiB and month  stake {} $  {region}  {operator}  {}",
                listing.provider,
                dollars(listing.stake.units),
                listing.uri
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("no provider is registered".to_owned());
    }
    let values: Vec<Value> = listings.iter().map(value).collect();
    output.result(&lines.join("\n"), &json!({ "providers": values }));
    Ok(())
}

fn value(listing: &Listing) -> Value {
    json!({
        "provider": listing.provider, "uri": listing.uri, "open": listing.takes_deals, "region": listing.region,
        "operator": listing.operator, "unitsPerGibMonth": listing.offer.pricePerGibMonth.to_string(),
        "stakeUnits": listing.stake.units.to_string(), "activeDeals": listing.stake.activeDeals,
        "periodSeconds": listing.period_seconds, "pieceBytesMax": listing.offer.pieceBytesMax,
        "capacityBytes": listing.capacity_bytes.to_string(),
    })
}

pub(super) async fn status(args: ProviderStatus, output: Output) -> Result<(), Failure> {
    let market = market(&Client::new(&args.door.node)?).await?;
    let provider = args.provider;
    let listings = market.listings_of(&[provider]).await.map_err(unread)?;
    let listing = listings.first().filter(|listing| !listing.uri.is_empty());
    let unknown = || Failure::new(6012, Exit::NotFound, format!("{provider} is no provider"));
    let listing = listing.ok_or_else(unknown)?;
    let set = market.data_set(provider).await.map_err(unread)?;
    let account = PayRails::accountOfCall { token: TEST_DOLLAR, owner: provider };
    let account = market.read(PAY_RAILS, &account).await.map_err(unread)?;
    let earned = account.funds / nubes_market::PARTS;
    let claim = RepairJobs::claimableOfCall { owner: provider };
    let bounties = market.read(REPAIR_JOBS, &claim).await.map_err(unread)?;
    let mut stages: BTreeMap<&str, usize> = BTreeMap::new();
    for object in kept_objects(&market, None).await? {
        for piece in object.pieces.values().filter(|piece| piece.terms.provider == provider) {
            *stages.entry(piece.stage.name()).or_default() += 1;
        }
    }
    let deals: Vec<String> = stages.iter().map(|(stage, count)| format!("{count} {stage}")).collect();
    let text = format!(
        "{provider}  {}\nstake     {} $\ndeals     {}\npieces    {}, {} bytes, proven every {} s\nearned    {} $ on the rails, {} $ of bounties",
        listing.uri,
        dollars(listing.stake.units),
        if deals.is_empty() { "none".to_owned() } else { deals.join(", ") },
        set.pieces,
        set.leaves * U256::from(32),
        set.set.periodSeconds,
        dollars(earned),
        dollars(bounties),
    );
    let mut value = value(listing);
    value["deals"] = json!(stages);
    value["earnedUnits"] = json!(earned.to_string());
    value["bountyUnits"] = json!(bounties.to_string());
    value["openedPeriods"] = json!(set.set.openedPeriods);
    output.result(&text, &value);
    Ok(())
}

pub(super) async fn offer(args: ProviderOffer, output: Output) -> Result<(), Failure> {
    let customer = Customer::open(&args.door, &args.key).await?;
    let provider = customer.account.address();
    let call = ProviderRegistry::offerOfCall { provider };
    let mut offer = customer.market().read(PROVIDER_REGISTRY, &call).await.map_err(unread)?;
    if let Some(price) = args.price {
        offer.pricePerGibMonth = units(price)?;
    }
    offer.accepting = if args.close { false } else { args.open || offer.accepting };
    let text = format!(
        "{provider} asks {} $/GiB and month and is {}",
        dollars(U256::from(offer.pricePerGibMonth)),
        if offer.accepting { "open" } else { "closed" }
    );
    let value = json!({
        "provider": provider, "unitsPerGibMonth": offer.pricePerGibMonth.to_string(), "open": offer.accepting,
    });
    let call = ProviderRegistry::setOfferCall { offer };
    customer.account.send(PROVIDER_REGISTRY, &call).await.map_err(unsent)?;
    output.result(&text, &value);
    Ok(())
}

/// Collects what all rails owe, and moves it to the account.
pub(super) async fn withdraw(args: ProviderWithdraw, output: Output) -> Result<(), Failure> {
    let customer = Customer::open(&args.door, &args.key).await?;
    let (market, account) = (customer.market(), &customer.account);
    let owner = account.address();
    for object in kept_objects(&market, None).await? {
        let mine = object.pieces.values().filter(|piece| piece.terms.provider == owner);
        for piece in mine.filter(|piece| piece.stage != Stage::Proposed) {
            let call = PayRails::settleCall { railId: piece.rail, until: U256::MAX };
            account.send(PAY_RAILS, &call).await.map_err(unsent)?;
        }
    }
    let call = PayRails::withdrawableCall { token: TEST_DOLLAR, owner };
    let units = market.read(PAY_RAILS, &call).await.map_err(unread)?;
    if !units.is_zero() {
        let call = PayRails::withdrawCall { token: TEST_DOLLAR, receiver: owner, units };
        account.send(PAY_RAILS, &call).await.map_err(unsent)?;
    }
    output.result(&format!("{} $ withdrawn", dollars(units)), &json!({ "units": units.to_string() }));
    Ok(())
}
