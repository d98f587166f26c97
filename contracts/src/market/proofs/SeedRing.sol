// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";

/// @notice Keeps PREVRANDAO of blocks that somebody needs later, in a ring as EIP-2935 does for hashes.
/// @dev A challenge names the number of one future block, and only that block's value serves it. Were the next recorded
/// value to serve when the block was not recorded, a provider could record from a contract that reads the value first
/// and stays silent until it likes one. Instead a missed value can be proved later from the block's header, whose hash
/// the chain keeps for 8191 blocks; if nobody does even that, the period counts as missed. So there is one seed or none,
/// and none costs the provider what a wrong proof costs.
abstract contract SeedRing {
    uint256 private constant RING_BLOCKS = 65_536;

    struct Seed {
        uint256 blockNumber;
        bytes32 value;
    }

    mapping(uint256 place => Seed) private _seeds;

    event SeedRecorded(uint256 indexed blockNumber, bytes32 seed);

    /// @notice Not the header of a block of this chain, or of one too old to know.
    error HeaderUnknown(bytes32 headerHash);
    /// @notice Nobody recorded this block, or it left the ring. Use `recordSeedOf` within 8191 blocks.
    error SeedUnknown(uint256 blockNumber);

    /// @notice Records the seed of this block.
    function recordSeed() external {
        _record(block.number, bytes32(block.prevrandao));
    }

    /// @notice Records the seed of an earlier block from its header in RLP.
    function recordSeedOf(bytes calldata header) external {
        if (!BlockHeader.verifyBlockHeader(header)) revert HeaderUnknown(keccak256(header));
        _record(BlockHeader.getNumber(header), BlockHeader.getPrevRandao(header));
    }

    function seedOf(uint256 blockNumber) public view returns (bytes32) {
        Seed storage seed = _seeds[blockNumber % RING_BLOCKS];
        // An empty place has number zero; genesis has no challenge.
        if (blockNumber == 0 || seed.blockNumber != blockNumber) revert SeedUnknown(blockNumber);
        return seed.value;
    }

    function _record(uint256 blockNumber, bytes32 value) private {
        Seed storage seed = _seeds[blockNumber % RING_BLOCKS];
        // A younger block keeps its place, so that an old header cannot push out what is needed.
        if (blockNumber <= seed.blockNumber) return;
        seed.blockNumber = blockNumber;
        seed.value = value;
        emit SeedRecorded(blockNumber, value);
    }
}
