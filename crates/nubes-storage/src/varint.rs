//! Unsigned LEB128: the numbers of protobuf, multiformats and CAR.

/// An unsigned LEB128 of at most 64 bits, and what follows it.
pub(crate) fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (position, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if position == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(position + 1..)?));
        }
    }
    None
}

/// Appends `value` to `out`.
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_number_survives_its_bytes(value: u64, after: u8) {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            bytes.push(after);
            let (read, rest) = read(&bytes).unwrap();
            let after = [after];
            prop_assert_eq!((read, rest), (value, after.as_slice()));
        }
    }

    #[test]
    fn a_number_above_64_bits_is_refused() {
        assert_eq!(read(&[0xff; 11]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), None);
        assert_eq!(read(&[0x80]), None);
    }
}
