//! Short text in a word of the ledger, padded with zero bytes.

use alloy_primitives::B256;

/// `None` if the text is longer than a word.
pub fn word(text: &str) -> Option<B256> {
    let mut word = B256::ZERO;
    word.0.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(word)
}

/// What is not text is shown as it would be in Rust.
pub fn from_word(word: &B256) -> String {
    let end = word.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    String::from_utf8_lossy(&word[..end]).escape_default().to_string()
}
