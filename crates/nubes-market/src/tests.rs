//! Prices and placement: the contract's sums, and who gets which piece.

use crate::{Listing, PARTS, PlaceError, Stages, Wish, choose, cost, from_word, price_per_second, word};
use alloy_primitives::{Address, B256, U256, U512};
use nubes_contracts::ProviderRegistry;
use proptest::prelude::*;
use std::collections::BTreeSet;

const GIB: u64 = 1 << 30;
const MONTH: u64 = 30 * 86_400;

fn listing(number: u8, price: u128, operator: &str) -> Listing {
    Listing {
        provider: Address::repeat_byte(number),
        uri: format!("http://127.0.0.1:{number}"),
        offer: ProviderRegistry::Offer {
            pricePerGibMonth: price,
            durationMin: 10,
            durationMax: 1_000,
            pieceBytesMax: 1 << 20,
            accepting: true,
        },
        capacity_bytes: 1 << 40,
        operator: operator.to_owned(),
        region: if number.is_multiple_of(2) { "north" } else { "south" }.to_owned(),
        stake: ProviderRegistry::Stake {
            units: U256::ZERO,
            exitingUnits: U256::ZERO,
            exitAt: 0,
            activeDeals: 0,
        },
        takes_deals: true,
        period_seconds: 10,
    }
}

fn wish(pieces: usize) -> Wish {
    Wish {
        group: B256::ZERO,
        leaves: 1_024,
        pieces,
        seconds: 100,
        region: None,
        price_max: None,
        avoid: BTreeSet::new(),
    }
}

fn chosen(listings: &[Listing], wish: &Wish) -> Result<Vec<u8>, String> {
    let chosen = choose(listings, wish);
    let PlaceError::TooFew { found, needed, reasons } = match chosen {
        Ok(chosen) => return Ok(chosen.into_iter().map(|listing| listing.provider[0]).collect()),
        Err(error) => error,
    };
    Err(format!("{found}/{needed}: {reasons}"))
}

#[test]
fn a_gibibyte_for_a_month_costs_its_price() {
    let leaves = GIB / 32;
    let price = price_per_second(leaves, 10_000);
    let costs = cost([(price, 0)], MONTH, &Stages { read_only: 0, grace: 0, notice: 0 });
    // Rounded up per second, so a month is at most a unit more.
    assert!(costs.storage >= U256::from(10_000) && costs.storage <= U256::from(10_001), "{costs:?}");
    assert_eq!(costs.reserve, U256::ZERO);
    assert_eq!(costs.deposit(), costs.storage);
    let reserve = cost([(price, 86_400), (price, 86_400)], 0, &Stages::STANDARD).reserve;
    let expected = (U256::from(price) * U256::from(2 * 22 * 86_400)).div_ceil(PARTS);
    assert_eq!(reserve, expected, "three weeks and a period for each of two pieces");
}

#[test]
fn the_cheapest_operators_are_chosen_each_once() {
    let listings = [listing(1, 30, "a"), listing(2, 10, "b"), listing(3, 20, "b"), listing(4, 40, "c")];
    assert_eq!(chosen(&listings, &wish(3)), Ok(vec![2, 1, 4]));
    assert_eq!(chosen(&listings, &wish(4)).unwrap_err(), "3/4: no others are registered");
}

#[test]
fn who_does_not_fit_is_left_out_and_counted() {
    let mut closed = listing(1, 1, "a");
    closed.takes_deals = false;
    let mut short = listing(2, 1, "b");
    short.offer.durationMax = 99;
    let mut small = listing(3, 1, "c");
    small.offer.pieceBytesMax = 32_767;
    let mut dear = listing(4, 1 << 60, "d");
    dear.offer.accepting = true;
    let listings = [closed, short, small, dear, listing(5, 1, "e"), listing(6, 1, "f")];
    let all = Wish {
        region: Some("north".to_owned()),
        price_max: Some(price_per_second(1_024, 1)),
        avoid: BTreeSet::from([Address::repeat_byte(6)]),
        ..wish(1)
    };
    let refused = chosen(&listings, &all).unwrap_err();
    let expected = "0/1: 1 take no deals, 1 have a piece already, 2 are elsewhere, 1 for other durations, 1 too expensive";
    assert_eq!(refused, expected);
    assert_eq!(chosen(&listings, &Wish { region: None, price_max: None, ..all }), Ok(vec![5]));
}

#[test]
fn equally_cheap_providers_take_turns_over_objects() {
    let listings: Vec<Listing> = (1..=9).map(|number| listing(number, 5, &number.to_string())).collect();
    let first = |group: u8| chosen(&listings, &Wish { group: B256::repeat_byte(group), ..wish(1) }).unwrap();
    let firsts: BTreeSet<Vec<u8>> = (0..40).map(first).collect();
    assert!(firsts.len() > 4, "{firsts:?}");
    assert_eq!(first(3), first(3));
}

#[test]
fn words_hold_short_text() {
    let region = word("eu-north").unwrap();
    assert_eq!(from_word(&region), "eu-north");
    assert_eq!(word(&"x".repeat(33)), None);
    assert_eq!(from_word(&B256::ZERO), "");
}

proptest! {
    /// The contract refuses a price above its own figure and a provider one below: both must come to the same part.
    #[test]
    fn a_price_is_the_contracts_to_the_part(leaves in 1u64..1 << 40, units in 0u128..1 << 64) {
        let bytes = U512::from(leaves) * U512::from(32);
        let product = bytes * U512::from(units) * U512::from(PARTS);
        let month = U512::from(GIB) * U512::from(MONTH);
        let expected = product / month + if (product % month).is_zero() { U512::ZERO } else { U512::from(1) };
        prop_assert_eq!(U512::from(price_per_second(leaves, units)), expected);
    }
}
