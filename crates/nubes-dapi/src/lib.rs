//! nubes-dapi
