// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev Leaf counts of pieces laid end to end, as a Fenwick tree: prefix sums and the piece at a leaf in log(n) reads.
/// Inside, positions count from one: node `i` holds the sum of the `i & -i` values that end at `i`.
library LeafTree {
    struct Tree {
        mapping(uint256 position => uint256) nodes;
        uint256 length;
        uint256 total;
    }

    error LeafOutOfRange(uint256 leaf, uint256 total);

    /// @notice Appends a value and returns its index.
    function append(Tree storage tree, uint256 value) internal returns (uint256 index) {
        index = tree.length++;
        uint256 position = index + 1;
        uint256 node = value;
        uint256 end = position - _lowBit(position);
        for (uint256 child = position - 1; child != end; child -= _lowBit(child)) {
            node += tree.nodes[child];
        }
        tree.nodes[position] = node;
        tree.total += value;
    }

    /// @notice Takes `value` off the value at `index`.
    function subtract(Tree storage tree, uint256 index, uint256 value) internal {
        for (uint256 position = index + 1; position <= tree.length; position += _lowBit(position)) {
            tree.nodes[position] -= value;
        }
        tree.total -= value;
    }

    /// @notice Which value covers a leaf of the whole, and the leaf's place in it.
    function find(Tree storage tree, uint256 leaf) internal view returns (uint256 index, uint256 offset) {
        if (tree.total <= leaf) revert LeafOutOfRange(leaf, tree.total);
        uint256 length = tree.length;
        uint256 step = 1;
        while (step << 1 <= length) step <<= 1;
        offset = leaf;
        for (; step != 0; step >>= 1) {
            uint256 position = index + step;
            if (length < position) continue;
            uint256 sum = tree.nodes[position];
            if (sum <= offset) {
                offset -= sum;
                index = position;
            }
        }
    }

    function _lowBit(uint256 position) private pure returns (uint256) {
        unchecked {
            return position & (0 - position);
        }
    }
}
