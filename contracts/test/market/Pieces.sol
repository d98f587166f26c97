// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev Pieces as a provider keeps them, built level by level and independent of the contract's own code.
library Pieces {
    function leaf(bytes32 content, uint256 place) internal pure returns (bytes32) {
        return keccak256(abi.encode(content, place));
    }

    function tree(bytes32 content, uint256 leafCount) internal pure returns (bytes32[][] memory levels) {
        uint256 width = 1;
        uint256 depth = 0;
        while (width < leafCount) {
            width *= 2;
            ++depth;
        }
        levels = new bytes32[][](depth + 1);
        levels[0] = new bytes32[](width);
        for (uint256 i = 0; i < leafCount; ++i) {
            levels[0][i] = leaf(content, i);
        }
        for (uint256 level = 1; level <= depth; ++level) {
            width /= 2;
            levels[level] = new bytes32[](width);
            for (uint256 i = 0; i < width; ++i) {
                levels[level][i] =
                    sha256(abi.encodePacked(levels[level - 1][2 * i], levels[level - 1][2 * i + 1]));
            }
        }
    }

    function root(bytes32 content, uint256 leafCount) internal pure returns (bytes32) {
        bytes32[][] memory levels = tree(content, leafCount);
        return levels[levels.length - 1][0];
    }

    function path(bytes32 content, uint256 leafCount, uint256 place) internal pure returns (bytes32[] memory siblings) {
        bytes32[][] memory levels = tree(content, leafCount);
        siblings = new bytes32[](levels.length - 1);
        for (uint256 level = 0; level < siblings.length; ++level) {
            siblings[level] = levels[level][place ^ 1];
            place /= 2;
        }
    }
}
