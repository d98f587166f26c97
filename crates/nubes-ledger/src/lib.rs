//! nubes-ledger
