//! Names as the registry knows them (EIP-137): a node is the hash of a name, label by label from the right.

use alloy_primitives::{B256, keccak256};

/// The name under which apps have theirs.
pub const TOP_LEVEL_NAME: &str = "nubes";

/// Node of `name`; the empty name is the root. Does not normalise: give it lower case, as the person will read it.
pub fn namehash(name: &str) -> B256 {
    if name.is_empty() {
        return B256::ZERO;
    }
    name.rsplit('.').fold(B256::ZERO, subnode)
}

/// Node of the app's name, `APP.nubes`.
pub fn node_of(app: &str) -> B256 {
    subnode(namehash(TOP_LEVEL_NAME), app)
}

fn subnode(node: B256, label: &str) -> B256 {
    keccak256([node, keccak256(label)].concat())
}
