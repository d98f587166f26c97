//! Twenty providers, half of which die: nothing is lost, and the ledger tells all of it to the unit.

use alloy_primitives::{Address, U256};
use nubes_tests::{
    Ledger, Storage, is_soak,
    market::{
        Claimed, Deposited, FaultExecuted, JobDone, JobOpened, JobTaken, PossessionProven, RailSettled,
    },
    nubes,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

const PROVIDERS: usize = 20;
/// The client: first of the development accounts.
const CLIENT: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// Reads the object from its providers again and again, and compares every byte.
async fn read_on(dir: PathBuf, door: String, cid: String, stop: Arc<AtomicBool>, reads: Arc<AtomicUsize>) {
    let expected = std::fs::read(dir.join("object.bin")).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let round = reads.load(Ordering::Relaxed);
        let name = format!("read-{round}.bin");
        let args = ["get", &cid, "--from-providers", "--output", &name, "--node", &door];
        let output = nubes(&dir, &args).await.unwrap();
        assert!(output.status.success(), "read {round}: {}", String::from_utf8_lossy(&output.stderr));
        let read = dir.join(&name);
        assert!(std::fs::read(&read).unwrap() == expected, "read {round} gave other bytes");
        std::fs::remove_file(read).unwrap();
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

fn pieces(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("data/pieces")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "piece")).collect()
}

/// Flips one bit in each 64 KiB of the provider's piece; returns the piece and its right bytes.
fn flip_bits(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = pieces(folder).into_iter().next().unwrap();
    let right = std::fs::read(&path).unwrap();
    let mut wrong = right.clone();
    for place in (0..wrong.len()).step_by(65_536) {
        wrong[place] ^= 4;
    }
    std::fs::write(&path, wrong).unwrap();
    (path, right)
}

async fn until(storage: &Storage, what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            storage.next_block().await.unwrap();
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_mins(2), wait).await;
    assert!(seen.is_ok(), "never: {what}");
}

fn is_whole(object: &Value) -> bool {
    object["healthy"] == 20 && object["answering"] == 20
}

fn lost(object: &Value) -> usize {
    object["pieces"].as_array().unwrap().iter().filter(|piece| piece["stage"] == "lost").count()
}

async fn make(storage: &Storage, bytes: usize) -> String {
    let mut state = 1u32;
    let object: Vec<u8> = (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    std::fs::write(storage.dir.join("object.bin"), object).unwrap();
    let added = storage.run(&["add", "object.bin"]).await.unwrap();
    let cid = added["cid"].as_str().unwrap().to_owned();
    let made =
        storage.run(&["deal", "make", &cid, "--product", "rs-10-20", "--for", "1h", "--yes"]).await.unwrap();
    assert_eq!(
        (&made["healthy"], &made["quote"]["providers"].as_array().unwrap().len()),
        (&Value::from(20), &20)
    );
    cid
}

#[tokio::test]
async fn ten_of_twenty_providers_die_and_nothing_is_lost_slow() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = if is_soak() { 200 << 20 } else { 20 << 20 };
    let every = if is_soak() { "check_seconds = 30" } else { "check_seconds = 5" };
    let often = |_, text: String| text.replace("check_seconds = 86400", every);
    let mut storage = Storage::start(dir.path(), (PROVIDERS, "20"), often).await.unwrap();
    let cid = make(&storage, bytes).await;
    let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reader =
        read_on(storage.dir.clone(), storage.door(), cid.clone(), Arc::clone(&stop), Arc::clone(&reads));
    let mut readers = tokio::task::JoinSet::new();
    readers.spawn(reader);
    let object = tokio::select! {
        // A wrong read ends the test at once.
        done = readers.join_next() => unreachable!("reading ended: {done:?}"),
        object = die_and_return(&mut storage, &cid, &reads) => object,
    };
    stop.store(true, Ordering::Relaxed);
    readers.join_next().await.unwrap().unwrap();
    check_ledger(&mut storage, &object, (bytes, reads.load(Ordering::Relaxed))).await;
    storage.stop().await.unwrap();
}

async fn die_and_return(storage: &mut Storage, cid: &str, reads: &AtomicUsize) -> Value {
    for provider in [0, 1] {
        let (path, right) = flip_bits(&storage.folder(provider));
        until(storage, "the damaged piece is made again", || {
            std::fs::read(&path).is_ok_and(|now| now == right)
        })
        .await;
    }

    for provider in 10..PROVIDERS {
        storage.kill_provider(provider).await.unwrap();
    }
    for provider in 10..13 {
        std::fs::remove_dir_all(storage.folder(provider).join("data")).unwrap();
    }
    storage.wait(cid, "the ledger knows of ten lost pieces", |object| lost(object) >= 10).await.unwrap();
    let before = reads.load(Ordering::Relaxed);
    for provider in 10..PROVIDERS {
        storage.run_provider(provider).await.unwrap();
    }
    let object = storage.wait(cid, "twenty pieces are healthy", is_whole).await.unwrap();
    let during = reads.load(Ordering::Relaxed);
    assert!(before > 0 && during > before, "{before} reads before the repair, {during} in all");
    object
}

/// Proofs, slashes, bounties and payments, and whether they add up.
async fn check_ledger(storage: &mut Storage, object: &Value, (bytes, reads): (usize, usize)) {
    let ledger = storage.ledger();
    let wait = async {
        // A repair is paid once the piece is proven.
        while ledger.events::<JobDone>().await.unwrap().len() < 10 {
            storage.next_block().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), wait).await.unwrap();
    let providers: Vec<Address> =
        (0..PROVIDERS).map(|provider| storage.provider(provider).unwrap()).collect();
    // From here on nothing but this test changes the ledger.
    for provider in 0..PROVIDERS {
        storage.kill_provider(provider).await.unwrap();
    }
    let mut earned = U256::ZERO;
    for provider in 0..PROVIDERS {
        let key = storage.key(provider);
        let withdrawn = storage.run(&["provider", "withdraw", "--key-file", &key]).await.unwrap();
        earned += withdrawn["units"].as_str().unwrap().parse::<U256>().unwrap();
    }
    let faults = ledger.events::<FaultExecuted>().await.unwrap();
    let slashed: U256 = faults.iter().map(|fault| fault.slashed).sum();
    let paid = check_bounties(&ledger).await;
    let mut stakes = U256::ZERO;
    for provider in &providers {
        let status = storage.run(&["provider", "status", &provider.to_string()]).await.unwrap();
        stakes += status["stakeUnits"].as_str().unwrap().parse::<U256>().unwrap();
    }
    let put_up = U256::from(20_000_000_000u64);
    assert_eq!(stakes + slashed, put_up, "stakes are what was put up without what was slashed");
    assert!(faults.len() >= 30, "three proofs are missed before a deal is lost");
    let owners: Vec<Address> = providers.iter().copied().chain([CLIENT.parse().unwrap()]).collect();
    ledger.check_books(stakes, &owners).await.unwrap();
    let settled: U256 = ledger.events::<RailSettled>().await.unwrap().iter().map(|rail| rail.amount).sum();
    let deposited: U256 =
        ledger.events::<Deposited>().await.unwrap().iter().map(|deposit| deposit.units).sum();
    let proven = ledger.events::<PossessionProven>().await.unwrap().len();
    let pieces = object["pieces"].as_array().unwrap();
    let distinct: BTreeSet<String> = pieces.iter().map(|piece| piece["provider"].to_string()).collect();
    say(&format!(
        "object {bytes} bytes, {reads} reads right\nproofs made {proven}, missed {}, slashed {slashed} units\n\
         repairs paid {}, {} units\ndeposited {deposited} units, settled {settled} parts, withdrawn {earned} units\n\
         twenty pieces at {} providers",
        faults.len(),
        paid.0,
        paid.1,
        distinct.len(),
    ));
}

/// Each repair was paid what the loser lost and what its takers put up: how many, and how much in all.
async fn check_bounties(ledger: &Ledger) -> (usize, U256) {
    let opened = ledger.events::<JobOpened>().await.unwrap();
    let taken = ledger.events::<JobTaken>().await.unwrap();
    let done = ledger.events::<JobDone>().await.unwrap();
    assert!(opened.len() >= 10 && done.len() >= 10, "{} jobs, {} repaired", opened.len(), done.len());
    for job in &done {
        let bounty: U256 =
            opened.iter().filter(|open| open.dealId == job.dealId).map(|open| open.bounty).sum();
        let deposits: U256 =
            taken.iter().filter(|take| take.dealId == job.dealId).map(|take| take.deposit).sum();
        assert_eq!(job.units, bounty + deposits, "repair of deal {}", job.dealId);
        assert!(!bounty.is_zero());
    }
    let paid: U256 = done.iter().map(|job| job.units).sum();
    let claimed: U256 = ledger.events::<Claimed>().await.unwrap().iter().map(|claim| claim.units).sum();
    assert!(claimed <= paid);
    (done.len(), paid)
}

#[expect(clippy::print_stdout, reason = "figures that a person reads with `--no-capture`")]
fn say(text: &str) {
    println!("{text}");
}
