//! nubes-testkit
