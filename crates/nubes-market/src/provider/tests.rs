//! Duties from what is known.
