//! Buy and sell storage on the ledger: the market layer.
//!
//! A client asks for quotes, chooses providers, puts money aside, proposes deals and makes them run with the providers'
//! receipts. A provider registers with stake, proves every period that it has the bytes, watches that others do, and
//! repairs what they lose for a bounty. The rules are those of the contracts; this crate reads them and acts.
//!
//! What it is not: it moves no bytes. Pieces are behind [`nubes_base::port::Pieces`], the ledger behind
//! [`nubes_base::port::Ledger`].
//!
//! Laws:
//! - What is on the ledger is true; the [`provider`]'s book is a projection that every start makes anew.
//! - Prices in deals are those of the quote, and the deposit is their sum; a piece that has to go to another provider than
//!   quoted costs at most what the dearest of the quote does.
//! - Two pieces of one object go to two operators, or the order fails.
//! - Every transaction can be repeated: whoever crashes before an answer came reads the ledger and goes on from there.
//!
//! Begin with [`Market`], then [`client::Buyer`] and [`provider::Agent`].

mod account;
pub mod client;
mod ledger;
mod place;
mod price;
pub mod provider;
#[cfg(test)]
mod tests;
mod text;

pub use crate::account::{Account, SendError};
pub use crate::ledger::{DealId, Listing, Market, ReadError, Stage};
pub use crate::place::{PlaceError, Wish, choose};
pub use crate::price::{Costs, PARTS, Stages, cost, price_per_second};
pub use crate::text::{from_word, word};
