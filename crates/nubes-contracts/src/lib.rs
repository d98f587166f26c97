//! nubes-contracts
