use super::{DomainMap, KeyName, Lookup, Name, PutError, RECORD_BYTES_MAX, Record, RecordError, Records};
use bytes::Bytes;
use nubes_base::Timestamp;
use proptest::prelude::*;
use std::{fs, path::Path};

const V1_V2: &str = "k51qzi5uqu5dlkw8pxuw9qmqayfdeh4kfebhmreauqdc6a7c3y7d5i9fi8mk9w";
const RSA: &str = "QmVujd5Vb7moysJj8itnGufN7MEtPRCNHkKpNuA4onsRa3";
const ED25519: &str = "12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d";

fn now() -> Timestamp {
    // 2026-01-01; the records of the fixtures are valid for a hundred years.
    Timestamp::from_unix_ms(1_767_225_600_000)
}

/// The record of the fixture whose file begins with `key`.
pub(crate) fn fixture(key: &str) -> (KeyName, Bytes) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ipns");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(key);
    let file = files.into_iter().find(is_it).unwrap();
    (KeyName::parse(key).unwrap(), fs::read(file).unwrap().into())
}

#[track_caller]
fn check(key: &str, expect: Result<&str, &str>) {
    let (key, bytes) = fixture(key);
    let verified = Record::verify(&key, bytes, now());
    let got = verified.as_ref().map(|record| record.value.as_str()).map_err(ToString::to_string);
    assert_eq!(got, expect.map_err(str::to_owned), "{key}");
}

#[test]
fn records_are_judged_as_the_conformance_suite_asks() {
    check(V1_V2, Ok("/ipfs/bafkqaddwgevxmmraojswg33smq"));
    check(
        "k51qzi5uqu5dit2ku9mutlfgwyz8u730on38kd10m97m36bjt66my99hb6103f",
        Ok("/ipfs/bafkqadtwgiww63tmpeqhezldn5zgi"),
    );
    check(
        "k51qzi5uqu5dilgf7gorsh9vcqqq4myo6jd4zmqkuy9pxyxi5fua3uf7axph4y",
        Ok("/ipfs/bafkqahtwgevxmmrao5uxi2bamjzg623fnyqhg2lhnzqxi5lsmuqhmmi"),
    );
    let unsigned = "the record has no signature of version 2";
    check("k51qzi5uqu5dm4tm0wt8srkg9h9suud4wuiwjimndrkydqm81cqtlb5ak6p7ku", Err(unsigned));
    let contradicts = "the record is malformed: its fields contradict what is signed";
    check("k51qzi5uqu5dlmit2tuwdvnx4sbnyqgmvbxftl0eo3f33wwtb9gr7yozae9kpw", Err(contradicts));
    let signature = "the record is not signed by the key of its name";
    check("k51qzi5uqu5diamp7qnnvs1p1gzmku3eijkeijs3418j23j077zrkok63xdm8c", Err(signature));
}

#[test]
fn rsa_and_ed25519_keys_sign() {
    for key in [RSA, ED25519] {
        let (key, bytes) = fixture(key);
        let record = Record::verify(&key, bytes, now()).unwrap();
        assert!(record.value.starts_with("/ipfs/"), "{}", record.value);
    }
}

#[test]
fn a_record_is_of_its_own_name_only_and_ends() {
    let ((key, bytes), (other, _)) = (fixture(V1_V2), fixture(ED25519));
    assert!(matches!(Record::verify(&other, bytes.clone(), now()), Err(RecordError::Signature)));
    let record = Record::verify(&key, bytes.clone(), now()).unwrap();
    assert!(matches!(Record::verify(&key, bytes, record.valid_until), Err(RecordError::Expired)));
    let long = Bytes::from(vec![0; RECORD_BYTES_MAX + 1]);
    assert!(matches!(Record::verify(&key, long, now()), Err(RecordError::TooLong { .. })));
}

#[test]
fn a_name_has_one_form() {
    let canonical = "k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam";
    for text in [ED25519, canonical] {
        assert_eq!(Name::parse(text).unwrap().to_string(), canonical);
    }
    assert_eq!(Name::parse("EN.Wikipedia-on-IPFS.org").unwrap().to_string(), "en.wikipedia-on-ipfs.org");
    for text in
        ["", "nodots", "a..b", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", "a b.c", "Qm.."]
    {
        assert!(Name::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_domain_is_folded_into_one_label_and_back() {
    let name = Name::parse("en.wikipedia-on-ipfs.org").unwrap();
    assert_eq!(name.label(), "en-wikipedia--on--ipfs-org");
    assert_eq!(Name::parse_label(&name.label()).unwrap(), name);
    assert_eq!(Name::parse_label("en.wikipedia-on-ipfs.org").unwrap(), name);
    assert_eq!(Name::parse_label(ED25519).unwrap(), Name::parse(ED25519).unwrap());
}

#[test]
fn the_map_of_domains_is_read_whole_or_refused() {
    let map = DomainMap::parse("A.example:/ipfs/x, b.example:/ipns/c.example,").unwrap();
    assert_eq!((map.get("a.example"), map.get("b.example")), (Some("/ipfs/x"), Some("/ipns/c.example")));
    assert_eq!(map.get("c.example"), None);
    for bad in ["a.example", "a.example:x", "nodots:/ipfs/x", "a.example:/other/x"] {
        assert!(DomainMap::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn kept_records_survive_a_restart_and_are_judged_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("names.redb");
    let (key, bytes) = fixture(V1_V2);
    let records = Records::open(&path).unwrap();
    assert!(matches!(records.get(&key, now()).unwrap(), Lookup::Unknown));
    records.put(&key, bytes.clone(), now()).unwrap();
    records.put(&key, bytes.clone(), now()).unwrap();
    drop(records);
    let records = Records::open(&path).unwrap();
    let Lookup::Valid(record) = records.get(&key, now()).unwrap() else { unreachable!("it was kept") };
    assert_eq!(record.bytes, bytes);
    assert!(matches!(records.get(&key, record.valid_until).unwrap(), Lookup::Invalid(RecordError::Expired)));
    let (_, other) = fixture(ED25519);
    assert!(matches!(records.put(&key, other, now()), Err(PutError::Record(RecordError::Signature))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_no_record_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..300, flip in 1u8..) {
        let (key, whole) = fixture(V1_V2);
        prop_assert!(Record::verify(&key, bytes.into(), now()).is_err());
        let mut changed = whole.to_vec();
        let at = at % changed.len();
        changed[at] ^= flip;
        // What is not signed may change as long as it contradicts nothing; the value may not.
        if let Ok(record) = Record::verify(&key, changed.into(), now()) {
            prop_assert_eq!(record.value, "/ipfs/bafkqaddwgevxmmraojswg33smq");
        }
    }

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        let _ = (Name::parse(&text), Name::parse_label(&text), DomainMap::parse(&text));
    }

    #[test]
    fn labels_are_reversible(domain in "[a-z0-9]{1,8}(-{1,2}[a-z0-9]{1,8}){0,2}(\\.[a-z0-9]{1,8}){1,3}") {
        let name = Name::Domain(domain);
        // Two hyphens in a row cannot be told from a hyphen; the form of other gateways has the same gap.
        if !name.to_string().contains("--") {
            prop_assert_eq!(Name::parse_label(&name.label()).unwrap(), name);
        }
    }
}
