// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DataSet, DataSets, Piece} from "./DataSets.sol";
import {PiecePath} from "./PiecePath.sol";
import {SeedRing} from "./SeedRing.sol";

/// @notice Possession by random challenges, in the shape of PDPVerifier: in every period a provider shows some leaves,
/// chosen over all its pieces by a seed that nobody knew when the period was opened.
/// @dev It shows possession within the period, not service, and not that a copy is one's own. A leaf is drawn from all
/// of a provider's bytes, so somebody who stores much that it can compute shows little about the rest.
contract PossessionProofs is DataSets, SeedRing {
    uint256 public constant CHALLENGES = 5;
    /// @dev The seed of block n is fixed once block n - 1 is; two blocks on, nobody in the opening block knows it.
    uint256 public constant CHALLENGE_DELAY_BLOCKS = 2;

    struct Proof {
        bytes32 leaf;
        bytes32[] path;
    }

    event NextProvingPeriod(address indexed provider, uint256 indexed period, uint256 challengeBlock, uint256 leafCount);
    event PossessionProven(address indexed provider, uint256 indexed period);

    error PeriodOpened(uint256 period);
    error PeriodNotOpened(uint256 period);
    error NothingToProve(address provider);
    error PeriodProven(uint256 period);
    error ProofCountWrong(uint256 count, uint256 expected);
    error PathLengthWrong(uint256 challenge, uint256 length, uint256 expected);
    error RootWrong(uint256 challenge, bytes32 root, bytes32 expected);

    /// @notice Opens the current period once: carries out removals and fixes range and block of the challenge. Anybody
    /// may; a provider that waits too long has no time left to prove.
    function nextProvingPeriod(address provider) external {
        uint256 period = periodAt(provider, block.timestamp);
        DataSet storage set = _set(provider);
        if (set.openedPeriods == period + 1) revert PeriodOpened(period);
        _prune(provider, REMOVALS_MAX);
        uint256 range = _total(provider);
        if (range == 0) revert NothingToProve(provider);
        set.openedPeriods = uint64(period + 1);
        set.challengeBlock = uint64(block.number + CHALLENGE_DELAY_BLOCKS);
        set.challengeRange = range;
        emit NextProvingPeriod(provider, period, set.challengeBlock, range);
    }

    /// @notice Shows the challenged leaves of the current period. Anybody may bring the proof.
    function provePossession(address provider, Proof[] calldata proofs) external {
        uint256 period = periodAt(provider, block.timestamp);
        DataSet storage set = _set(provider);
        if (set.openedPeriods != period + 1) revert PeriodNotOpened(period);
        if (isProven(provider, period)) revert PeriodProven(period);
        if (proofs.length != CHALLENGES) revert ProofCountWrong(proofs.length, CHALLENGES);
        bytes32 seed = seedOf(set.challengeBlock);
        uint256 range = set.challengeRange;
        for (uint256 i = 0; i < CHALLENGES; ++i) {
            _verify(provider, i, _challenge(seed, provider, i, range), proofs[i]);
        }
        _markProven(provider, period);
        emit PossessionProven(provider, period);
    }

    /// @notice The challenged leaf: the piece and the place of the leaf in it. Known once the seed is recorded.
    function challengeOf(address provider, uint256 i) external view returns (bytes32 pieceRoot, uint256 place) {
        DataSet storage set = _set(provider);
        uint256 leaf = _challenge(seedOf(set.challengeBlock), provider, i, set.challengeRange);
        Piece storage piece;
        (piece, place) = _pieceAt(provider, leaf);
        return (piece.root, place);
    }

    function _verify(address provider, uint256 i, uint256 leaf, Proof calldata proof) private view {
        (Piece storage piece, uint256 place) = _pieceAt(provider, leaf);
        uint256 depth = piece.depth;
        if (proof.path.length != depth) revert PathLengthWrong(i, proof.path.length, depth);
        bytes32 root = PiecePath.root(proof.leaf, proof.path, place);
        if (root != piece.root) revert RootWrong(i, root, piece.root);
    }

    /// @dev The provider is in it, so that two who hold the same piece are asked for different leaves.
    function _challenge(bytes32 seed, address provider, uint256 i, uint256 range) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, provider, i))) % range;
    }
}
