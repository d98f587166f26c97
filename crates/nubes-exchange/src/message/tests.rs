use super::*;
use proptest::prelude::*;
use prost::encoding::encode_varint;

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;

fn name(codec: u64, bytes: &[u8]) -> Cid {
    Cid::new_v1(codec, Code::Sha2_256.digest(bytes))
}

fn block(codec: u64, bytes: Vec<u8>) -> Block {
    Block::stored(name(codec, &bytes), bytes.into())
}

fn messages() -> impl Strategy<Value = Message> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let cids = (bytes(), prop::sample::select(vec![RAW, DAG_PB, 0x71]))
        .prop_map(|(content, codec)| name(codec, &content));
    let want = (cids.clone(), any::<bool>(), any::<bool>()).prop_map(|(cid, have, send_dont_have)| {
        let kind = if have { Kind::Have } else { Kind::Block };
        Entry::Want(Want { cid, kind, send_dont_have })
    });
    let entry = prop_oneof![want, cids.clone().prop_map(Entry::Cancel)];
    let presence = (cids, any::<bool>())
        .prop_map(|(cid, have)| (cid, if have { Presence::Have } else { Presence::DontHave }));
    let blocks = prop::collection::vec((prop::sample::select(vec![RAW, DAG_PB]), bytes()), 0..5);
    (any::<bool>(), prop::collection::vec(entry, 0..8), blocks, prop::collection::vec(presence, 0..8))
        .prop_map(|(full, entries, blocks, presences)| Message {
            full,
            entries,
            blocks: blocks.into_iter().map(|(codec, bytes)| block(codec, bytes)).collect(),
            presences,
            unreadable_blocks: 0,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_message_survives_its_bytes(message in messages()) {
        let decoded = Message::decode(message.encode(Version::V1_2).into()).unwrap();
        prop_assert_eq!(decoded, message);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = Message::decode(bytes.into()) {
            for block in &message.blocks {
                let code = Code::try_from(block.cid().hash().code()).unwrap();
                prop_assert_eq!(code.digest(block.bytes()), *block.cid().hash());
            }
        }
    }

    #[test]
    fn a_damaged_message_is_read_without_panic(message in messages(), at: prop::sample::Index, to: u8) {
        let mut bytes = message.encode(Version::V1_2);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        let _ = Message::decode(bytes.into());
    }

    #[test]
    fn the_weight_of_a_message_is_not_below_its_bytes(message in messages()) {
        let items = message.entries.iter().map(Entry::cid).chain(message.presences.iter().map(|(cid, _)| cid));
        let weight = items.map(item_weight).sum::<usize>()
            + message.blocks.iter().map(Block::weight).sum::<usize>() + ITEM_OVERHEAD_BYTES;
        prop_assert!(message.encode(Version::V1_2).len() <= weight);
    }
}

/// Bytes as go-bitswap writes them for a want-have with `sendDontHave` of the raw block "hello".
#[test]
fn a_want_is_written_as_the_others_write_it() {
    let cid = name(RAW, b"hello");
    let want = Want { cid, kind: Kind::Have, send_dont_have: true };
    let message = Message { entries: vec![Entry::Want(want)], ..Message::default() };
    let mut entry = vec![0x0a, 36];
    entry.extend(cid.to_bytes());
    entry.extend([0x10, 1, 0x20, 1, 0x28, 1]);
    let mut expected = vec![0x0a, 46, 0x0a, 44];
    expected.extend(entry);
    assert_eq!(message.encode(Version::V1_2), expected);
    assert_eq!(Message::decode(expected.into()).unwrap(), message);
}

#[test]
fn a_block_is_written_as_the_others_write_it() {
    let message = Message { blocks: vec![block(RAW, b"hello".to_vec())], ..Message::default() };
    let expected = [&[0x1a, 13, 0x0a, 4, 1, 0x55, 0x12, 32, 0x12, 5][..], b"hello"].concat();
    assert_eq!(message.encode(Version::V1_1), expected);
    assert_eq!(message.encode(Version::V1_0), [&[0x12, 5][..], b"hello"].concat());
}

#[test]
fn a_block_without_a_name_is_named_by_its_hash() {
    let message = Message::decode([&[0x12, 5][..], b"hello"].concat().into()).unwrap();
    assert_eq!(message.blocks[0].cid().hash(), name(RAW, b"hello").hash());
    assert_eq!(message.blocks[0].cid().version(), CidVersion::V0);
}

#[test]
fn presences_are_only_told_to_those_who_know_them() {
    let presences = vec![(name(RAW, b"hello"), Presence::DontHave)];
    let message = Message { presences, ..Message::default() };
    assert!(message.encode(Version::V1_1).is_empty());
    assert!(!message.encode(Version::V1_2).is_empty());
}

#[test]
fn a_block_with_an_unknown_hash_function_is_counted_and_not_taken() {
    for prefix in [&[1, 0x55, 0x00, 5][..], &[1, 0x55, 0xff, 0x7f, 32], &[1, 0x55, 0x12, 20], &[7, 0x55], &[]]
    {
        let wire = WireBlock { prefix: Bytes::copy_from_slice(prefix), data: Bytes::from_static(b"hello") };
        let bytes = WireMessage { payload: vec![wire], ..WireMessage::default() }.encode_to_vec();
        let message = Message::decode(bytes.into()).unwrap();
        assert_eq!((message.blocks.len(), message.unreadable_blocks), (0, 1), "{prefix:?}");
    }
}

#[test]
fn too_many_items_are_refused_before_they_take_memory() {
    for (field, what) in [(0x12, "blocks"), (0x1a, "blocks"), (0x22, "presences")] {
        let bytes = [field, 0].repeat(ITEMS_MAX + 1);
        let refused = Message::decode(bytes.into());
        assert!(matches!(refused, Err(DecodeError::TooMany(named)) if named == what), "{refused:?}");
    }
    let entries = [0x0a, 0].repeat(ITEMS_MAX + 1);
    let mut bytes = vec![0x0a];
    encode_varint(entries.len() as u64, &mut bytes);
    bytes.extend(entries);
    assert!(matches!(Message::decode(bytes.into()), Err(DecodeError::TooMany("wants"))));
}

#[test]
fn a_message_that_claims_more_than_it_has_is_refused() {
    assert!(matches!(Message::decode(vec![0x0a, 0xff, 0x7f].into()), Err(DecodeError::CutOff)));
}

#[test]
fn a_malformed_cid_is_refused() {
    let long = vec![1; CID_BYTES_MAX + 1];
    for cid in [Vec::new(), vec![1, 2, 3], long] {
        let entry = WireEntry { block: cid.into(), ..WireEntry::default() };
        let wantlist = Some(WireWantlist { entries: vec![entry], full: false });
        let bytes = WireMessage { wantlist, ..WireMessage::default() }.encode_to_vec();
        assert!(matches!(Message::decode(bytes.into()), Err(DecodeError::Cid)));
    }
}
