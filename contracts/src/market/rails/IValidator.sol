// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice Decides how much of a stream was deserved. Asked before every payment of a rail that names it.
interface IValidator {
    /// @notice Grants at most `proposedAmount` for `from` (included) to `until` (excluded), or for a shorter time.
    /// @dev A view, so it is called without the right to change anything: it cannot re-enter. `amount` beyond
    /// `rate * (settledUpTo - from)` makes the settlement fail.
    function validatePayment(uint256 railId, uint256 proposedAmount, uint256 from, uint256 until, uint256 rate)
        external
        view
        returns (uint256 amount, uint256 settledUpTo, string memory note);
}
