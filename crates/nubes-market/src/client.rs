//! A client's side of the market: quote, fund, propose, activate, extend.

use crate::{
    account::{Account, SendError},
    ledger::{DealId, Listing, Market, ReadError, Stage, number},
    place::{PlaceError, Wish, choose},
    price::{Costs, PARTS, Stages, cost, price_per_second},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent};
use nubes_contracts::{
    MULTICALL3, Multicall3, PAY_RAILS, PayRails, STORAGE_DEALS, StorageDeals, TEST_DOLLAR, TestDollar,
};
use std::collections::BTreeSet;

/// Deals in one transaction, as the contract has it.
const BATCH_MAX: usize = 20;
/// How long providers have to take the bytes.
const ACCEPT_SECONDS: u64 = 3_600;
/// How long a withdrawal may take to be final.
const WITHDRAWAL_SECONDS: u64 = 5;

/// A piece that wants a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceOrder {
    pub root: B256,
    /// What it is of its object: goes into the deal as its class.
    pub label: B256,
    pub leaves: u64,
}

/// What a client wants to keep.
#[derive(Clone, Debug)]
pub struct Order {
    pub group: B256,
    pub pieces: Vec<PieceOrder>,
    pub seconds: u64,
    pub region: Option<String>,
    pub stages: Stages,
    /// Most that a piece may cost, in parts per second: what was agreed to before, if this order replaces another.
    pub price_max: Option<u128>,
    /// Who must not get one: providers that have a piece of it already, or did not answer.
    pub avoid: BTreeSet<Address>,
}

/// A provider for each piece of the order, in its order, and what all of it costs.
#[derive(Clone, Debug)]
pub struct Quote {
    pub providers: Vec<Listing>,
    pub costs: Costs,
    /// Of the dearest piece, in parts per second.
    pub price_max: u128,
}

/// What a provider signed when it had the piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    pub deal: DealId,
    pub provider: Address,
    pub signature: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum BuyError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("the market cannot be read")]
    Read(#[from] ReadError),
    #[error("the market cannot be told")]
    Send(#[from] SendError),
    /// Get more of the token.
    #[error("{needed} units of the token are needed, the account has {has}")]
    Money { needed: U256, has: U256 },
    /// Pieces of one order have one length.
    #[error("the pieces differ in length, or there are none")]
    Pieces,
}

/// Money on the rails, in units of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    pub funds: U256,
    /// Not locked by deals.
    pub free: U256,
    /// Free still when a withdrawal is final: deals lock more each second.
    pub withdrawable: U256,
}

/// For how long a deal will still be paid.
fn seconds_ahead(deal: &StorageDeals::Deal, now: u64) -> u64 {
    let terms = &deal.terms;
    match Stage::of(deal.state) {
        stage if stage.is_running() => deal.end.saturating_sub(now),
        // Money is kept ready from its acceptance, and paid time begins with the next period.
        Stage::Proposed if now <= terms.acceptBy => terms.duration.saturating_add(terms.periodSeconds.into()),
        _ => 0,
    }
}

/// Buys storage for one account.
#[derive(Debug)]
pub struct Buyer<'a> {
    account: &'a Account,
    market: Market,
}

impl<'a> Buyer<'a> {
    pub fn new(account: &'a Account) -> Self {
        Self { account, market: Market::new(account.ledger().clone()) }
    }

    /// Chooses providers. Nothing is promised by either side.
    pub async fn quote(&self, order: &Order) -> Result<Quote, BuyError> {
        let leaves = order.pieces.first().map(|piece| piece.leaves).ok_or(BuyError::Pieces)?;
        if order.pieces.iter().any(|piece| piece.leaves != leaves) {
            return Err(BuyError::Pieces);
        }
        let wish = Wish {
            group: order.group,
            leaves,
            pieces: order.pieces.len(),
            seconds: order.seconds,
            region: order.region.clone(),
            price_max: order.price_max,
            avoid: order.avoid.clone(),
        };
        let listings = self.market.listings().await?;
        let providers: Vec<Listing> = choose(&listings, &wish)?.into_iter().cloned().collect();
        let rate = |provider: &Listing| price_per_second(leaves, provider.offer.pricePerGibMonth);
        let rates = providers.iter().map(|provider| (rate(provider), provider.period_seconds));
        let costs = cost(rates, order.seconds, &order.stages);
        let price_max = providers.iter().map(rate).max().unwrap_or_default();
        Ok(Quote { providers, costs, price_max })
    }

    /// Deposits what the account lacks of `units` beside what its other deals will need, and lets the deals' contract use
    /// the account. `now` is the ledger's time in seconds.
    pub async fn fund(&self, units: U256, now: u64) -> Result<(), BuyError> {
        let owner = self.account.address();
        let call = PayRails::accountOfCall { token: TEST_DOLLAR, owner };
        let account = self.market.read(PAY_RAILS, &call).await?;
        let needed = units.saturating_mul(PARTS).saturating_add(self.committed(now).await?);
        let missing = needed.saturating_sub(account.funds - account.locked).div_ceil(PARTS);
        if !missing.is_zero() {
            self.deposit(missing).await?;
        }
        let call = PayRails::approvalOfCall { token: TEST_DOLLAR, owner, operator: STORAGE_DEALS };
        if self.market.read(PAY_RAILS, &call).await?.approved {
            return Ok(());
        }
        // The contract opens rails only for deals that this account proposes, and at most at the price in them.
        let approve = PayRails::approveOperatorCall {
            token: TEST_DOLLAR,
            operator: STORAGE_DEALS,
            approved: true,
            rateAllowance: U256::MAX,
            lockupAllowance: U256::MAX,
            lockupPeriodMax: u64::MAX,
        };
        self.account.send(PAY_RAILS, &approve).await?;
        Ok(())
    }

    /// Parts that the account's deals will earn until they end. The rails lock only what was earned, and a reserve; the
    /// rest is free there, and yet not there for other deals.
    async fn committed(&self, now: u64) -> Result<U256, BuyError> {
        let ids: Vec<DealId> = (0..self.market.deal_count().await?).collect();
        let deals = self.market.deals(&ids).await?;
        let mine = deals.iter().map(|(_, deal)| deal).filter(|deal| deal.client == self.account.address());
        Ok(mine
            .map(|deal| U256::from(deal.terms.pricePerSecond) * U256::from(seconds_ahead(deal, now)))
            .sum())
    }

    /// Moves units of the token into the account on the rails.
    pub async fn deposit(&self, units: U256) -> Result<(), BuyError> {
        let owner = self.account.address();
        let has = self.market.read(TEST_DOLLAR, &TestDollar::balanceOfCall { account: owner }).await?;
        if has < units {
            return Err(BuyError::Money { needed: units, has });
        }
        self.account.send(TEST_DOLLAR, &TestDollar::approveCall { spender: PAY_RAILS, value: units }).await?;
        self.account.send(PAY_RAILS, &PayRails::depositCall { token: TEST_DOLLAR, owner, units }).await?;
        Ok(())
    }

    /// Proposes a deal for each piece. `now` is the ledger's time in seconds.
    pub async fn propose(&self, order: &Order, quote: &Quote, now: u64) -> Result<Vec<DealId>, BuyError> {
        let region = order.region.as_deref().and_then(crate::text::word).unwrap_or_default();
        let terms = order.pieces.iter().zip(&quote.providers).map(|(piece, provider)| StorageDeals::Terms {
            provider: provider.provider,
            pieceRoot: piece.root,
            leafCount: piece.leaves,
            duration: order.seconds,
            acceptBy: now + ACCEPT_SECONDS,
            periodSeconds: u32::try_from(provider.period_seconds).unwrap_or(u32::MAX),
            readOnlySeconds: order.stages.read_only,
            graceSeconds: order.stages.grace,
            noticeSeconds: order.stages.notice,
            pricePerSecond: price_per_second(piece.leaves, provider.offer.pricePerGibMonth),
            class: piece.label,
            region,
            group: order.group,
        });
        let terms: Vec<_> = terms.collect();
        let mut deals = Vec::new();
        for batch in terms.chunks(BATCH_MAX) {
            let receipt = self
                .account
                .send(STORAGE_DEALS, &StorageDeals::proposeCall { batch: batch.to_vec() })
                .await?;
            let proposed = receipt.logs.iter().filter(|log| log.address == STORAGE_DEALS).filter_map(|log| {
                StorageDeals::DealProposed::decode_raw_log(log.topics.iter().copied(), &log.data).ok()
            });
            deals.extend(proposed.map(|event| number(event.dealId)));
        }
        Ok(deals)
    }

    /// Makes deals run, by the receipts of their providers.
    pub async fn activate(&self, receipts: &[StoredReceipt]) -> Result<(), BuyError> {
        for batch in receipts.chunks(BATCH_MAX) {
            let calls = batch.iter().map(|receipt| {
                let call = StorageDeals::acceptSignedCall {
                    provider: receipt.provider,
                    dealIds: vec![U256::from(receipt.deal)],
                    signature: receipt.signature.clone(),
                };
                Multicall3::Call3 {
                    target: STORAGE_DEALS,
                    // One provider that left the market must not hold up the others.
                    allowFailure: true,
                    callData: call.abi_encode().into(),
                }
            });
            self.account.send(MULTICALL3, &Multicall3::aggregate3Call { calls: calls.collect() }).await?;
        }
        Ok(())
    }

    /// Takes a proposal back.
    pub async fn withdraw(&self, deal: DealId) -> Result<(), BuyError> {
        let call = StorageDeals::withdrawProposalCall { dealId: U256::from(deal) };
        self.account.send(STORAGE_DEALS, &call).await?;
        Ok(())
    }

    /// Tells the ledger that a deal has money again.
    pub async fn revive(&self, deal: DealId) -> Result<(), BuyError> {
        self.account.send(STORAGE_DEALS, &StorageDeals::reviveCall { dealId: U256::from(deal) }).await?;
        Ok(())
    }

    /// Lets a deal run longer, at its price.
    pub async fn renew(&self, deal: DealId, seconds: u64) -> Result<(), BuyError> {
        let call = StorageDeals::renewCall { dealId: U256::from(deal), seconds_: seconds };
        self.account.send(STORAGE_DEALS, &call).await?;
        Ok(())
    }

    /// Takes units out of what is free.
    pub async fn take_out(&self, units: U256) -> Result<(), BuyError> {
        let receiver = self.account.address();
        let call = PayRails::withdrawCall { token: TEST_DOLLAR, receiver, units };
        self.account.send(PAY_RAILS, &call).await?;
        Ok(())
    }

    /// What the account has on the rails, in units of the token.
    pub async fn balance(&self) -> Result<Balance, BuyError> {
        let owner = self.account.address();
        let call = PayRails::accountOfCall { token: TEST_DOLLAR, owner };
        let account = self.market.read(PAY_RAILS, &call).await?;
        let free = account.funds - account.locked;
        let soon = account.rate * U256::from(WITHDRAWAL_SECONDS);
        Ok(Balance {
            funds: account.funds / PARTS,
            free: free / PARTS,
            withdrawable: free.saturating_sub(soon) / PARTS,
        })
    }
}
