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

/// Node of `NAME.nubes`, where a name is that of an app, such as `shop`, or is below it, such as `fix.shop`.
pub fn node_of(name: &str) -> B256 {
    name.rsplit('.').fold(namehash(TOP_LEVEL_NAME), subnode)
}

fn subnode(node: B256, label: &str) -> B256 {
    keccak256([node, keccak256(label)].concat())
}
