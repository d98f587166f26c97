//! Becoming a provider: stake, profile, attributes, proving clock.

use crate::{
    account::{Account, SendError},
    ledger::{Market, ReadError},
    text::word,
};
use alloy_primitives::{Bytes, U256};
use nubes_contracts::{
    POSSESSION_PROOFS, PROVIDER_REGISTRY, PROVIDER_STAKE_MIN, PossessionProofs, ProviderRegistry,
    TEST_DOLLAR, TestDollar,
};

/// Multicodec of a secp256k1 public key: what receipts are signed with is the account itself.
const KEY_CODEC: u16 = 0xe7;

/// What a provider says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where it answers, as clients reach it.
    pub uri: String,
    /// Units of the token for 1 GiB and 30 days.
    pub units_per_gib_month: u128,
    pub seconds_min: u64,
    pub seconds_max: u64,
    pub piece_bytes_max: u64,
    pub capacity_bytes: u128,
    pub accepting: bool,
    /// At most 32 bytes each.
    pub region: String,
    pub operator: String,
    /// Of the proving clock. Fixed at the first registration.
    pub period_seconds: u64,
    /// Units of the token that the stake is filled up to.
    pub stake_units: U256,
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("the market cannot be read")]
    Read(#[from] ReadError),
    #[error("the provider cannot register")]
    Send(#[from] SendError),
    /// Send the account test dollars, or lower the stake.
    #[error("the stake lacks {missing} units and the account has {has}")]
    Money { missing: U256, has: U256 },
    /// Choose shorter words.
    #[error("`{text}` is longer than 32 bytes")]
    TooLong { text: String },
    /// The ledger knows another period; it cannot be changed.
    #[error("the proving period is {period_seconds} s since the first registration, not {asked} s")]
    Period { period_seconds: u64, asked: u64 },
}

/// Makes the ledger say what the offer says; what it says already is left as it is. Price and limits are those of the first
/// registration, or what was set on the ledger since.
pub async fn join(account: &Account, offer: &Offer) -> Result<(), JoinError> {
    let market = Market::new(account.ledger().clone());
    let provider = account.address();
    let set = market.data_set(provider).await?.set;
    if set.origin != 0 && set.periodSeconds != offer.period_seconds {
        return Err(JoinError::Period { period_seconds: set.periodSeconds, asked: offer.period_seconds });
    }
    fill_stake(account, &market, offer.stake_units.max(PROVIDER_STAKE_MIN)).await?;
    if set.origin == 0 {
        let call = PossessionProofs::openDataSetCall { seconds_: offer.period_seconds };
        account.send(POSSESSION_PROOFS, &call).await?;
    }
    let attributes = attributes(offer)?;
    let call = ProviderRegistry::profileOfCall { provider };
    let known = market.read(PROVIDER_REGISTRY, &call).await?;
    let mut wanted = profile(offer);
    if !known.uri.is_empty() {
        // Prices change on the ledger from then on, and a restart does not change them back.
        wanted.offer = known.offer.clone();
    }
    if known != wanted {
        account.send(PROVIDER_REGISTRY, &ProviderRegistry::registerCall { profile: wanted }).await?;
    }
    let call = ProviderRegistry::attributesOfCall { provider };
    if market.read(PROVIDER_REGISTRY, &call).await? != attributes {
        account.send(PROVIDER_REGISTRY, &ProviderRegistry::setAttributesCall { attributes }).await?;
    }
    Ok(())
}

async fn fill_stake(account: &Account, market: &Market, units: U256) -> Result<(), JoinError> {
    let provider = account.address();
    let stake = market.read(PROVIDER_REGISTRY, &ProviderRegistry::stakeOfCall { provider }).await?;
    let missing = units.saturating_sub(stake.units.saturating_sub(stake.exitingUnits));
    // Whoever was slashed a little goes on with what is left; only below the least stake there are no new deals.
    if stake.units >= PROVIDER_STAKE_MIN || missing.is_zero() {
        return Ok(());
    }
    let has = market.read(TEST_DOLLAR, &TestDollar::balanceOfCall { account: provider }).await?;
    if has < missing {
        return Err(JoinError::Money { missing, has });
    }
    let approve = TestDollar::approveCall { spender: PROVIDER_REGISTRY, value: missing };
    account.send(TEST_DOLLAR, &approve).await?;
    let deposit = ProviderRegistry::depositStakeCall { provider, units: missing };
    account.send(PROVIDER_REGISTRY, &deposit).await?;
    Ok(())
}

fn profile(offer: &Offer) -> ProviderRegistry::Profile {
    ProviderRegistry::Profile {
        uri: offer.uri.clone(),
        keyCodec: KEY_CODEC,
        key: Bytes::new(),
        capacityBytes: offer.capacity_bytes,
        offer: ProviderRegistry::Offer {
            pricePerGibMonth: offer.units_per_gib_month,
            durationMin: offer.seconds_min,
            durationMax: offer.seconds_max,
            pieceBytesMax: offer.piece_bytes_max,
            accepting: offer.accepting,
        },
    }
}

fn attributes(offer: &Offer) -> Result<Vec<ProviderRegistry::Attribute>, JoinError> {
    let named = [("region", &offer.region), ("operator", &offer.operator)];
    let said = named.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(key, value)| {
        let too_long = || JoinError::TooLong { text: value.clone() };
        let (key, value) = (word(key).unwrap_or_default(), word(value).ok_or_else(too_long)?);
        Ok(ProviderRegistry::Attribute { key, value })
    })
    .collect()
}
