//! nubes-storage
