//! nubes-consensus
