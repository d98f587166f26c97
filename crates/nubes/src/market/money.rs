//! Amounts as people read them.

use alloy_primitives::U256;

const DECIMALS: usize = 6;

/// Units of the test dollar as dollars: `1.5`, `0.000001`.
pub(crate) fn dollars(units: U256) -> String {
    let text = format!("{units:0>width$}", width = DECIMALS + 1);
    let (whole, part) = text.split_at(text.len() - DECIMALS);
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// Parts of a unit as dollars, to twelve places: what a second of a small piece costs.
pub(crate) fn dollars_of_parts(parts: U256) -> String {
    let text = format!("{parts:0>25}");
    let (whole, part) = text.split_at(text.len() - 24);
    let part = part.get(..12).unwrap_or(part).trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::{dollars, dollars_of_parts};
    use alloy_primitives::U256;

    #[test]
    fn units_are_millionths_of_a_dollar() {
        let cases = [
            (0, "0"),
            (1, "0.000001"),
            (1_500_000, "1.5"),
            (100_000_000, "100"),
            (123_456_789, "123.456789"),
        ];
        for (units, expected) in cases {
            assert_eq!(dollars(U256::from(units)), expected);
        }
        assert_eq!(dollars_of_parts(U256::from(10).pow(U256::from(24))), "1");
        assert_eq!(dollars_of_parts(U256::from(10).pow(U256::from(13))), "0.00000000001");
    }
}
