//! Clients that ask for a large file and do not read it cost the node no more than what is on its way to them, keep nobody from
//! being answered, and leave nothing behind. Reads what Linux says of a process.

#![cfg(target_os = "linux")]

use nubes_tests::{Cloud, free_port_base, nubes_json};
use std::{fs, net::SocketAddr, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

const FILE_BYTES: u32 = 200 << 20;
const READERS: usize = 32;
/// What one wave left behind, the next would add to.
const WAVES: usize = 3;
/// Four blocks of 1 MiB are read ahead for each reader; the rest is for the connection, the allocator, and the chain that goes on.
const READER_KIB_MAX: u64 = 8 << 10;
/// The system would hold megabytes for a client that does not read.
const RECEIVED_BYTES_MAX: u32 = 256 << 10;
const PATIENCE: Duration = Duration::from_mins(1);

fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

async fn add(dir: &Path, name: &str, bytes: &[u8], door: &str) -> String {
    fs::write(dir.join(name), bytes).unwrap();
    let added = nubes_json(dir, &["add", name, "--node", door]).await.unwrap();
    added["cid"].as_str().unwrap().to_owned()
}

/// A client that asked, and to which the node has begun to answer. It has read nothing.
async fn reader(door: SocketAddr, cid: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVED_BYTES_MAX).unwrap();
    let mut stream = socket.connect(door).await.unwrap();
    let request = format!("GET /ipfs/{cid} HTTP/1.1\r\nhost: {door}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    timeout(PATIENCE, stream.peek(&mut [0])).await.unwrap().unwrap();
    stream
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Connections that a process holds open at `port`. One that nobody holds any more has no inode.
fn connections(port: u16) -> usize {
    const LISTENING: &str = "0A";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{port:04X}");
    let fields = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|row| row[1].ends_with(&here) && row[3] != LISTENING && row[9] != "0").count()
}

/// Reads all of the large file; between two pieces every other slow reader takes one byte. Returns the most memory that was held.
async fn read_beside(url: &str, slow: &mut [TcpStream], pid: u32) -> u64 {
    let mut answer = reqwest::get(url).await.unwrap();
    let (mut got, mut most) = (0, 0);
    let mut turns = (0..slow.len()).step_by(2).cycle();
    while let Some(piece) = answer.chunk().await.unwrap() {
        got += piece.len();
        most = most.max(resident_kib(pid));
        let Some(turn) = turns.next() else { continue };
        timeout(PATIENCE, slow[turn].read_u8()).await.unwrap().unwrap();
    }
    assert_eq!(got, FILE_BYTES as usize);
    most
}

/// Until no connection is left but that of who asks.
async fn all_released(door: &str, port: u16) {
    let client = reqwest::Client::new();
    let ask = async {
        loop {
            client.get(format!("{door}/healthz")).send().await.unwrap().bytes().await.unwrap();
            if connections(port) <= 1 {
                return;
            }
        }
    };
    assert!(timeout(PATIENCE, ask).await.is_ok(), "{} connections are held", connections(port));
}

#[tokio::test]
async fn who_does_not_read_costs_little_and_delays_nobody_slow() {
    let dir = tempfile::tempdir().unwrap();
    let base = free_port_base().unwrap();
    let data = dir.path().join("data");
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    let door = cloud.door();
    let address = SocketAddr::from(([127, 0, 0, 1], base));
    let bytes = content(FILE_BYTES);
    let large = add(dir.path(), "large", &bytes, &door).await;
    let small = add(dir.path(), "small", b"small", &door).await;
    let url = format!("{door}/ipfs/{large}");
    // Started anew, so that memory which adding took and let go of does not hide what is taken from now on.
    cloud.process.stop().await.unwrap();
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    let pid = cloud.process.pid().unwrap();
    let alone = read_beside(&url, &mut [], pid).await;
    for wave in 0..WAVES {
        let mut slow = Vec::new();
        for _ in 0..READERS {
            slow.push(reader(address, &large).await);
        }
        let most = read_beside(&url, &mut slow, pid).await;
        let growth = most.saturating_sub(alone);
        assert!(growth <= READERS as u64 * READER_KIB_MAX, "wave {wave}: {growth} KiB for {READERS} readers");
        let answer = reqwest::get(format!("{door}/ipfs/{small}")).await.unwrap();
        assert_eq!(answer.bytes().await.unwrap(), "small");
        // Nobody was sent away meanwhile: who reads at last gets all of it.
        let mut last = Vec::new();
        timeout(PATIENCE, slow[1].read_to_end(&mut last)).await.unwrap().unwrap();
        assert!(last.ends_with(&bytes), "{} bytes", last.len());
        drop(slow);
        all_released(&door, base).await;
    }
    cloud.process.stop().await.unwrap();
}
