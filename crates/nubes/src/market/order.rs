//! From a CID to running deals. Can be broken off and repeated: what the ledger has is not bought again.

use super::{Customer, KeptObject, ledger_time, object::gather, spool::Spool, unbought, unread};
use crate::{
    failure::{Exit, Failure},
    output::Output,
};
use alloy_primitives::{Address, Bytes, hex};
use cid::Cid;
use futures_util::{StreamExt, stream};
use nubes_market::{
    DealId, Listing, Stage, Stages,
    client::{Buyer, Order, PieceOrder, Quote, StoredReceipt},
};
use nubes_storage::pieces::Coding;
use reqwest::Body;
use serde::Deserialize;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};
use tokio_util::io::ReaderStream;

/// Pieces that are sent at once.
const UPLOADS_MAX: usize = 4;
/// How often pieces that a provider did not take go to another one.
const ROUNDS_MAX: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A provider that takes longer for one piece is left for another one.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(30);

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Making {
    pub(crate) cid: Cid,
    pub(crate) coding: Coding,
    pub(crate) seconds: u64,
    pub(crate) region: Option<String>,
    pub(crate) stages: Stages,
    pub(crate) avoid: BTreeSet<Address>,
}

/// A proposed deal and the piece that it is for.
#[derive(Clone, Debug)]
struct Proposal {
    deal: DealId,
    provider: Address,
    uri: String,
    piece: PieceOrder,
    file: PathBuf,
}

#[derive(Deserialize)]
struct ReceiptAnswer {
    deal: DealId,
    provider: Address,
    signature: Bytes,
}

/// Makes deals for the pieces that have none. `agree` sees the quote before anything is spent; a no ends it. Returns the
/// object as it is afterwards, or `None` if it was not agreed to.
pub(crate) async fn make(
    customer: &Customer,
    making: &Making,
    agree: &mut dyn FnMut(&Quote, usize) -> Result<bool, Failure>,
    output: Output,
) -> Result<Option<KeptObject>, Failure> {
    let (group, codec) = super::group_of(&making.cid)?;
    let spool = Spool::fill(&customer.client, &making.cid, (making.coding, codec), output).await?;
    let mut order = Order {
        group,
        pieces: Vec::new(),
        seconds: making.seconds,
        region: making.region.clone(),
        stages: making.stages,
        price_max: None,
        avoid: making.avoid.clone(),
    };
    let buyer = Buyer::new(&customer.account);
    let mut failed = BTreeSet::new();
    for round in 0..ROUNDS_MAX {
        let kept = current(customer, group, &spool).await?;
        let (mut proposals, missing) = sort(customer, &kept, &spool, &failed).await?;
        if proposals.is_empty() && missing.is_empty() {
            return Ok(Some(kept));
        }
        order.pieces = missing;
        order.avoid = making.avoid.union(&failed).copied().collect();
        order.avoid.extend(
            kept.pieces.values().filter(|piece| holds(piece.stage)).map(|piece| piece.terms.provider),
        );
        if !order.pieces.is_empty() {
            let quote = buyer.quote(&order).await.map_err(unbought)?;
            if round == 0 && !agree(&quote, order.pieces.len())? {
                return Ok(None);
            }
            order.price_max.get_or_insert(quote.price_max);
            let now = ledger_time(&customer.market()).await?;
            buyer.fund(quote.costs.deposit(), now).await.map_err(unbought)?;
            let deals = buyer.propose(&order, &quote, now).await.map_err(unbought)?;
            proposals.extend(new_proposals(&order, &quote.providers, &deals, &spool));
        }
        let (receipts, refused) = upload(&proposals, output).await?;
        buyer.activate(&receipts).await.map_err(unbought)?;
        for proposal in refused {
            failed.insert(proposal.provider);
            buyer.withdraw(proposal.deal).await.map_err(unbought)?;
        }
    }
    let kept = current(customer, group, &spool).await?;
    let health = kept.health();
    if health.healthy == health.total {
        return Ok(Some(kept));
    }
    let what = format!("{} of {} pieces are stored", health.healthy, health.total);
    Err(Failure::new(6010, Exit::Failure, what))
}

const fn holds(stage: Stage) -> bool {
    stage.is_running() || matches!(stage, Stage::Proposed)
}

/// What the ledger has of the object, as it is cut here.
async fn current(
    customer: &Customer,
    group: alloy_primitives::B256,
    spool: &Spool,
) -> Result<KeptObject, Failure> {
    let market = customer.market();
    let client = customer.account.address();
    let deals = market.group(client, group).await.map_err(unread)?;
    let objects = gather(&market, deals).await?;
    let found = objects.into_values().find(|object| object.layout == spool.layout);
    let (layout, codec) = (spool.layout, spool.codec);
    let none = KeptObject { group, client, layout, codec, pieces: std::collections::BTreeMap::new() };
    Ok(found.unwrap_or(none))
}

/// The pieces that wait for their bytes, and those without a deal.
async fn sort(
    customer: &Customer,
    kept: &KeptObject,
    spool: &Spool,
    failed: &BTreeSet<Address>,
) -> Result<(Vec<Proposal>, Vec<PieceOrder>), Failure> {
    let now = ledger_time(&customer.market()).await?;
    let (mut waiting, mut missing) = (Vec::new(), Vec::new());
    for (index, piece) in (0u8..).zip(&spool.orders) {
        match kept.pieces.get(&index) {
            Some(state) if state.stage.is_running() => {}
            Some(state)
                if state.stage == Stage::Proposed
                    && state.root == piece.root
                    && now < state.terms.acceptBy
                    && !failed.contains(&state.terms.provider) =>
            {
                waiting.push((usize::from(index), state.deal, state.terms.provider, *piece));
            }
            _ => missing.push(*piece),
        }
    }
    let providers: Vec<Address> = waiting.iter().map(|(_, _, provider, _)| *provider).collect();
    let listings = customer.market().listings_of(&providers).await.map_err(unread)?;
    let proposals = waiting.into_iter().filter_map(|(index, deal, provider, piece)| {
        let uri = listings.iter().find(|listing| listing.provider == provider)?.uri.clone();
        Some(Proposal { deal, provider, uri, piece, file: spool.piece(index) })
    });
    Ok((proposals.collect(), missing))
}

fn new_proposals(order: &Order, providers: &[Listing], deals: &[DealId], spool: &Spool) -> Vec<Proposal> {
    let rows = order.pieces.iter().zip(providers).zip(deals);
    let proposal = |((piece, provider), deal): ((&PieceOrder, &Listing), &DealId)| {
        let index = spool.orders.iter().position(|known| known.label == piece.label)?;
        Some(Proposal {
            deal: *deal,
            provider: provider.provider,
            uri: provider.uri.clone(),
            piece: *piece,
            file: spool.piece(index),
        })
    };
    rows.filter_map(proposal).collect()
}

/// Sends the pieces; returns the receipts, and the proposals whose providers did not take theirs.
async fn upload(
    proposals: &[Proposal],
    output: Output,
) -> Result<(Vec<StoredReceipt>, Vec<Proposal>), Failure> {
    let client =
        reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(UPLOAD_TIMEOUT).no_proxy();
    let client = client
        .build()
        .map_err(|source| Failure::new(1015, Exit::Network, "no HTTP client").because(source))?;
    let bytes = proposals.iter().map(|proposal| proposal.piece.leaves * 32).sum();
    let bar = output.progress(bytes, "storing");
    let sent = proposals.iter().map(|proposal| {
        let (client, bar) = (client.clone(), bar.clone());
        async move {
            let receipt = send(&client, proposal).await;
            bar.inc(proposal.piece.leaves * 32);
            (proposal, receipt)
        }
    });
    let mut sent = stream::iter(sent).buffer_unordered(UPLOADS_MAX);
    let (mut receipts, mut refused) = (Vec::new(), Vec::new());
    while let Some((proposal, receipt)) = sent.next().await {
        match receipt {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => {
                output.say(&format!("{} did not take deal {}: {error:#}", proposal.uri, proposal.deal));
                refused.push(proposal.clone());
            }
        }
    }
    bar.finish_and_clear();
    Ok((receipts, refused))
}

async fn send(client: &reqwest::Client, proposal: &Proposal) -> anyhow::Result<StoredReceipt> {
    let file = tokio::fs::File::open(&proposal.file).await?;
    let root = hex::encode(proposal.piece.root);
    let url = format!("{}/api/v1/pieces/{root}?deal={}", proposal.uri.trim_end_matches('/'), proposal.deal);
    let request = client.put(url).header("content-length", proposal.piece.leaves * 32);
    let answer = request.body(Body::wrap_stream(ReaderStream::new(file))).send().await?;
    if !answer.status().is_success() {
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        anyhow::bail!("{status}: {}", text.trim());
    }
    let receipt: ReceiptAnswer = answer.json().await?;
    anyhow::ensure!(
        receipt.deal == proposal.deal && receipt.provider == proposal.provider,
        "a receipt of another deal"
    );
    Ok(StoredReceipt { deal: receipt.deal, provider: receipt.provider, signature: receipt.signature })
}
