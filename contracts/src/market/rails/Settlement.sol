// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev What a settlement may pay. Pure, so that it can be proved and mutated apart from the books.
library Settlement {
    uint256 internal constant BPS = 10_000;

    /// @notice The validator settles outside the proposed time.
    error ValidatedOutside(uint256 from, uint256 until, uint256 settledUpTo);
    /// @notice The validator grants more than the time that it settles has earned.
    error ValidatedTooMuch(uint256 amount, uint256 earned);

    /// @notice What a rate earns between two times. Exact: a rate is a whole number of parts per second.
    function earned(uint256 rate, uint256 from, uint256 until) internal pure returns (uint256) {
        return rate * (until - from);
    }

    /// @notice Refuses an answer of a validator that reaches beyond what was proposed.
    function check(uint256 rate, uint256 from, uint256 until, uint256 amount, uint256 settledUpTo) internal pure {
        if (settledUpTo < from || until < settledUpTo) revert ValidatedOutside(from, until, settledUpTo);
        uint256 most = earned(rate, from, settledUpTo);
        if (most < amount) revert ValidatedTooMuch(amount, most);
    }

    /// @notice The broker's part of a payment, rounded in favour of the payee: each settlement can cost the broker one
    /// part of 1e-18 of a token unit, and nobody else anything.
    function brokerFee(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return amount * bps / BPS;
    }

    /// @notice The end of the time that can be settled: asked for, past, and covered by lockup.
    function horizon(uint256 asked, uint256 time, uint256 covered) internal pure returns (uint256) {
        uint256 until = asked < time ? asked : time;
        return until < covered ? until : covered;
    }
}
