// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Wired} from "../Wired.sol";
import {IProofs} from "./IProofs.sol";
import {LeafTree} from "./LeafTree.sol";
import {PiecePath} from "./PiecePath.sol";

/// @dev One provider's pieces, end to end, and the clock by which they are proven.
struct DataSet {
    uint64 origin;
    uint64 periodSeconds;
    /// @dev The period that has a challenge, counted from one; zero: none yet.
    uint64 openedPeriods;
    uint64 challengeBlock;
    /// @dev Leaves that can be challenged in the opened period.
    uint256 challengeRange;
}

struct Piece {
    bytes32 root;
    uint64 leafCount;
    uint8 depth;
    bool isLeaving;
}

/// @notice Which pieces a provider must hold, in one data set, so that one proof covers all its deals.
/// @dev Additions go to the end, beyond the range of an open challenge; removals wait for the next opening. So nothing
/// that happens after a challenge is fixed changes which leaf it asks for.
abstract contract DataSets is Wired, IProofs {
    using LeafTree for LeafTree.Tree;

    uint256 public constant PERIOD_SECONDS_MIN = 10;
    uint256 public constant PERIOD_SECONDS_MAX = 30 days;
    uint64 private constant LEAVES_MAX = 1 << 40;
    uint256 internal constant REMOVALS_MAX = 32;

    mapping(address provider => DataSet) private _sets;
    mapping(address provider => LeafTree.Tree) private _trees;
    mapping(address provider => Piece[]) private _pieces;
    mapping(address provider => uint256[]) private _removals;
    mapping(address provider => mapping(uint256 word => uint256)) private _proven;

    event DataSetOpened(address indexed provider, uint256 periodSeconds);
    event PieceAdded(address indexed provider, uint256 indexed pieceIndex, bytes32 pieceRoot, uint256 leafCount);
    event PieceRemovalScheduled(address indexed provider, uint256 indexed pieceIndex);
    event PieceRemoved(address indexed provider, uint256 indexed pieceIndex);

    error DataSetExists(address provider);
    error DataSetMissing(address provider);
    error PeriodSecondsOutOfRange(uint256 periodSeconds, uint256 min, uint256 max);
    error LeafCountOutOfRange(uint256 leafCount, uint256 max);
    error PieceUnknown(address provider, uint256 pieceIndex);
    error ChallengeOpen(uint256 period);

    /// @notice Starts the caller's proving clock, for good: a period that could change would let a provider dodge one.
    function openDataSet(uint64 seconds_) external {
        if (_sets[msg.sender].origin != 0) revert DataSetExists(msg.sender);
        if (seconds_ < PERIOD_SECONDS_MIN || PERIOD_SECONDS_MAX < seconds_) {
            revert PeriodSecondsOutOfRange(seconds_, PERIOD_SECONDS_MIN, PERIOD_SECONDS_MAX);
        }
        _sets[msg.sender].origin = uint64(block.timestamp);
        _sets[msg.sender].periodSeconds = seconds_;
        emit DataSetOpened(msg.sender, seconds_);
    }

    function add(address provider, bytes32 pieceRoot, uint64 leafCount)
        external
        returns (uint256 pieceIndex, uint256 firstPeriod)
    {
        _requirePart(address(_market.deals));
        if (leafCount == 0 || LEAVES_MAX < leafCount) revert LeafCountOutOfRange(leafCount, LEAVES_MAX);
        firstPeriod = periodAt(provider, block.timestamp) + 1;
        pieceIndex = _trees[provider].append(leafCount);
        _pieces[provider].push(Piece(pieceRoot, leafCount, uint8(PiecePath.depth(leafCount)), false));
        emit PieceAdded(provider, pieceIndex, pieceRoot, leafCount);
    }

    function remove(address provider, uint256 pieceIndex) external {
        _requirePart(address(_market.deals));
        if (_pieces[provider].length <= pieceIndex || _pieces[provider][pieceIndex].isLeaving) {
            revert PieceUnknown(provider, pieceIndex);
        }
        _pieces[provider][pieceIndex].isLeaving = true;
        _removals[provider].push(pieceIndex);
        emit PieceRemovalScheduled(provider, pieceIndex);
    }

    /// @notice Carries out removals that were too many for the last opening; not while a challenge waits for its proof.
    function prune(address provider, uint256 count) external {
        uint256 period = periodAt(provider, block.timestamp);
        if (_sets[provider].openedPeriods == period + 1 && !isProven(provider, period)) revert ChallengeOpen(period);
        _prune(provider, count < REMOVALS_MAX ? count : REMOVALS_MAX);
    }

    function dataSetOf(address provider) external view returns (DataSet memory set, uint256 leaves, uint256 pieces) {
        return (_sets[provider], _trees[provider].total, _pieces[provider].length);
    }

    function pieceOf(address provider, uint256 pieceIndex) external view returns (Piece memory) {
        return _pieces[provider][pieceIndex];
    }

    function removalsOf(address provider) external view returns (uint256) {
        return _removals[provider].length;
    }

    function periodSeconds(address provider) external view returns (uint256) {
        return _sets[provider].periodSeconds;
    }

    function periodStart(address provider, uint256 period) external view returns (uint256) {
        return _sets[provider].origin + period * _sets[provider].periodSeconds;
    }

    function periodAt(address provider, uint256 time) public view returns (uint256) {
        DataSet storage set = _sets[provider];
        if (set.origin == 0) revert DataSetMissing(provider);
        return (time - set.origin) / set.periodSeconds;
    }

    function isProven(address provider, uint256 period) public view returns (bool) {
        return _proven[provider][period >> 8] >> (period & 0xff) & 1 == 1;
    }

    function _set(address provider) internal view returns (DataSet storage) {
        return _sets[provider];
    }

    function _total(address provider) internal view returns (uint256) {
        return _trees[provider].total;
    }

    function _pieceAt(address provider, uint256 leaf) internal view returns (Piece storage piece, uint256 place) {
        uint256 index;
        (index, place) = _trees[provider].find(leaf);
        return (_pieces[provider][index], place);
    }

    function _markProven(address provider, uint256 period) internal {
        _proven[provider][period >> 8] |= 1 << (period & 0xff);
    }

    function _prune(address provider, uint256 count) internal {
        uint256[] storage removals = _removals[provider];
        for (; count != 0 && removals.length != 0; --count) {
            uint256 index = removals[removals.length - 1];
            removals.pop();
            _trees[provider].subtract(index, _pieces[provider][index].leafCount);
            delete _pieces[provider][index];
            // A removed piece stays marked, so that nobody removes it twice.
            _pieces[provider][index].isLeaving = true;
            emit PieceRemoved(provider, index);
        }
    }
}
