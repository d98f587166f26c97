//! The command line's side of the storage market: an account, an object's pieces, and where they are.

mod money;
mod object;
mod order;
mod pack;
mod span;
mod spool;

pub(crate) use money::{dollars, dollars_of_parts};
pub(crate) use object::{KeptObject, StoredObject, gather, group_of, kept_objects};
pub(crate) use order::{Making, make};
pub(crate) use pack::pack;
pub(crate) use span::Span;

use crate::{
    account::{self, ledger},
    cli::{Door, Key},
    client::Client,
    failure::{Exit, Failure},
};
use nubes_market::{Account, Market, ReadError, SendError, client::BuyError};

/// Who acts, and through which node.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) client: Client,
    pub(crate) account: Account,
}

impl Customer {
    pub(crate) async fn open(door: &Door, key: &Key) -> Result<Self, Failure> {
        let client = Client::new(&door.node)?;
        let node = client.info().await?;
        Ok(Self { account: account::open(key.key_file.as_deref(), &node).await?, client })
    }

    pub(crate) fn market(&self) -> Market {
        Market::new(self.account.ledger().clone())
    }
}

/// Reads the market without an account.
pub(crate) async fn market(client: &Client) -> Result<Market, Failure> {
    Ok(Market::new(ledger(&client.info().await?).await?))
}

/// The ledger's time in seconds.
pub(crate) async fn ledger_time(market: &Market) -> Result<u64, Failure> {
    let call = nubes_contracts::Multicall3::getCurrentBlockTimestampCall {};
    let now = market.read(nubes_contracts::MULTICALL3, &call).await.map_err(unread)?;
    Ok(u64::try_from(now).unwrap_or(u64::MAX))
}

pub(crate) fn unread(source: ReadError) -> Failure {
    Failure::new(6002, Exit::Network, "the market cannot be read").because(source)
}

pub(crate) fn unsent(source: SendError) -> Failure {
    Failure::new(6009, Exit::Failure, "the market was not told").because(source)
}

pub(crate) fn unbought(error: BuyError) -> Failure {
    match error {
        BuyError::Place(source) => {
            Failure::new(6007, Exit::Failure, "there are not enough offers").because(source)
        }
        BuyError::Money { needed, has } => {
            let what = format!("{} dollars are needed, the account has {}", dollars(needed), dollars(has));
            Failure::new(6008, Exit::Money, what)
        }
        BuyError::Read(source) => unread(source),
        BuyError::Send(source) => unsent(source),
        error @ BuyError::Pieces => Failure::new(6012, Exit::Failure, "no order").because(error),
    }
}
