use super::{front, openapi};
use crate::tests::{House, record, request};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_described_route_exists_and_every_route_is_described() {
    let house = House::new().await;
    house.deploy(&record("shop", &[])).await;
    let document = openapi::document(&[]);
    let described = document["paths"].as_object().unwrap();
    let routes: BTreeSet<_> = front::routes().into_iter().map(|(path, _)| path).collect();
    assert_eq!(described.keys().map(String::as_str).collect::<BTreeSet<_>>(), routes);
    for (path, item) in described {
        for method in ["get", "head", "post", "put", "delete", "patch"] {
            let is_described = item.get(method).is_some() || (method == "head" && item.get("get").is_some());
            let request = request(&method.to_uppercase(), "localhost", &path.replace("{name}", "shop"));
            let answer = house.send(request).await;
            assert_eq!(answer.status == 200, is_described, "{method} {path}: {answer:?}");
            assert_eq!(answer.status == 405, !is_described, "{method} {path}");
        }
    }
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    let document = openapi::document(&[]);
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
    let references: BTreeSet<_> = references.collect();
    assert_eq!(references.len(), 3);
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
