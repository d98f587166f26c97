//! What the conformance suite of IPFS gateways asks for, with its fixtures.

use super::{Fixture, fixture, read_car, request};
use axum::body;
use cid::Cid;
use http::{Method, StatusCode};

const CAR: &str = "application/vnd.ipld.car; version=1; order=dfs; dups=n";

async fn car(fixture: &Fixture, path: &str) -> Vec<String> {
    let got = fixture.ask(Method::GET, path, &[("accept", "application/vnd.ipld.car")]).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, CAR), "{path}");
    assert!(got.header("etag").starts_with("W/\""), "{path}");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert!(got.header("content-disposition").starts_with("attachment; filename=\""), "{path}");
    read_car(&got.body).1.iter().map(|block| block.cid().to_string()).collect()
}

async fn cid_of(fixture: &Fixture, path: &str) -> String {
    let got = fixture.ask(Method::HEAD, path, &[]).await;
    got.header("x-ipfs-roots").rsplit(',').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_raw_block_is_served_by_format_and_by_accept() {
    let fixture = fixture();
    let root = fixture.import_car("gateway-raw-block.car").await[0];
    for (path, headers) in [
        (format!("/ipfs/{root}/dir/ascii.txt?format=raw"), &[][..]),
        (format!("/ipfs/{root}/dir/ascii.txt"), &[("accept", "application/vnd.ipld.raw")][..]),
    ] {
        let got = fixture.ask(Method::GET, &path, headers).await;
        assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "application/vnd.ipld.raw"));
        let cid = "bafkreihhpc5y2pqvl5rbe5uuyhqjouybfs3rvlmisccgzue2kkt5zq6upq";
        assert_eq!(got.header("etag"), format!("\"{cid}.raw\""));
        assert!(
            got.header("content-disposition").starts_with(&format!("attachment; filename=\"{cid}.bin\""))
        );
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("cache-control"), "public, max-age=29030400, immutable");
        assert_eq!(got.text(), "hello application/vnd.ipld.raw\n");
        let part = fixture.ask(Method::GET, &path, &[headers, &[("range", "bytes=0-4")]].concat()).await;
        assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, "hello"));
    }
    let got = fixture.get(&format!("/ipfs/{root}/dir?format=raw")).await;
    assert_eq!(got.status, StatusCode::OK, "a directory's block needs no slash");
}

#[tokio::test]
async fn a_car_of_a_path_has_the_path_then_what_the_scope_says() {
    let fixture = fixture();
    let root = fixture.import_car("subdir-with-two-single-block-files.car").await[0];
    let subdir = "bafybeiggghzz6dlue3m6nb2dttnbrygxh3lrjl5764f2m4gq7dgzdt55o4";
    let ascii = "bafkreifkam6ns4aoolg3wedr4uzrs3kvq66p4pecirz6y2vlrngla62mxm";
    let hello = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    let root_text = root.to_string();
    for (path, scope, expect) in [
        ("/subdir/ascii.txt", "block", vec![&*root_text, subdir, ascii]),
        ("/subdir/ascii.txt", "entity", vec![&*root_text, subdir, ascii]),
        ("/subdir/ascii.txt", "all", vec![&*root_text, subdir, ascii]),
        ("/subdir", "block", vec![&*root_text, subdir]),
        ("/subdir", "entity", vec![&*root_text, subdir]),
        ("/subdir", "all", vec![&*root_text, subdir, ascii, hello]),
        ("/", "entity", vec![&*root_text]),
        ("/", "all", vec![&*root_text, subdir, ascii, hello]),
    ] {
        assert_eq!(
            car(&fixture, &format!("/ipfs/{root}{path}?dag-scope={scope}")).await,
            expect,
            "{path} {scope}"
        );
    }
}

#[tokio::test]
async fn a_car_of_a_file_in_many_blocks_is_cut_to_the_wanted_bytes() {
    let fixture = fixture();
    let root = fixture.import_car("subdir-with-mixed-block-files.car").await[0];
    let file = format!("/ipfs/{root}/subdir/multiblock.txt");
    let all = car(&fixture, &format!("{file}?dag-scope=entity")).await;
    assert_eq!(all[2], "bafybeigcisqd7m5nf3qmuvjdbakl5bdnh4ocrmacaqkpuh77qjvggmt2sa");
    // The file has 1,026 bytes in blocks of 256.
    assert_eq!(all.len(), 3 + 5);
    for (range, expect) in [
        ("0:*", all.clone()),
        ("0:511", all[..5].to_vec()),
        ("512:*", [&all[..3], &all[5..]].concat()),
        ("-2:*", [&all[..3], &all[7..]].concat()),
        ("999999:*", all[..3].to_vec()),
        ("-99999:255", all[..4].to_vec()),
    ] {
        let got = car(&fixture, &format!("{file}?dag-scope=entity&entity-bytes={range}")).await;
        assert_eq!(got, expect, "{range}");
    }
}

#[tokio::test]
async fn a_sharded_directory_is_walked_by_name_and_listed_without_its_files() {
    let fixture = fixture();
    let root = fixture.import_car("single-layer-hamt-with-multi-block-files.car").await[0];
    let file = "bafybeigcisqd7m5nf3qmuvjdbakl5bdnh4ocrmacaqkpuh77qjvggmt2sa";
    assert_eq!(cid_of(&fixture, &format!("/ipfs/{root}/470.txt")).await, file);
    let block = car(&fixture, &format!("/ipfs/{root}/470.txt?dag-scope=block")).await;
    assert_eq!((block.first(), block.last()), (Some(&root.to_string()), Some(&file.to_owned())));
    let entity = car(&fixture, &format!("/ipfs/{root}?dag-scope=entity")).await;
    assert!(!entity.contains(&file.to_owned()), "files are not part of listing a directory");
    let all = car(&fixture, &format!("/ipfs/{root}?dag-scope=all")).await;
    assert!(all.len() > entity.len() && all.contains(&file.to_owned()));
    assert_eq!(all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len(), "dups=n");
    let page = fixture.get(&format!("/ipfs/{root}/")).await;
    assert!(page.text().contains("/470.txt\""));
}

#[tokio::test]
async fn a_missing_block_outside_of_the_range_does_not_matter() {
    let fixture = fixture();
    let root = fixture.import_car("file-3k-and-3-blocks-missing-block.car").await[0];
    // Of three blocks of 1 KiB the middle one is missing.
    let first = fixture.ask(Method::GET, &format!("/ipfs/{root}"), &[("range", "bytes=0-1000")]).await;
    assert_eq!((first.status, first.body.len()), (StatusCode::PARTIAL_CONTENT, 1001));
    let last = fixture.ask(Method::GET, &format!("/ipfs/{root}"), &[("range", "bytes=2200-")]).await;
    assert_eq!((last.status, last.body.len()), (StatusCode::PARTIAL_CONTENT, 872));
    let middle = fixture.ask(Method::GET, &format!("/ipfs/{root}"), &[("range", "bytes=1200-1300")]).await;
    assert_eq!(middle.status, StatusCode::NOT_FOUND);
    let blocks = car(&fixture, &format!("/ipfs/{root}?dag-scope=entity&entity-bytes=0:1000")).await;
    assert_eq!(blocks.len(), 2);
    let whole = request(Method::GET, &format!("/ipfs/{root}?format=car"), &[]);
    let broken = fixture.gateway.serve_path(&whole.into_parts().0, None).await.into_body();
    assert!(
        body::to_bytes(broken, usize::MAX).await.is_err(),
        "a CAR that lacks a block never looks complete"
    );
}

#[tokio::test]
async fn links_of_dag_cbor_are_followed_in_a_car() {
    let fixture = fixture();
    let root = fixture.import_car("dir-with-dag-cbor-with-links.car").await[0];
    let all = car(&fixture, &format!("/ipfs/{root}?dag-scope=all")).await;
    let cbor = all.iter().filter(|cid| Cid::try_from(cid.as_str()).unwrap().codec() == 0x71).count();
    assert!(cbor > 0 && all.len() > cbor + 1, "{all:?}");
}

#[tokio::test]
async fn names_with_percent_signs_and_equal_signs_are_found() {
    let fixture = fixture();
    let root = fixture.import_car("dir-with-percent-encoded-filename.car").await[0];
    let name = "Portugal%252C+Espa%C3%B1a=Peninsula%20Ib%C3%A9rica.txt";
    let got = fixture.get(&format!("/ipfs/{root}/{name}")).await;
    assert_eq!((got.status, got.body.len()), (StatusCode::OK, 38), "{}", got.text());
}

#[tokio::test]
async fn a_symbolic_link_is_shown_and_not_followed() {
    let fixture = fixture();
    let root = fixture.import_car("symlink.car").await[0];
    let got = fixture.get(&format!("/ipfs/{root}/bar")).await;
    assert_eq!(
        (got.status, got.header("content-type"), got.text()),
        (StatusCode::OK, "inode/symlink", "foo")
    );
    let got = fixture.get(&format!("/ipfs/{root}/bar/below")).await;
    assert!(got.status == StatusCode::NOT_IMPLEMENTED && got.text().contains("NX3009"));
    let got = fixture.get(&format!("/ipfs/{root}/foo")).await;
    assert_eq!((got.status, got.text()), (StatusCode::OK, "content\n"));
}

#[tokio::test]
async fn formats_of_other_gateways_are_not_acceptable() {
    let fixture = fixture();
    let root = fixture.import_car("dir-with-files.car").await[0];
    for accept in ["application/vnd.ipld.dag-json", "application/vnd.ipld.car; version=2"] {
        let got = fixture.ask(Method::GET, &format!("/ipfs/{root}/"), &[("accept", accept)]).await;
        assert_eq!(got.status, StatusCode::NOT_ACCEPTABLE, "{accept}");
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let got = fixture.ask(Method::GET, &format!("/ipfs/{root}/"), &[("accept", browser)]).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
}
