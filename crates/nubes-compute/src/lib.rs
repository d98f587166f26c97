//! nubes-compute
