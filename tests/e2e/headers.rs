//! A site's `_headers`, from the deployment to the answer.

use nubes_tests::{Cloud, free_port_base, nubes, nubes_json};

#[tokio::test]
async fn a_line_of_headers_that_does_not_count_is_named_at_the_deployment_slow() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    assert!(nubes(here, &["new", "page", "--template", "static"]).await.unwrap().status.success());
    std::fs::write(here.join("page/web/_headers"), "/*\n  X-A: 1\n  nonsense\n").unwrap();
    let cloud = Cloud::start(None, &here.join("data"), free_port_base().unwrap()).await.unwrap();
    let door = cloud.door();
    let deployed = nubes(here, &["deploy", "page", "--yes", "--node", &door]).await.unwrap();
    let said = String::from_utf8(deployed.stderr).unwrap();
    assert!(deployed.status.success(), "{said}");
    let warning = "_headers: line 3: a header is a name, a colon and a value";
    assert!(said.contains("warning: ") && said.contains(warning), "{said}");
    let again = nubes_json(here, &["deploy", "page", "--yes", "--node", &door]).await.unwrap();
    assert!(again["warnings"][0].as_str().unwrap().ends_with(warning), "{again}");
    let page = reqwest::Client::new().get(format!("{door}/")).header("host", "page.localhost");
    let page = page.send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["x-a"].to_str().unwrap()), (200, "1"));
    cloud.process.stop().await.unwrap();
}
