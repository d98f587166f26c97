// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

interface IProofs {
    /// @notice Adds a piece to a provider's data set and says in which period it is challenged first.
    function add(address provider, bytes32 pieceRoot, uint64 leafCount)
        external
        returns (uint256 pieceIndex, uint256 firstPeriod);
    /// @notice Schedules the removal of a piece for the next period.
    function remove(address provider, uint256 pieceIndex) external;
    function periodSeconds(address provider) external view returns (uint256);
    function periodAt(address provider, uint256 time) external view returns (uint256);
    function periodStart(address provider, uint256 period) external view returns (uint256);
    function isProven(address provider, uint256 period) external view returns (bool);
}
