//! Faults inside a running cloud: each is named by its code and stays where it is.

use nubes_tests::{Cloud, free_port_base, nubes, repository};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

async fn get(url: &str, host: &str) -> (u16, Value) {
    let answer = reqwest::Client::new().get(url).header("host", host).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn a_function_that_traps_loops_or_allocates_fails_alone_slow() {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    fs::create_dir(&app).unwrap();
    fs::copy(repository().join("crates/nubes-compute/fixtures/guest.wasm"), app.join("guest.wasm")).unwrap();
    let limits = "limits = { time = \"500ms\", memory = \"32MiB\" }";
    let manifest = format!(
        "[app]\nname = \"faulty\"\n[function.guest]\nsource = \"guest.wasm\"\nroute = \"/*\"\nstate = \"kv\"\n{limits}\n"
    );
    fs::write(app.join("nubes.toml"), manifest).unwrap();
    let cloud = Cloud::start(Some(&app), &dir.path().join("data"), free_port_base().unwrap()).await.unwrap();
    let call = async |path: &str| get(&format!("{}{path}", cloud.door()), "faulty.localhost").await;
    let faults = [("/trap", 502, "NX4001"), ("/loop", 504, "NX4002"), ("/alloc", 507, "NX4003")];
    for (round, (path, status, code)) in faults.into_iter().enumerate() {
        let (answered, problem) = call(path).await;
        assert_eq!((answered, &problem["code"]), (status, &Value::from(code)), "{path}: {problem}");
        let (answered, count) = call("/count").await;
        assert_eq!((answered, count), (200, Value::from(round + 1)), "the request after {path}");
    }
    cloud.process.stop().await.unwrap();
}

/// Content that is found again in a segment.
fn content(seed: u8) -> Vec<u8> {
    (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed).collect()
}

async fn add(dir: &Path, name: &str, bytes: &[u8], node: &str) -> String {
    fs::write(dir.join(name), bytes).unwrap();
    let added = nubes(dir, &["add", name, "--quiet", "--node", node]).await.unwrap();
    assert!(added.status.success(), "{added:?}");
    String::from_utf8(added.stdout).unwrap().trim().to_owned()
}

/// The segment that holds `bytes`, and where.
fn find(storage: &Path, bytes: &[u8]) -> (PathBuf, usize) {
    let at = |segment: &Path| fs::read(segment).unwrap().windows(bytes.len()).position(|part| part == bytes);
    segments(storage).into_iter().find_map(|segment| at(&segment).map(|at| (segment, at))).unwrap()
}

fn segments(storage: &Path) -> Vec<PathBuf> {
    fs::read_dir(storage.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn damaged_bytes_of_a_segment_are_named_and_the_rest_is_served_slow() {
    let dir = tempfile::tempdir().unwrap();
    let (data, base) = (dir.path().join("data"), free_port_base().unwrap());
    let cloud = Cloud::start(None, &data, base).await.unwrap();
    let [flipped, whole, cut] = [content(1), content(2), content(3)];
    let flipped_cid = add(dir.path(), "flipped", &flipped, &cloud.door()).await;
    let whole_cid = add(dir.path(), "whole", &whole, &cloud.door()).await;
    let cut_cid = add(dir.path(), "cut", &cut, &cloud.door()).await;
    cloud.process.stop().await.unwrap();

    let storage = data.join("v0/data/storage");
    let (segment, at) = find(&storage, &flipped[1_000..2_000]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let (segment, at) = find(&storage, &cut[20_000..21_000]);
    fs::File::options().write(true).open(&segment).unwrap().set_len(at as u64).unwrap();

    let cloud = Cloud::start(None, &data, base).await.unwrap();
    let fetch = async |cid: &str| get(&format!("{}/ipfs/{cid}", cloud.door()), "127.0.0.1").await;
    for cid in [&flipped_cid, &cut_cid] {
        let (status, problem) = fetch(cid).await;
        assert_eq!((status, &problem["code"]), (500, &Value::from("NX3005")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(cid.as_str()), "{problem} does not name {cid}");
    }
    assert_eq!(fetch(&whole_cid).await.0, 200);
    // Adding the content again mends it.
    assert_eq!(add(dir.path(), "flipped", &flipped, &cloud.door()).await, flipped_cid);
    assert_eq!(add(dir.path(), "cut", &cut, &cloud.door()).await, cut_cid);
    for cid in [&flipped_cid, &cut_cid] {
        assert_eq!(fetch(cid).await.0, 200, "{cid} was added again");
    }
    cloud.process.stop().await.unwrap();
}
