//! What the contracts say, read in pages.

use crate::{account::reason, text::from_word};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use nubes_base::port::{CallError, Ledger};
use nubes_contracts::{
    MULTICALL3, Multicall3, POSSESSION_PROOFS, PROVIDER_REGISTRY, PossessionProofs, ProviderRegistry,
    REPAIR_JOBS, RepairJobs, STORAGE_DEALS, StorageDeals,
};
use std::sync::Arc;

/// Calls in one read.
const BATCH_MAX: usize = 100;
/// Deals of one object that are looked at: pieces, and what replaced them.
const GROUP_MAX: u64 = 1_000;

/// Number of a deal on the ledger.
pub type DealId = u64;

/// A stage of a deal, as the contract counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    None,
    Proposed,
    Active,
    ReadOnly,
    Grace,
    Notice,
    Ended,
    Lost,
}

impl Stage {
    pub const fn of(state: u8) -> Self {
        match state {
            1 => Self::Proposed,
            2 => Self::Active,
            3 => Self::ReadOnly,
            4 => Self::Grace,
            5 => Self::Notice,
            6 => Self::Ended,
            7 => Self::Lost,
            _ => Self::None,
        }
    }

    /// The provider is bound to have the bytes.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Active) || self.lacks_money()
    }

    /// It runs on what was put aside.
    pub const fn lacks_money(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Grace | Self::Notice)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::ReadOnly => "read-only",
            Self::Grace => "grace",
            Self::Notice => "notice",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }
}

/// A provider as it offers itself.
#[derive(Clone, Debug)]
pub struct Listing {
    pub provider: Address,
    pub uri: String,
    pub offer: ProviderRegistry::Offer,
    pub capacity_bytes: u128,
    /// As it says itself. Providers of one operator fail together.
    pub operator: String,
    pub region: String,
    pub stake: ProviderRegistry::Stake,
    pub takes_deals: bool,
    /// Zero: it has no data set yet.
    pub period_seconds: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The contract says no, or it is not there.
    #[error("contract {contract} refuses: {reason}")]
    Refused { contract: Address, reason: String },
    /// The chain has other contracts at these addresses.
    #[error("contract {contract} does not answer as the market does")]
    Shape {
        contract: Address,
        #[source]
        source: alloy_sol_types::Error,
    },
    #[error("the ledger does not answer")]
    Ledger {
        #[source]
        source: CallError,
    },
}

/// Reads the market. Clones read the same ledger.
#[derive(Clone, Debug)]
pub struct Market {
    ledger: Arc<dyn Ledger>,
}

impl Market {
    pub const fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }

    pub const fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    pub async fn read<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return, ReadError> {
        let answer = self.ledger.call(contract, call.abi_encode().into()).await;
        let answer = answer.map_err(|source| match source {
            CallError::Reverted { data } => ReadError::Refused { contract, reason: reason(&data) },
            source => ReadError::Ledger { source },
        })?;
        C::abi_decode_returns(&answer).map_err(|source| ReadError::Shape { contract, source })
    }

    /// The answers to many calls, each page of them on one state; `None` where the contract refused.
    pub async fn read_many<C: SolCall>(
        &self,
        contract: Address,
        calls: &[C],
    ) -> Result<Vec<Option<C::Return>>, ReadError> {
        let mut answers = Vec::with_capacity(calls.len());
        for page in calls.chunks(BATCH_MAX) {
            let calls = page
                .iter()
                .map(|call| Multicall3::Call3 {
                    target: contract,
                    allowFailure: true,
                    callData: call.abi_encode().into(),
                })
                .collect();
            for answer in self.read(MULTICALL3, &Multicall3::aggregate3Call { calls }).await? {
                let decode = || C::abi_decode_returns(&answer.returnData);
                let value = answer.success.then(decode).transpose();
                answers.push(value.map_err(|source| ReadError::Shape { contract, source })?);
            }
        }
        Ok(answers)
    }

    /// All providers that ever registered.
    pub async fn listings(&self) -> Result<Vec<Listing>, ReadError> {
        let count = self.read(PROVIDER_REGISTRY, &ProviderRegistry::providerCountCall {}).await?;
        let mut listings = Vec::new();
        let page = U256::from(BATCH_MAX);
        let mut offset = U256::ZERO;
        while offset < count {
            let call = ProviderRegistry::providersCall { offset, count: page };
            let providers = self.read(PROVIDER_REGISTRY, &call).await?;
            listings.extend(self.listings_of(&providers).await?);
            offset += page;
        }
        Ok(listings)
    }

    pub async fn listings_of(&self, providers: &[Address]) -> Result<Vec<Listing>, ReadError> {
        let each = || providers.iter().copied();
        let profiles: Vec<_> = each().map(|provider| ProviderRegistry::profileOfCall { provider }).collect();
        let attributes: Vec<_> =
            each().map(|provider| ProviderRegistry::attributesOfCall { provider }).collect();
        let stakes: Vec<_> = each().map(|provider| ProviderRegistry::stakeOfCall { provider }).collect();
        let open: Vec<_> = each().map(|provider| ProviderRegistry::takesDealsCall { provider }).collect();
        let periods: Vec<_> =
            each().map(|provider| PossessionProofs::periodSecondsCall { provider }).collect();
        let profiles = self.read_many(PROVIDER_REGISTRY, &profiles).await?;
        let attributes = self.read_many(PROVIDER_REGISTRY, &attributes).await?;
        let stakes = self.read_many(PROVIDER_REGISTRY, &stakes).await?;
        let open = self.read_many(PROVIDER_REGISTRY, &open).await?;
        let periods = self.read_many(POSSESSION_PROOFS, &periods).await?;
        let rows = each().zip(profiles).zip(attributes).zip(stakes).zip(open).zip(periods);
        let listing = |(((((provider, profile), attributes), stake), open), period)| {
            let (profile, stake): (ProviderRegistry::Profile, _) = (profile?, stake?);
            let attributes: Vec<ProviderRegistry::Attribute> = attributes?;
            Some(Listing {
                provider,
                operator: attribute(&attributes, "operator").unwrap_or_else(|| provider.to_string()),
                region: attribute(&attributes, "region").unwrap_or_default(),
                uri: profile.uri,
                offer: profile.offer,
                capacity_bytes: profile.capacityBytes,
                stake,
                takes_deals: open?,
                period_seconds: u64::try_from(period?).unwrap_or(u64::MAX),
            })
        };
        Ok(rows.filter_map(listing).collect())
    }

    pub async fn deal_count(&self) -> Result<u64, ReadError> {
        Ok(number(self.read(STORAGE_DEALS, &StorageDeals::dealCountCall {}).await?))
    }

    pub async fn deals(&self, ids: &[DealId]) -> Result<Vec<(DealId, StorageDeals::Deal)>, ReadError> {
        let calls: Vec<_> =
            ids.iter().map(|id| StorageDeals::dealOfCall { dealId: U256::from(*id) }).collect();
        let deals = self.read_many(STORAGE_DEALS, &calls).await?;
        Ok(ids.iter().zip(deals).filter_map(|(id, deal)| Some((*id, deal?))).collect())
    }

    /// The stages that clock and money give deals, also where nobody told the ledger yet.
    pub async fn stages(&self, ids: &[DealId]) -> Result<Vec<(DealId, Stage)>, ReadError> {
        let calls: Vec<_> =
            ids.iter().map(|id| StorageDeals::stateOfCall { dealId: U256::from(*id) }).collect();
        let states = self.read_many(STORAGE_DEALS, &calls).await?;
        Ok(ids.iter().zip(states).filter_map(|(id, state)| Some((*id, Stage::of(state?)))).collect())
    }

    /// The deals that a client made for an object, in their order.
    pub async fn group(
        &self,
        client: Address,
        group: B256,
    ) -> Result<Vec<(DealId, StorageDeals::Deal)>, ReadError> {
        let call = StorageDeals::dealsOfGroupCall {
            client,
            group,
            offset: U256::ZERO,
            count: U256::from(GROUP_MAX),
        };
        let ids: Vec<DealId> = self.read(STORAGE_DEALS, &call).await?.into_iter().map(number).collect();
        self.deals(&ids).await
    }

    pub async fn jobs(&self, ids: &[DealId]) -> Result<Vec<(DealId, RepairJobs::Job)>, ReadError> {
        let calls: Vec<_> = ids.iter().map(|id| RepairJobs::jobOfCall { dealId: U256::from(*id) }).collect();
        let jobs = self.read_many(REPAIR_JOBS, &calls).await?;
        Ok(ids.iter().zip(jobs).filter_map(|(id, job)| Some((*id, job?))).collect())
    }

    /// A provider's data set, its leaves and the number of its pieces.
    pub async fn data_set(&self, provider: Address) -> Result<PossessionProofs::dataSetOfReturn, ReadError> {
        self.read(POSSESSION_PROOFS, &PossessionProofs::dataSetOfCall { provider }).await
    }

    /// For each provider and period, whether it was proven.
    pub async fn proven(&self, asked: &[(Address, u64)]) -> Result<Vec<bool>, ReadError> {
        let calls: Vec<_> = asked
            .iter()
            .map(|(provider, period)| PossessionProofs::isProvenCall {
                provider: *provider,
                period: U256::from(*period),
            })
            .collect();
        let proven = self.read_many(POSSESSION_PROOFS, &calls).await?;
        Ok(proven.into_iter().map(Option::unwrap_or_default).collect())
    }
}

fn attribute(attributes: &[ProviderRegistry::Attribute], key: &str) -> Option<String> {
    attributes.iter().find(|attribute| from_word(&attribute.key) == key).map(|found| from_word(&found.value))
}

/// Numbers of deals, periods and seconds: the contracts count them one by one.
pub(crate) fn number(value: U256) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
