//! Compiled code on disk.

use super::{GUEST, House};
use crate::COMPONENT_BYTES_MAX;
use nubes_base::port::{RunError, Runner};
use nubes_testkit::blobs::MemoryBlobs;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

fn files(house: &House, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(&house.config.code_dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[tokio::test]
async fn compiled_code_is_used_again_after_a_restart() {
    let mut house = House::with_own_code();
    let guest = house.component(GUEST).await;
    house.runtime.prepare(&guest).await.unwrap();
    house.blobs = Arc::new(MemoryBlobs::default());
    let house = house.restart().await;
    assert_eq!(house.get(&guest, "/ada").await.unwrap(), "hello /ada", "though its source is gone");
}

/// Prepares, spoils the files on disk, restarts and answers: with the source, and not without it.
async fn check_spoiled(extension: &str, spoil: impl Fn(Vec<u8>) -> Option<Vec<u8>>) {
    let mut house = House::with_own_code();
    let guest = house.component(GUEST).await;
    house.runtime.prepare(&guest).await.unwrap();
    let good: Vec<_> = files(&house, "cwasm").into_iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(good.len(), 1);
    for path in files(&house, extension) {
        match spoil(fs::read(&path).unwrap()) {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    let source = std::mem::replace(&mut house.blobs, Arc::new(MemoryBlobs::default()));
    let mut house = house.restart().await;
    assert!(matches!(house.runtime.prepare(&guest).await, Err(RunError::Load { .. })), "it was not loaded");
    house.blobs = source;
    let house = house.restart().await;
    assert_eq!(house.get(&guest, "/ada").await.unwrap(), "hello /ada");
    let mended: Vec<_> = files(&house, "cwasm").into_iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(mended, good, "the same compiler gives the same code");
}

#[tokio::test]
async fn code_that_was_changed_is_compiled_again() {
    check_spoiled("cwasm", |mut code| {
        let middle = code.len() / 2;
        code[middle] ^= 1;
        Some(code)
    })
    .await;
}

#[tokio::test]
async fn code_that_was_cut_short_is_compiled_again() {
    check_spoiled("cwasm", |code| Some(code[..code.len() - 1].to_vec())).await;
}

#[tokio::test]
async fn code_without_its_hash_is_compiled_again() {
    check_spoiled("sha256", |_| None).await;
}

#[tokio::test]
async fn others_on_the_machine_cannot_reach_the_code() {
    let house = House::with_own_code();
    let dir = &house.config.code_dir;
    assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    let house = house.restart().await;
    assert_eq!(fs::metadata(&house.config.code_dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(house.dir.path().exists());
}

#[tokio::test]
async fn requests_that_come_together_compile_once() {
    let house = House::with_own_code();
    let guest = house.component(GUEST).await;
    let prepare = || house.runtime.prepare(&guest);
    let (first, second, third) = tokio::join!(prepare(), prepare(), prepare());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(files(&house, "cwasm").len(), 1);
}

#[tokio::test]
async fn a_component_that_is_too_large_is_refused() {
    let house = House::new();
    let large = house.component(&vec![0; usize::try_from(COMPONENT_BYTES_MAX).unwrap() + 1]).await;
    assert!(matches!(house.runtime.prepare(&large).await, Err(RunError::Invalid { .. })));
    let source = house
        .javascript(&" ".repeat(usize::try_from(crate::javascript::SOURCE_BYTES_MAX).unwrap() + 1))
        .await;
    assert!(matches!(house.runtime.prepare(&source).await, Err(RunError::Invalid { .. })));
}

#[tokio::test]
async fn a_second_runtime_shares_the_code() {
    let first = House::with_own_code();
    let guest = first.component(GUEST).await;
    first.runtime.prepare(&guest).await.unwrap();
    let second = House::with(|config| config.code_dir.clone_from(&first.config.code_dir));
    second.runtime.prepare(&guest).await.unwrap();
}
