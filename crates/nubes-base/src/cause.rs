//! An error as one line.

use std::error::Error;

/// An error and its causes, the outermost first, apart by colons.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::chain;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] io::Error);

    #[test]
    fn causes_follow_the_error() {
        assert_eq!(chain(&io::Error::other("alone")), "alone");
        assert_eq!(chain(&Outside(io::Error::other("inside"))), "outside: inside");
    }
}
