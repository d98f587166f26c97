use super::{LINKED, Part, body, directory, file, fixture, node, upload};
use crate::car;
use axum::body::Body;
use cid::Cid;
use http::{Request, StatusCode};
use ipld_core::ipld::Ipld;
use serde_json::json;
use std::collections::BTreeMap;

const MISSING: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

const fn data(bytes: &[u8]) -> Part<'_> {
    ("", "application/octet-stream", bytes)
}

#[tokio::test]
async fn only_post_is_answered_and_no_browser() {
    let fixture = fixture();
    let send = async |method: &str, path: &str, header: Option<(&str, &str)>| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        fixture.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(send(method, "/api/v0/version", None).await, 405, "{method}");
    }
    let browsers = [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:8080"),
        ("referer", "http://evil.example/"),
        ("user-agent", "Mozilla/5.0 (X11; Linux)"),
    ];
    for header in browsers {
        assert_eq!(send("POST", "/api/v0/version", Some(header)).await, 403, "{header:?}");
        assert_eq!(send("OPTIONS", "/api/v0/add", Some(header)).await, 403, "{header:?}");
    }
    assert_eq!(send("POST", "/api/v0/version", Some(("user-agent", "curl/8"))).await, 200);
    assert_eq!(send("POST", "/api/v0/shutdown", None).await, 404);
}

#[tokio::test]
async fn the_node_tells_its_version_and_storage_and_that_it_is_alone() {
    let fixture = fixture();
    assert_eq!(fixture.call("version").await.json()["Version"], "1.2.3");
    fixture.added("x").await;
    let stat = fixture.call("repo/stat").await.json();
    assert_eq!((&stat["NumObjects"], &stat["RepoPath"]), (&json!(1), &json!("/storage")));
    assert!(stat["RepoSize"].as_u64().unwrap() > 0);
    assert_eq!(fixture.call("swarm/peers").await.json(), json!({ "Peers": [] }));
    fixture.call("swarm/connect?arg=/ip4/192.0.2.1/tcp/1").await.refusal(500);
    fixture.call("swarm/connect").await.refusal(400);
    fixture.call("id").await.refusal(500);
}

#[tokio::test]
async fn files_are_read_by_range_and_one_after_the_other() {
    let fixture = fixture();
    let (one, two) = (fixture.added("0123456789").await, fixture.added("abc").await);
    let cat = async |query: &str| fixture.call(&format!("cat?{query}")).await.text().to_owned();
    assert_eq!(cat(&format!("arg={one}")).await, "0123456789");
    assert_eq!(cat(&format!("arg=/ipfs/{one}&offset=3&length=4")).await, "3456");
    assert_eq!(cat(&format!("arg={one}&arg={two}&offset=8&length=3")).await, "89a");
    assert_eq!(cat(&format!("arg={one}&offset=99")).await, "");
    for query in ["offset=-1", "length=x"] {
        fixture.call(&format!("cat?arg={one}&{query}")).await.refusal(400);
    }
    let refusal = fixture.call(&format!("cat?arg={MISSING}")).await.refusal(500);
    assert!(refusal.contains("not stored here"), "{refusal}");
    fixture.call("cat").await.refusal(400);
    for path in ["", "/ipfs/", "x", "/ipns/a.example", "/ipfs/Qm", "%ff"] {
        fixture.call(&format!("cat?arg={path}")).await.refusal(400);
    }
    let long = "/a".repeat(300);
    fixture.call(&format!("cat?arg={one}{long}")).await.refusal(400);
}

#[tokio::test]
async fn a_folder_is_listed_measured_packed_and_followed() {
    let fixture = fixture();
    let parts = [file("d/a", b"12345"), file("d/b/c", b"x"), directory("d/e")];
    let root =
        fixture.upload("add", &parts).await.lines().last().unwrap()["Hash"].as_str().unwrap().to_owned();
    let listed = fixture.call(&format!("ls?arg={root}")).await.json();
    let links = listed["Objects"][0]["Links"].as_array().unwrap().clone();
    let facts: Vec<_> =
        links.iter().map(|link| (link["Name"].as_str().unwrap(), &link["Type"], &link["Size"])).collect();
    assert_eq!(
        facts,
        [("a", &json!(2), &json!(5)), ("b", &json!(1), &json!(0)), ("e", &json!(1), &json!(0))]
    );
    let streamed = fixture.call(&format!("ls?arg={root}&stream=true")).await.lines();
    assert_eq!(streamed.len(), 3);
    let quick = fixture.call(&format!("ls?arg={root}&resolve-type=false")).await.json();
    assert_eq!(quick["Objects"][0]["Links"][0]["Type"], 0);
    let single = fixture.call(&format!("ls?arg={root}/a")).await.json();
    assert_eq!(single["Objects"][0], json!({ "Hash": format!("/ipfs/{root}/a"), "Links": [] }));
    let stat = fixture.call(&format!("files/stat?arg=/ipfs/{root}")).await.json();
    assert_eq!((&stat["Type"], &stat["Blocks"]), (&json!("directory"), &json!(3)));
    fixture.call("files/stat?arg=/mutable").await.refusal(400);
    let refusal = fixture.call(&format!("cat?arg={root}")).await.refusal(500);
    assert_eq!(refusal, "this dag node is a directory");
    let refusal = fixture.call(&format!("cat?arg={root}/none")).await.refusal(500);
    assert!(refusal.contains("no link named \"none\""), "{refusal}");
    let archive = fixture.call(&format!("get?arg=/ipfs/{root}/b")).await;
    let archive = tar::Archive::new(archive.body.as_ref())
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect::<Vec<_>>();
    assert_eq!(archive, ["b/", "b/c"]);
    fixture.call(&format!("get?arg={root}&compress=true")).await.refusal(400);
    let resolved = fixture.call(&format!("resolve?arg=/ipfs/{root}/a")).await.json();
    assert_eq!(resolved["Path"], format!("/ipfs/{}", links[0]["Hash"].as_str().unwrap()));
}

#[tokio::test]
async fn names_are_followed_to_content() {
    let fixture = fixture();
    for name in ["a.example", "/ipns/a.example", "b.example/"] {
        let resolved = fixture.call(&format!("name/resolve?arg={name}")).await.json();
        assert_eq!(resolved["Path"], format!("/ipfs/{LINKED}/deep"), "{name}");
    }
    fixture.call("name/resolve?arg=c.example").await.refusal(500);
    fixture.call("name/resolve?arg=x").await.refusal(400);
    fixture.call("name/resolve").await.refusal(400);
}

#[tokio::test]
async fn refs_go_as_deep_as_asked_and_are_sent_once_if_wanted() {
    let fixture = fixture();
    let leaf = fixture.put(&node(&Ipld::Integer(1))).await;
    let link = |cid: &str| Ipld::Link(Cid::try_from(cid).unwrap());
    let middle = fixture.put(&node(&Ipld::List(vec![link(&leaf), link(&leaf)]))).await;
    let root = fixture.put(&node(&Ipld::List(vec![link(&middle), link(&leaf)]))).await;
    let refs = async |options: &str| {
        let lines = fixture.call(&format!("refs?arg={root}&{options}")).await;
        lines.lines().iter().map(|line| line["Ref"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(refs("").await, [middle.clone(), leaf.clone()]);
    assert_eq!(refs("recursive=true").await, [&middle, &leaf, &leaf, &leaf].map(Clone::clone));
    assert_eq!(refs("recursive=true&unique=true").await, [middle.clone(), leaf.clone()]);
    assert_eq!(refs("recursive=true&max-depth=1").await, [middle.clone(), leaf.clone()]);
    assert_eq!(refs("edges=true").await[0], format!("{root} -> {middle}"));
    let folder =
        fixture.upload("add", &[file("d/a", b"1")]).await.lines()[1]["Hash"].as_str().unwrap().to_owned();
    let named = fixture.call(&format!("refs?arg={folder}&format=%3Clinkname%3E")).await.json();
    assert_eq!(named["Ref"], "a");
    // A node below a node ... has more paths than a century has seconds.
    let mut deep = root;
    for _ in 0..40 {
        deep = fixture.put(&node(&Ipld::List(vec![link(&deep), link(&deep)]))).await;
    }
    let unique = fixture.call(&format!("refs?arg={deep}&recursive=true&unique=true")).await.lines();
    assert_eq!(unique.len(), 42);
}

#[tokio::test]
async fn blocks_are_put_read_and_measured() {
    let fixture = fixture();
    let put = fixture.upload("block/put", &[data(b"one"), data(b"two")]).await.lines();
    assert_eq!((put.len(), &put[0]["Size"]), (2, &json!(3)));
    let key = put[0]["Key"].as_str().unwrap();
    assert!(key.starts_with("bafkrei"));
    assert_eq!(fixture.call(&format!("block/get?arg={key}")).await.text(), "one");
    assert_eq!(fixture.call(&format!("block/stat?arg={key}")).await.json(), json!({ "Key": key, "Size": 3 }));
    for (query, start) in [
        ("format=v0", "Qm"),
        ("format=protobuf", "bafybei"),
        ("cid-codec=dag-json", "baguq"),
        ("mhtype=sha2-512", "bafkrg"),
    ] {
        let put = fixture.upload(&format!("block/put?{query}"), &[data(b"one")]).await.json();
        assert!(put["Key"].as_str().unwrap().starts_with(start), "{query}: {put}");
    }
    for query in ["cid-codec=nothing", "mhtype=md5", "pin=perhaps"] {
        fixture.upload(&format!("block/put?{query}"), &[data(b"one")]).await.refusal(400);
    }
    let large = vec![0; crate::BLOCK_BYTES_MAX + 1];
    fixture.upload("block/put", &[data(&large)]).await.refusal(400);
    fixture.send(upload("block/put", body(&[]))).await.refusal(400);
    fixture.call(&format!("block/get?arg={MISSING}")).await.refusal(500);
    fixture.call(&format!("block/stat?arg={key}/a")).await.refusal(400);
}

#[tokio::test]
async fn nodes_are_converted_and_read_by_path_through_links() {
    let fixture = fixture();
    let put = fixture.upload("dag/put", &[data(br#"{"deep":[1,{"x":"found"}]}"#)]).await.json();
    let below = put["Cid"]["/"].as_str().unwrap().to_owned();
    assert!(below.starts_with("bafyrei"), "DAG-CBOR: {below}");
    let link = format!(r#"{{"link":{{"/":"{below}"}}}}"#);
    let root = fixture.upload("dag/put?store-codec=dag-json", &[data(link.as_bytes())]).await.json();
    let root = root["Cid"]["/"].as_str().unwrap().to_owned();
    let get = async |path: &str| fixture.call(&format!("dag/get?arg={root}{path}")).await;
    assert_eq!(get("").await.json(), json!({ "link": { "/": below } }));
    assert_eq!(get("/link/deep/1/x").await.text(), "\"found\"");
    assert_eq!(
        get("/link&output-codec=dag-cbor").await.body,
        fixture.store.get(&Cid::try_from(below.as_str()).unwrap()).await.unwrap()
    );
    get("/link/none").await.refusal(500);
    get("/link/deep/7").await.refusal(500);
    get("&output-codec=raw").await.refusal(400);
    let resolved = fixture.call(&format!("dag/resolve?arg={root}/link/deep/1")).await.json();
    assert_eq!(resolved, json!({ "Cid": { "/": below }, "RemPath": "deep/1" }));
    let folder = fixture.upload("add", &[file("d/a", b"1")]).await.lines();
    let (leaf, folder) = (&folder[0]["Hash"], folder[1]["Hash"].as_str().unwrap());
    let shown = fixture.call(&format!("dag/get?arg={folder}")).await.json();
    assert_eq!((&shown["Links"][0]["Hash"]["/"], &shown["Links"][0]["Name"]), (leaf, &json!("a")));
    for (query, bytes) in [
        ("", b"{".as_slice()),
        ("input-codec=dag-cbor", b"\xff"),
        ("input-codec=dag-pb&store-codec=dag-pb", b"\xff\xff"),
        ("store-codec=raw", b"{}"),
        ("input-codec=json", b"{}"),
    ] {
        fixture.upload(&format!("dag/put?{query}"), &[data(bytes)]).await.refusal(400);
    }
}

#[tokio::test]
async fn a_dag_goes_out_and_comes_in_as_a_car() {
    let (from, to) = (fixture(), fixture());
    let folder =
        from.upload("add?chunker=size-1024", &[file("d/a", &[7; 5000]), file("d/b", b"x")]).await.lines();
    let root = folder.last().unwrap()["Hash"].as_str().unwrap().to_owned();
    let car = from.call(&format!("dag/export?arg={root}")).await.body;
    let said = to.upload("dag/import?stats=true", &[data(&car)]).await.lines();
    assert_eq!(said[0], json!({ "Root": { "Cid": { "/": root }, "PinErrorMsg": "" } }));
    assert!(said[1]["Stats"]["BlockCount"].as_u64().unwrap() > 3);
    assert_eq!(to.call(&format!("cat?arg={root}/b")).await.text(), "x");
    let cid = Cid::try_from(root.as_str()).unwrap();
    assert_eq!(to.pins.of(&cid).unwrap().len(), 1);
    to.pins.remove_cid(&cid).unwrap();
    to.upload("dag/import?pin-roots=false", &[data(&car)]).await.lines();
    assert_eq!(to.pins.of(&cid).unwrap(), []);
    let partial = car::header(&[Cid::try_from(MISSING).unwrap()]);
    let said = to.upload("dag/import", &[data(&partial)]).await.json();
    assert!(said["Root"]["PinErrorMsg"].as_str().unwrap().contains("missing"), "{said}");
    for bad in [b"no car".as_slice(), &car[..car.len() - 1], &[0xff; 20], b""] {
        let got = to.upload("dag/import", &[data(bad)]).await;
        assert_eq!(got.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", got.text());
    }
    from.call(&format!("dag/export?arg={MISSING}")).await.refusal(500);
    let names: BTreeMap<String, Ipld> =
        BTreeMap::from([("gone".to_owned(), Ipld::Link(Cid::try_from(MISSING).unwrap()))]);
    let gap = from.put(&node(&Ipld::Map(names))).await;
    assert!(!from.call(&format!("dag/export?arg={gap}")).await.is_whole, "a gap breaks the archive off");
}
