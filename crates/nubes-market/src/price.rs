//! What a deal costs: the sums of the contract `DealTerms`, to the part.

use alloy_primitives::{U256, U512};

/// Parts of one unit of the token: prices per second are smaller than a unit.
pub const PARTS: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
const LEAF_BYTES: u64 = 32;
/// 1 GiB for 30 days, in bytes times seconds.
const GIB_MONTH: u64 = (1 << 30) * 30 * 86_400;

/// How long a deal without money goes on, stage by stage, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    pub read_only: u32,
    pub grace: u32,
    pub notice: u32,
}

impl Stages {
    /// A week each: who is on holiday loses nothing.
    pub const STANDARD: Self = Self { read_only: 604_800, grace: 604_800, notice: 604_800 };

    /// What is put aside when the deal is proposed.
    pub const fn seconds(&self) -> u64 {
        self.read_only as u64 + self.grace as u64 + self.notice as u64
    }
}

/// Parts for a second of a piece with so many leaves, at a price in units for a GiB and 30 days; rounded up.
pub fn price_per_second(leaves: u64, units_per_gib_month: u128) -> u128 {
    let bytes = U512::from(leaves) * U512::from(LEAF_BYTES);
    let parts = bytes * U512::from(units_per_gib_month) * U512::from(PARTS);
    let price = parts.div_ceil(U512::from(GIB_MONTH));
    u128::try_from(price).unwrap_or(u128::MAX)
}

/// What an order costs, in units of the token, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Paid to the providers if every period is proven.
    pub storage: U256,
    /// Put aside for the time after the money runs out; comes back if it does not.
    pub reserve: U256,
}

impl Costs {
    /// What must be in the account.
    pub fn deposit(&self) -> U256 {
        self.storage.saturating_add(self.reserve)
    }
}

/// The sum over pieces with these prices and proving periods.
pub fn cost(pieces: impl IntoIterator<Item = (u128, u64)>, seconds: u64, stages: &Stages) -> Costs {
    let (mut storage, mut reserve) = (U256::ZERO, U256::ZERO);
    for (price, period) in pieces {
        storage += U256::from(price) * U256::from(seconds);
        // Money is kept ready from the moment the deal runs; paid time begins with the next period.
        reserve += U256::from(price) * U256::from(stages.seconds() + period);
    }
    Costs { storage: storage.div_ceil(PARTS), reserve: reserve.div_ceil(PARTS) }
}
