use super::{Announcement, Effect, Event, Slot, Table};
use crate::{
    names::{App, Outcome, ResolveError},
    route::Routes,
    tests::{name_changed, record, record_changed, records_cleared},
};
use alloy_primitives::{Address, B256, Bytes};
use cid::Cid;
use nubes_base::{
    AppName, Timestamp,
    port::{CallError, FinalBlock, Log},
};
use nubes_contracts::node_of;
use std::{num::NonZeroUsize, sync::Arc};

const NOW: Timestamp = Timestamp::from_unix_ms(7);

fn table(apps_max: usize, others_max: usize) -> Table {
    let mut table = Table::new(NonZeroUsize::new(apps_max).unwrap(), NonZeroUsize::new(others_max).unwrap());
    assert_eq!(table.step(NOW, &Event::Attached), []);
    table
}

fn block(number: u64, logs: Vec<Log>) -> Event {
    Event::Block(FinalBlock { number, hash: B256::ZERO, timestamp: number, header: Bytes::new(), logs })
}

fn name(text: &str) -> AppName {
    text.parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "stands where `absent` stands")]
fn present(name: &AppName, slot: &Slot) -> Outcome {
    let record = record(name.as_str(), &[]);
    let routes = Routes::new(&record, 0).unwrap();
    Ok(Arc::new(App {
        name: name.clone(),
        record,
        record_cid: Cid::default(),
        routes,
        generation: slot.generation,
    }))
}

fn absent(name: &AppName) -> Outcome {
    Err(Arc::new(ResolveError::Unknown { name: name.clone() }))
}

fn fill(table: &mut Table, text: &str, outcome: impl Fn(&AppName, &Slot) -> Outcome) -> Arc<Slot> {
    let name = name(text);
    let slot = table.slot(&name);
    let outcome = outcome(&name, &slot);
    table.settle(&name, &slot, &outcome);
    slot.outcome.set(outcome).unwrap();
    slot
}

/// Whether the table still gives this slot for the name.
fn keeps(table: &mut Table, text: &str, slot: &Arc<Slot>) -> bool {
    Arc::ptr_eq(&table.slot(&name(text)), slot)
}

#[test]
fn an_answer_is_kept_until_a_block_changes_the_name() {
    let mut table = table(8, 8);
    let shop = fill(&mut table, "shop", present);
    let nobody = fill(&mut table, "nobody", |name, _| absent(name));
    assert_eq!(table.step(NOW, &block(1, vec![record_changed("other", "text")])).len(), 1);
    assert!(keeps(&mut table, "shop", &shop) && keeps(&mut table, "nobody", &nobody));

    let effects = table.step(NOW, &block(2, vec![record_changed("shop", "a"), name_changed("nobody")]));
    assert_eq!(effects, [Effect::Resolve(name("shop"))]);
    assert!(!keeps(&mut table, "shop", &shop) && !keeps(&mut table, "nobody", &nobody));
    assert_eq!(table.head().unwrap().number, Some(2));
}

#[test]
fn a_new_resolver_is_a_change() {
    let mut table = table(8, 8);
    let shop = fill(&mut table, "shop", present);
    let mut forged = name_changed("shop");
    forged.address = Address::ZERO;
    assert_eq!(table.step(NOW, &block(1, vec![forged])), []);
    assert!(keeps(&mut table, "shop", &shop));
    assert_eq!(table.step(NOW, &block(2, vec![name_changed("shop")])), [Effect::Resolve(name("shop"))]);
}

#[test]
fn cleared_records_are_a_change_and_what_is_written_after_them_is_announced() {
    let mut table = table(8, 8);
    let shop = fill(&mut table, "shop", present);
    assert_eq!(
        table.step(NOW, &block(1, vec![records_cleared("shop"), records_cleared("new")])),
        [Effect::Resolve(name("shop"))]
    );
    assert!(!keeps(&mut table, "shop", &shop));
    let effects = table.step(NOW, &block(2, vec![records_cleared("new"), record_changed("new", "bafy")]));
    assert_eq!(effects, [Effect::Meet(Announcement { node: node_of("new"), text: "bafy".into() })]);
}

#[test]
fn a_preview_begins_anew_with_its_app() {
    let mut table = table(8, 8);
    let fix = fill(&mut table, "fix--shop", present);
    let other = fill(&mut table, "fix--other", present);
    assert_eq!(
        table.step(NOW, &block(1, vec![records_cleared("shop")])),
        [Effect::Resolve(name("fix--shop"))]
    );
    assert!(!keeps(&mut table, "fix--shop", &fix) && keeps(&mut table, "fix--other", &other));
}

#[test]
fn a_record_of_an_unknown_name_is_announced() {
    let mut table = table(8, 8);
    let effects = table.step(NOW, &block(1, vec![record_changed("new", "bafy")]));
    assert_eq!(effects, [Effect::Meet(Announcement { node: node_of("new"), text: "bafy".into() })]);
    assert_eq!(
        table.step(NOW, &block(2, vec![record_changed("new", "")])),
        [],
        "a removed record is nobody's"
    );
}

#[test]
fn other_and_malformed_logs_change_nothing() {
    let mut table = table(8, 8);
    let shop = fill(&mut table, "shop", present);
    let mut other_key = record_changed("shop", "a");
    other_key.topics[2] = B256::ZERO;
    let mut short = record_changed("shop", "a");
    short.topics.truncate(1);
    assert_eq!(table.step(NOW, &block(1, vec![other_key, short])), []);
    assert!(keeps(&mut table, "shop", &shop));
    let mut broken = record_changed("shop", "a");
    broken.data = Bytes::new();
    assert_eq!(table.step(NOW, &block(2, vec![broken])), [Effect::Resolve(name("shop"))], "the ledger knows");
}

#[test]
fn an_answer_that_a_block_has_overtaken_is_not_kept() {
    let mut table = table(8, 8);
    let shop = name("shop");
    let slot = table.slot(&shop);
    table.step(NOW, &block(1, vec![record_changed("shop", "b")]));
    let next = table.slot(&shop);
    assert!(!Arc::ptr_eq(&slot, &next), "who asks after the block waits for another answer");
    table.settle(&shop, &slot, &present(&shop, &slot));
    assert!(keeps(&mut table, "shop", &next));
    assert_eq!(table.apps_known(), 0);
}

#[test]
fn an_answer_that_may_change_without_a_block_is_not_kept() {
    let mut table = table(8, 8);
    let slot = fill(&mut table, "shop", |name, _| {
        let source = CallError::Failed { what: String::new() };
        Err(Arc::new(ResolveError::Ledger { name: name.clone(), source }))
    });
    assert!(!keeps(&mut table, "shop", &slot));
}

#[test]
fn without_blocks_nothing_is_kept() {
    let mut table = table(8, 8);
    let shop = fill(&mut table, "shop", present);
    let waiting = table.slot(&name("waiting"));
    table.step(NOW, &Event::Detached);
    assert_eq!(table.head(), None);
    assert!(!keeps(&mut table, "shop", &shop));
    table.settle(&name("waiting"), &waiting, &present(&name("waiting"), &waiting));
    assert_eq!(table.apps_known(), 0);
    let again = fill(&mut table, "shop", present);
    assert!(!keeps(&mut table, "shop", &again));
}

#[test]
fn a_flood_of_invented_names_displaces_no_app() {
    let mut table = table(2, 4);
    let shop = fill(&mut table, "shop", present);
    let first = fill(&mut table, "x0", |name, _| absent(name));
    for n in 1..=4 {
        fill(&mut table, &format!("x{n}"), |name, _| absent(name));
    }
    assert!(keeps(&mut table, "shop", &shop));
    assert!(!keeps(&mut table, "x0", &first), "at most four are kept");
    fill(&mut table, "b", present);
    fill(&mut table, "c", present);
    assert_eq!(table.apps_known(), 2);
}
