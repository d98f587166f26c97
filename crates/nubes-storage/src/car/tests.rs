use super::{ByteRange, DecodeError, Decoder, HEADER_BYTES_MAX, Item, frame, header};
use crate::block::{BLOCK_BYTES_MAX, Block, BlockError, RAW};
use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;

fn block(content: &[u8]) -> Block {
    let bytes = Bytes::copy_from_slice(content);
    Block::new(Cid::new_v1(RAW, Code::Sha2_256.digest(content)), bytes).unwrap()
}

fn encode(roots: &[Cid], blocks: &[Block]) -> Vec<u8> {
    let mut car = header(roots).to_vec();
    for block in blocks {
        car.extend_from_slice(&frame(block.cid(), block.bytes().len()));
        car.extend_from_slice(block.bytes());
    }
    car
}

/// Everything in a CAR that arrives in pieces of `piece` bytes.
fn decode(car: &[u8], piece: usize) -> Result<(Vec<Cid>, Vec<Block>), DecodeError> {
    let (mut decoder, mut roots, mut blocks) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in car.chunks(piece) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(item) = decoder.next_item()? {
            match item {
                Item::Roots(found) => roots = found,
                Item::Block(block) => blocks.push(block),
            }
        }
    }
    decoder.finish()?;
    Ok((roots, blocks))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_car_survives_its_bytes_in_any_pieces(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..30),
        piece in 1..400_usize,
        roots in 0..300_usize,
    ) {
        let blocks: Vec<_> = contents.iter().map(|content| block(content)).collect();
        let roots: Vec<_> = (0..roots).map(|n| *block(&n.to_le_bytes()).cid()).collect();
        prop_assert_eq!(decode(&encode(&roots, &blocks), piece).unwrap(), (roots, blocks));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1..100_usize) {
        let _ = decode(&bytes, piece);
        let mut behind_header = encode(&[*block(b"r").cid()], &[]);
        behind_header.extend_from_slice(&bytes);
        let _ = decode(&behind_header, piece);
    }

    #[test]
    fn a_changed_byte_is_never_taken_for_another_block(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let blocks = [block(b"one"), block(b"two"), block(b"three")];
        let mut car = encode(&[*blocks[0].cid()], &blocks);
        let at = at.index(car.len());
        car[at] ^= 1 << bit;
        if let Ok((_, read)) = decode(&car, 50) {
            // A flip in a version or codec byte gives another name for the same bytes.
            for (read, block) in read.iter().zip(&blocks) {
                prop_assert_eq!(read.cid().hash(), block.cid().hash());
            }
        }
    }
}

#[test]
fn what_is_no_car_is_refused_with_a_reason() {
    let good = encode(&[], &[block(b"x")]);
    assert!(matches!(decode(b"", 9), Err(DecodeError::NoHeader)));
    assert!(matches!(decode(b"\x05hello", 9), Err(DecodeError::NoHeader)));
    assert!(matches!(decode(&good[..good.len() - 1], 9), Err(DecodeError::CutOff)));
    assert!(matches!(decode(&[0xff; 20], 20), Err(DecodeError::Length)));
    let version_2 = [0x0a, 0xa1, 0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 0x02];
    assert!(matches!(decode(&version_2, 99), Err(DecodeError::Version { version: 2 })));
    let wrong = [frame(block(b"right").cid(), 5).as_ref(), b"wrong"].concat();
    let car = [header(&[]).as_ref(), &wrong].concat();
    assert!(matches!(decode(&car, 99), Err(DecodeError::Block(BlockError::Mismatch { .. }))));
    let car = [header(&[]).as_ref(), &[3, 0xff, 0xff, 0xff]].concat();
    assert!(matches!(decode(&car, 99), Err(DecodeError::Cid { .. })));
}

#[test]
fn a_section_above_its_limit_is_refused_before_it_is_read() {
    let mut long_header = Vec::new();
    crate::varint::write(HEADER_BYTES_MAX as u64 + 1, &mut long_header);
    assert!(matches!(decode(&long_header, 99), Err(DecodeError::TooLong { .. })));
    let car = [header(&[]), frame(block(b"").cid(), BLOCK_BYTES_MAX + 200)].concat();
    assert!(matches!(decode(&car, 99), Err(DecodeError::TooLong { .. })));
}

#[test]
fn a_block_that_is_whole_in_one_piece_is_not_copied() {
    let car = Bytes::from(encode(&[], &[block(b"x")]));
    let mut decoder = Decoder::default();
    decoder.push(car.clone());
    let items: Vec<_> = std::iter::from_fn(|| decoder.next_item().unwrap()).collect();
    let Some(Item::Block(block)) = items.last() else { panic!("{items:?}") };
    assert_eq!(block.bytes().as_ptr(), car.slice(car.len() - 1..).as_ptr());
}

#[test]
fn a_failed_decoder_gives_nothing_more() {
    let mut decoder = Decoder::default();
    decoder.push(Bytes::from_static(b"\x05hello"));
    assert!(decoder.next_item().is_err());
    decoder.push(encode(&[], &[block(b"x")]).into());
    assert!(matches!(decoder.next_item(), Ok(None)));
}

#[test]
fn a_byte_range_counts_from_both_ends() {
    for (from, to, expect) in [
        (0, None, 0..10),
        (2, Some(4), 2..5),
        (-3, None, 7..10),
        (-3, Some(-2), 7..9),
        (0, Some(99), 0..10),
        (20, None, 10..10),
        (-99, None, 0..10),
        (5, Some(2), 3..3),
    ] {
        assert_eq!(ByteRange { from, to }.within(10), expect, "{from}:{to:?}");
    }
}
