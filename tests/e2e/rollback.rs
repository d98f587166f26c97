//! A deployment that was a mistake is taken back.

use nubes_tests::{Cloud, free_port_base, nubes, nubes_json};
use std::path::Path;

async fn page(cloud: &Cloud) -> String {
    let request = reqwest::Client::new().get(format!("{}/", cloud.door())).header("host", "shop.localhost");
    request.send().await.unwrap().text().await.unwrap()
}

async fn deploy(app: &Path, node: &str, title: &str) -> String {
    std::fs::write(app.join("web/index.html"), format!("<!doctype html><title>{title}</title>")).unwrap();
    let deployed = nubes_json(app, &["deploy", "--yes", "--node", node]).await.unwrap();
    deployed["record"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_app_goes_back_to_what_it_was_and_forth_again_slow() {
    let dir = tempfile::tempdir().unwrap();
    assert!(nubes(dir.path(), &["new", "shop", "--template", "static"]).await.unwrap().status.success());
    let app = dir.path().join("shop");
    let cloud = Cloud::start(None, &dir.path().join("data"), free_port_base().unwrap()).await.unwrap();
    let node = cloud.door();
    let first = deploy(&app, &node, "first").await;
    let alone = nubes(&app, &["rollback", "--yes", "--json", "--node", &node]).await.unwrap();
    assert_eq!(alone.status.code(), Some(4), "there is nothing before the first: {alone:?}");
    let second = deploy(&app, &node, "second").await;
    let back = nubes_json(&app, &["rollback", "--yes", "--node", &node]).await.unwrap();
    assert_eq!(back["record"], first.as_str());
    assert!(page(&cloud).await.contains("first"));
    let forth = nubes_json(&app, &["rollback", "--to", &second, "--yes", "--node", &node]).await.unwrap();
    assert_eq!(forth["transactions"].as_array().unwrap().len(), 1, "{forth}");
    assert!(page(&cloud).await.contains("second"));
    cloud.process.stop().await.unwrap();
}
