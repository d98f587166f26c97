//! What a provider is told: `node.toml` with a `[provider]` in it.

use crate::{
    failure::{Exit, Failure},
    node::config::{FILE_NAME, read_toml},
};
use alloy_primitives::U256;
use nubes_market::provider::Offer;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Units of the token in one dollar.
pub(crate) const DOLLAR_UNITS: f64 = 1_000_000.0;

/// `node.toml` of a provider. Paths are relative to the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderNodeFile {
    /// Name in logs.
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    /// Where clients bring and read pieces.
    pub(crate) door: SocketAddr,
    pub(crate) ledger: LedgerFile,
    pub(crate) provider: ProviderFile,
}

/// `[ledger]`: who keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerFile {
    /// JSON-RPC addresses; the next is asked when one does not answer.
    pub(crate) rpc: Vec<String>,
}

/// `[provider]`: what is offered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderFile {
    /// File with the private key in hex.
    pub(crate) key: PathBuf,
    /// Address that clients use; absent: the door's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    /// Dollars for 1 GiB and 30 days, at the first start; `nubes provider offer` changes it.
    pub(crate) dollars_per_gib_month: f64,
    /// Put up as stake when there is none, or too little for new deals.
    pub(crate) stake_dollars: f64,
    pub(crate) capacity_gib: u64,
    pub(crate) piece_gib_max: u64,
    /// Days that a deal may last.
    pub(crate) days_max: u32,
    /// How often possession is proven. Fixed at the first start.
    pub(crate) period_seconds: u64,
    /// How often all pieces are read and checked.
    pub(crate) check_seconds: u64,
    #[serde(default)]
    pub(crate) region: String,
    /// Providers of one operator are never given two pieces of one object; absent: the provider's own address.
    #[serde(default)]
    pub(crate) operator: String,
    /// Whether it watches others and repairs what they lose.
    pub(crate) repairs: bool,
}

impl ProviderFile {
    pub(crate) fn offer(&self, door: SocketAddr) -> Result<Offer, Failure> {
        Ok(Offer {
            uri: self.uri.clone().unwrap_or_else(|| format!("http://{door}")),
            units_per_gib_month: units(self.dollars_per_gib_month)?,
            seconds_min: 0,
            seconds_max: u64::from(self.days_max) * 86_400,
            piece_bytes_max: self.piece_gib_max << 30,
            capacity_bytes: u128::from(self.capacity_gib) << 30,
            accepting: true,
            region: self.region.clone(),
            operator: self.operator.clone(),
            period_seconds: self.period_seconds,
            stake_units: U256::from(units(self.stake_dollars)?),
        })
    }
}

/// Units of the token for an amount in dollars.
pub(crate) fn units(dollars: f64) -> Result<u128, Failure> {
    let units = (dollars * DOLLAR_UNITS).round();
    if !(0.0..=1e18).contains(&units) {
        return Err(Failure::new(1014, Exit::Usage, format!("{dollars} is no amount of dollars")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    Ok(units as u128)
}

/// A provider's folder and what its file says.
#[derive(Clone, Debug)]
pub(crate) struct ProviderConfig {
    pub(crate) dir: PathBuf,
    pub(crate) file: ProviderNodeFile,
}

impl ProviderConfig {
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        Ok(Self { dir: dir.to_owned(), file: read_toml(&dir.join(FILE_NAME))? })
    }

    /// A path of the file, resolved.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.dir.join(path)
    }
}
