// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev Without money a deal goes down from `Active` to `Ended` by time alone, and back up by a deposit.
enum DealState {
    None,
    Proposed,
    Active,
    /// @dev No renewal, no writes; the provider serves reads.
    ReadOnly,
    Grace,
    /// @dev Time to export.
    Notice,
    Ended,
    /// @dev Too many proofs missed; see the repair job of the same number.
    Lost
}

struct Terms {
    address provider;
    bytes32 pieceRoot;
    /// @dev Leaves of 32 bytes.
    uint64 leafCount;
    uint64 duration;
    uint64 acceptBy;
    /// @dev Proving period of the provider, so that the client agrees to it.
    uint32 periodSeconds;
    uint32 readOnlySeconds;
    uint32 graceSeconds;
    uint32 noticeSeconds;
    /// @dev Parts of 1e-18 token unit.
    uint128 pricePerSecond;
    bytes32 class;
    bytes32 region;
    /// @dev The object that the piece is part of: a repairer finds the sibling pieces by it.
    bytes32 group;
}

struct Deal {
    Terms terms;
    address client;
    DealState state;
    /// @dev Proofs missed in a row.
    uint8 missed;
    uint64 start;
    uint64 end;
    /// @dev When it was ended or lost: nothing is paid from there on. Zero: not yet.
    uint64 closedAt;
    uint64 firstPeriod;
    /// @dev The next period whose proof is to be judged.
    uint64 nextPeriod;
    /// @dev End of the last period that was judged proven.
    uint64 lastProven;
    uint256 railId;
    uint256 pieceIndex;
}

interface IDeals {
    function dealOf(uint256 dealId) external view returns (Deal memory);
    /// @notice Proposes, in the client's name, what remains of a lost deal to another provider.
    function proposeReplacement(uint256 lostDealId, address provider, uint64 acceptBy) external returns (uint256 dealId);
    /// @notice Ends a replacement that was not proven in time.
    function cancelReplacement(uint256 dealId) external;
}
