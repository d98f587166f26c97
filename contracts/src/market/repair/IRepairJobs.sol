// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

interface IRepairJobs {
    /// @notice Books what was slashed for a deal; the token was sent before.
    function fund(uint256 dealId, uint256 units) external;
    /// @notice Opens the job of a lost deal.
    function open(uint256 dealId) external;
    /// @notice Gives the pool of a deal that ended well back to its client.
    function release(uint256 dealId) external;
}
