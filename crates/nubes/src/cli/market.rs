//! The market's commands.

use super::{Door, Key};
use crate::market::Span;
use alloy_primitives::Address;
use clap::{Args, Subcommand};
use nubes_storage::pieces::Coding;

/// Roots of one pack.
const PACK_ROOTS_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Ask every provider whether it has its piece
    #[arg(long)]
    pub(crate) health: bool,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Deal {
    /// Show the price, then have providers keep content
    Make(DealMake),
    /// Show the pieces of an object and who has them
    Show(DealShow),
    /// Put money aside; deals that stopped for want of it go on
    TopUp(DealTopUp),
    /// Keep an object for longer
    Renew(DealRenew),
    /// Take out money that is not locked; deals that it was meant for run out
    Withdraw(DealWithdraw),
}

#[derive(Debug, Args)]
pub(crate) struct DealMake {
    /// What to keep: a CID that the node has; several are packed into one folder, in which each is named by its CID
    #[arg(required = true, num_args = 1..=PACK_ROOTS_MAX, value_name = "CID")]
    pub(crate) cids: Vec<String>,
    /// rs-DATA-TOTAL or copies-TOTAL [default: the safest for which there are providers]
    #[arg(long)]
    pub(crate) product: Option<Coding>,
    /// For how long, such as 30d or 12h
    #[arg(long = "for", value_name = "SPAN", default_value = "30d")]
    pub(crate) span: Span,
    /// Only with providers there
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Leave out this provider; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) avoid: Vec<Address>,
    /// Without money: how long it can still be read
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub(crate) read_only: Span,
    /// After that: how long it waits for money
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub(crate) grace: Span,
    /// After that: how long before it ends
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub(crate) notice: Span,
    /// Print the price and exit
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct DealShow {
    pub(crate) cid: String,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct DealTopUp {
    pub(crate) dollars: f64,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct DealRenew {
    pub(crate) cid: String,
    /// How much longer
    #[arg(long = "for", value_name = "SPAN", default_value = "30d")]
    pub(crate) span: Span,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct DealWithdraw {
    /// All that is free, if not given
    pub(crate) dollars: Option<f64>,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Provider {
    /// Show who sells storage, at what price
    List(ProviderList),
    /// Show a provider's stake, deals, proofs and earnings
    Status(ProviderStatus),
    /// Change what a provider asks, or close its offer
    Offer(ProviderOffer),
    /// Take out what a provider earned
    Withdraw(ProviderWithdraw),
}

#[derive(Debug, Args)]
pub(crate) struct ProviderList {
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderStatus {
    pub(crate) provider: Address,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderOffer {
    /// Dollars for 1 GiB and 30 days
    #[arg(long)]
    pub(crate) price: Option<f64>,
    /// Take no new deals
    #[arg(long, conflicts_with = "open")]
    pub(crate) close: bool,
    /// Take new deals again
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct ProviderWithdraw {
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[cfg(test)]
mod tests {
    use super::PACK_ROOTS_MAX;
    use crate::cli::Cli;
    use clap::{Parser, error::ErrorKind};
    use std::iter::{once, repeat_n};

    #[test]
    fn a_pack_has_as_many_roots_as_are_allowed_and_no_more() {
        let parse = |count| {
            let words =
                ["nubes", "deal", "make"].into_iter().chain(repeat_n("bafy", count)).chain(once("--yes"));
            Cli::try_parse_from(words).map(|_| ()).map_err(|error| error.kind())
        };
        assert_eq!(parse(0), Err(ErrorKind::MissingRequiredArgument));
        assert_eq!((parse(1), parse(PACK_ROOTS_MAX)), (Ok(()), Ok(())));
        assert!(parse(PACK_ROOTS_MAX + 1).is_err());
    }
}
