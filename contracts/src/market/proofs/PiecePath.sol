// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev Path of a 32-byte leaf in a piece: a binary SHA-256 tree, padded with zero leaves to a power of two.
/// @dev Leaves are not hashed and carry no prefix, as in PDPVerifier, so a node is a leaf by its depth alone. The caller
/// must therefore fix the depth by the leaf count (`depth`) and the side at each level by the challenged place; a node
/// of a higher level then needs a preimage to pass for a leaf.
library PiecePath {
    /// @notice Levels of a piece's tree.
    function depth(uint256 leafCount) internal pure returns (uint256 levels) {
        while (1 << levels < leafCount) ++levels;
    }

    /// @notice The root above a leaf at a place.
    function root(bytes32 leaf, bytes32[] calldata path, uint256 place) internal view returns (bytes32 node) {
        node = leaf;
        assembly ("memory-safe") {
            let end := add(path.offset, shl(5, path.length))
            for { let sibling := path.offset } lt(sibling, end) { sibling := add(sibling, 32) } {
                // Bit set: the node is on the right and goes to the second word of scratch space.
                let side := shl(5, and(place, 1))
                mstore(side, node)
                mstore(xor(side, 32), calldataload(sibling))
                if iszero(staticcall(gas(), 2, 0, 64, 0, 32)) { revert(0, 0) }
                node := mload(0)
                place := shr(1, place)
            }
        }
    }
}
