//! Who gets which piece. Pure.

use crate::{ledger::Listing, price::price_per_second};
use alloy_primitives::{Address, B256, keccak256};
use std::collections::BTreeSet;

/// What is to be placed.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The object; spreads objects over equally cheap providers.
    pub group: B256,
    /// Leaves of each piece.
    pub leaves: u64,
    pub pieces: usize,
    pub seconds: u64,
    /// Only there, if it is named.
    pub region: Option<String>,
    /// Most that a piece may cost, in parts per second.
    pub price_max: Option<u128>,
    /// Have a piece of this object already, or failed a moment ago.
    pub avoid: BTreeSet<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Choose a smaller product, a higher price or another region, or wait for providers.
    #[error("{found} operators offer what is needed, {needed} are needed ({reasons})")]
    TooFew { found: usize, needed: usize, reasons: String },
}

/// The cheapest offers that fit, at most one of each operator.
pub fn choose<'a>(listings: &'a [Listing], wish: &Wish) -> Result<Vec<&'a Listing>, PlaceError> {
    let mut refusals = Refusals::default();
    let mut fitting: Vec<&Listing> = listings.iter().filter(|listing| refusals.fits(listing, wish)).collect();
    let spread = |listing: &Listing| keccak256([wish.group.as_slice(), listing.provider.as_slice()].concat());
    fitting.sort_by_cached_key(|listing| (listing.offer.pricePerGibMonth, spread(listing)));
    let mut operators = BTreeSet::new();
    fitting.retain(|listing| operators.insert(listing.operator.clone()));
    if fitting.len() < wish.pieces {
        let (found, needed) = (fitting.len(), wish.pieces);
        return Err(PlaceError::TooFew { found, needed, reasons: refusals.text() });
    }
    fitting.truncate(wish.pieces);
    Ok(fitting)
}

/// Why offers did not fit, for the person who wonders.
#[derive(Debug, Default)]
struct Refusals {
    closed: usize,
    avoided: usize,
    region: usize,
    duration: usize,
    size: usize,
    price: usize,
}

impl Refusals {
    fn fits(&mut self, listing: &Listing, wish: &Wish) -> bool {
        let offer = &listing.offer;
        let price = price_per_second(wish.leaves, offer.pricePerGibMonth);
        let reason = if !listing.takes_deals || listing.period_seconds == 0 {
            &mut self.closed
        } else if wish.avoid.contains(&listing.provider) {
            &mut self.avoided
        } else if wish.region.as_ref().is_some_and(|region| *region != listing.region) {
            &mut self.region
        } else if wish.seconds < offer.durationMin || offer.durationMax < wish.seconds {
            &mut self.duration
        } else if offer.pieceBytesMax < wish.leaves.saturating_mul(32) {
            &mut self.size
        } else if wish.price_max.is_some_and(|max| max < price) {
            &mut self.price
        } else {
            return true;
        };
        *reason += 1;
        false
    }

    fn text(&self) -> String {
        let all = [
            (self.closed, "take no deals"),
            (self.avoided, "have a piece already"),
            (self.region, "are elsewhere"),
            (self.duration, "for other durations"),
            (self.size, "for smaller pieces"),
            (self.price, "too expensive"),
        ];
        let said: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count != 0)
            .map(|(count, why)| format!("{count} {why}"))
            .collect();
        if said.is_empty() { "no others are registered".to_owned() } else { said.join(", ") }
    }
}
