//! How long a provider of 32 GiB needs for a proof: `cargo run --release --example prove -- DIR [GIB]`.
//!
//! The piece is a sparse file of zeros: it costs no disk, and its cells are read and hashed as any others.

#![expect(clippy::print_stdout, reason = "a bench says its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]

use nubes_storage::pieces::{LEAF_BYTES, PieceStore, leaf_root};
use sha2::{Digest, Sha256};
use std::{fs::File, io, path::PathBuf, time::Instant};

/// Leaves of one proof.
const CHALLENGES: u64 = 5;
const ROUNDS: u64 = 20;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or_else(|| io::Error::other("name a folder"))?);
    let gib: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(32);
    let bytes = gib << 30;
    // All leaves are zero, so each level is one node, repeated.
    let depth = (bytes / LEAF_BYTES as u64).next_power_of_two().ilog2();
    let root: [u8; 32] = (0..depth).fold([0; 32], |below, _| Sha256::digest([below, below].concat()).into());
    let name = root.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let store = PieceStore::open(dir.clone())?;
    File::create(dir.join(format!("{name}.piece")))?.set_len(bytes)?;
    let start = Instant::now();
    store.prove(&root, 0)?;
    println!("tree made, first proof: {:.1} s", start.elapsed().as_secs_f64());
    let store = PieceStore::open(dir)?;
    let leaves = bytes / LEAF_BYTES as u64;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let start = Instant::now();
        for challenge in 0..CHALLENGES {
            let leaf = (round * CHALLENGES + challenge + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % leaves;
            let proof = store.prove(&root, leaf)?;
            if leaf_root(&proof, leaf) != root {
                return Err(io::Error::other("the proof is not true"));
            }
        }
        times.push(start.elapsed());
    }
    println!(
        "five leaves, first after a start: {:.2} ms",
        times.first().map_or(0.0, |time| time.as_secs_f64() * 1e3)
    );
    times.sort_unstable();
    println!("five leaves, median: {:.2} ms", times[times.len() / 2].as_secs_f64() * 1e3);
    Ok(())
}
