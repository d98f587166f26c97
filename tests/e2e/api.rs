//! What a node says of its own API is so.

use nubes_tests::{Cloud, free_port_base};
use serde_json::Value;

#[tokio::test]
async fn every_described_call_is_answered_and_no_other_slow() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(None, dir.path(), free_port_base().unwrap()).await.unwrap();
    let (client, door) = (reqwest::Client::new(), cloud.door());
    let document = reqwest::get(format!("{door}/api/v1/openapi.json")).await.unwrap();
    let document: Value = document.json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    for of_a_layer in
        ["/api/v1/node", "/api/v1/car", "/api/v1/pins/{cid}", "/api/v1/store", "/api/v1/fetch/{cid}"]
    {
        assert!(paths.contains_key(of_a_layer), "{of_a_layer}");
    }
    for (path, item) in paths {
        let url = format!("{door}{}", path.replace("{cid}", "no-cid").replace("{name}", "nobody"));
        for method in ["get", "post", "put", "delete", "patch"] {
            let request = client.request(method.to_uppercase().parse().unwrap(), &url);
            let answer = request.send().await.unwrap();
            let (status, described) = (answer.status().as_u16(), item.get(method));
            assert_eq!(status == 405, described.is_none(), "{method} {path}: {status}");
            if let Some(call) = described {
                assert!(call["responses"].get(status.to_string()).is_some(), "{method} {path}: {status}");
            }
        }
    }
    cloud.process.stop().await.unwrap();
}
