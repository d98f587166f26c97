// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev What an owner holds of one token, in parts of 1e-18 of a token unit.
struct Account {
    uint256 funds;
    /// @dev Not withdrawable: what streams have earned until `settledAt`, what they reserve, and fixed sums.
    uint256 locked;
    /// @dev By how much `locked` grows each second.
    uint256 rate;
    /// @dev Streams are covered until here. Behind the clock means: the funds ran out then.
    uint64 settledAt;
}

/// @dev How an account's lockup grows with time. Exact: every sum is an integer number of parts.
library Lockup {
    /// @notice The account has `free` parts that are not locked; `needed` are asked for.
    error FundsLocked(uint256 free, uint256 needed);
    /// @notice The account ran out of funds at `since`. Deposit first.
    error Underfunded(uint256 since, uint256 timestamp);

    /// @notice Locks what streams earned since the last time, as far as the funds reach, in whole seconds.
    function settled(Account memory account, uint256 time) internal pure returns (Account memory) {
        uint256 seconds_ = time - account.settledAt;
        if (account.rate != 0) {
            uint256 affordable = (account.funds - account.locked) / account.rate;
            if (affordable < seconds_) seconds_ = affordable;
        }
        account.locked += account.rate * seconds_;
        account.settledAt += uint64(seconds_);
        return account;
    }

    /// @notice The last second for which streams are covered if nothing is deposited; the end of time if none runs.
    function fundedUntil(Account memory account) internal pure returns (uint256) {
        if (account.rate == 0) return type(uint64).max;
        uint256 until = account.settledAt + (account.funds - account.locked) / account.rate;
        return until < type(uint64).max ? until : type(uint64).max;
    }

    /// @notice What may be withdrawn. Expects a settled account.
    function free(Account memory account) internal pure returns (uint256) {
        return account.funds - account.locked;
    }

    /// @notice Moves the lock from `before` to `afterwards`; more must be there, and no debt.
    function relock(Account memory account, uint256 before, uint256 afterwards, uint256 time) internal pure {
        if (before < afterwards) {
            requireFunded(account, time);
            uint256 more = afterwards - before;
            if (free(account) < more) revert FundsLocked(free(account), more);
        }
        account.locked = account.locked + afterwards - before;
    }

    function requireFunded(Account memory account, uint256 time) internal pure {
        if (account.settledAt < time) revert Underfunded(account.settledAt, time);
    }
}
