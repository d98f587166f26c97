//! `kill -9` of a process that writes, again and again: what it was told to be kept is there.

use super::{SMALL, block};
use crate::block::Block;
use crate::segments::{GetError, Store};
use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

/// Tells the process that it is the one to be killed, and where to write.
const FOLDER: &str = "NUBES_KILL_FOLDER";
/// The number of its first block.
const FIRST: &str = "NUBES_KILL_FIRST";
const TEST: &str = "segments::tests::kill::kill_9_takes_nothing_that_was_acknowledged";
/// Blocks of earlier rounds that are looked at after each kill; all are at the end.
const SAMPLE: usize = 200;

fn content(number: u64) -> Block {
    let length = if number.is_multiple_of(29) { 50_000 } else { number * 7_919 % 3_000 };
    block(format!("number {number} {}", "y".repeat(usize::try_from(length).unwrap())))
}

/// Collections let go of every third.
const fn is_kept(number: u64) -> bool {
    !number.is_multiple_of(3)
}

/// Puts and collects until it is killed, and says which numbers are durable.
async fn write(dir: &Path, first: u64) {
    let store = Store::open(dir, SMALL).unwrap();
    let unkept: BTreeSet<_> = (0..first)
        .rev()
        .filter(|number| !is_kept(*number))
        .take(500)
        .map(|number| *content(number).cid().hash())
        .collect();
    let keep = |hash: &multihash::Multihash<64>| !unkept.contains(hash);
    let collecting = async {
        loop {
            store.collect(&keep).await.unwrap();
            store.put_many(vec![content(3)]).await.unwrap();
        }
    };
    let putting = async {
        let mut number = first;
        loop {
            let batch = number..number + 1 + number % 5;
            number = batch.end;
            store.put_many(batch.clone().map(content).collect()).await.unwrap();
            let mut out = std::io::stdout().lock();
            batch.for_each(|number| writeln!(out, "durable {number}").unwrap());
            out.flush().unwrap();
        }
    };
    tokio::join!(collecting, putting);
}

/// Starts a writer, kills it after some of its blocks, and returns what it said.
fn killed(dir: &Path, first: u64, after: usize) -> Vec<u64> {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, dir)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut durable = Vec::new();
    for line in lines {
        let line = line.unwrap();
        // The last line may be cut off by the kill, and then is no promise that somebody read.
        let number = line.split_once("durable ").and_then(|(_, number)| number.parse::<u64>().ok());
        durable.extend(number);
        if durable.len() == after {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!(durable.len() >= after, "the writer ended by itself after {durable:?}");
    durable
}

async fn check(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let block = content(number);
        match store.get(block.cid()).await {
            Ok(bytes) => assert_eq!(&bytes, block.bytes()),
            Err(GetError::NotFound { .. }) if !is_kept(number) => {}
            Err(error) => panic!("block {number} was acknowledged: {error}"),
        }
    }
}

/// 200 rounds with `NUBES_SOAK=full`.
#[tokio::test]
async fn kill_9_takes_nothing_that_was_acknowledged() {
    if let (Some(dir), Some(first)) = (env::var_os(FOLDER), env::var_os(FIRST)) {
        write(Path::new(&dir), first.to_str().unwrap().parse().unwrap()).await;
    }
    let rounds = if env::var_os("NUBES_SOAK").is_some_and(|soak| soak == "full") { 200 } else { 20 };
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut torn_bytes, mut first) = (Vec::new(), 0, 0);
    for round in 0..rounds {
        let durable = killed(dir.path(), first, 1 + round * 31 % 97);
        let store = Store::open(dir.path(), SMALL).unwrap();
        assert_eq!(store.recovery().damaged, [], "round {round}");
        torn_bytes += store.recovery().torn_bytes;
        check(&store, durable.iter().copied()).await;
        let step = (acknowledged.len() / SAMPLE).max(1);
        check(&store, acknowledged.iter().copied().skip(round % step).step_by(step)).await;
        // Numbers behind the last acknowledged one may be there too, and are used again.
        first = durable.iter().max().unwrap() + 1;
        acknowledged.extend(durable);
    }
    let store = Store::open(dir.path(), SMALL).unwrap();
    check(&store, acknowledged.iter().copied()).await;
    let scrub = store.verify_all().await.unwrap();
    assert_eq!(scrub.damaged_blocks, 0);
    let count = acknowledged.len();
    println!(
        "{rounds} kills, {count} blocks acknowledged, {torn_bytes} torn bytes, {} blocks now",
        scrub.blocks
    );
}
