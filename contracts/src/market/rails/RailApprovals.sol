// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev What an owner lets an operator do with the account, and what of that is in use.
struct Approval {
    bool approved;
    /// @dev Parts per second over all rails of the operator.
    uint256 rateAllowance;
    /// @dev Parts over all rails: fixed lockups, and rate times lockup period.
    uint256 lockupAllowance;
    uint256 rateUsage;
    uint256 lockupUsage;
    uint64 lockupPeriodMax;
}

/// @notice Limits per token, owner and operator. An operator can lock and stream no more than they allow.
/// @dev Usage changes by the difference of two nominal figures of a rail (`fixed + rate * period`), also after the
/// rail's termination, and is given back whole when the rail closes: so a rate cut in the last period leaks nothing.
abstract contract RailApprovals {
    mapping(address token => mapping(address owner => mapping(address operator => Approval))) private _approvals;

    event OperatorApproved(
        address indexed token,
        address indexed owner,
        address indexed operator,
        bool approved,
        uint256 rateAllowance,
        uint256 lockupAllowance,
        uint64 lockupPeriodMax
    );

    /// @notice The owner has not approved this operator, or no longer.
    error OperatorNotApproved(address owner, address operator);
    error RateAllowanceExceeded(uint256 usage, uint256 allowance);
    error LockupAllowanceExceeded(uint256 usage, uint256 allowance);
    error LockupPeriodTooLong(uint256 period, uint256 max);

    /// @notice Sets the limits of an operator. Lower limits stop new obligations and leave existing ones as they are.
    function approveOperator(
        address token,
        address operator,
        bool approved,
        uint256 rateAllowance,
        uint256 lockupAllowance,
        uint64 lockupPeriodMax
    ) external {
        Approval storage approval = _approvals[token][msg.sender][operator];
        approval.approved = approved;
        approval.rateAllowance = rateAllowance;
        approval.lockupAllowance = lockupAllowance;
        approval.lockupPeriodMax = lockupPeriodMax;
        emit OperatorApproved(
            token, msg.sender, operator, approved, rateAllowance, lockupAllowance, lockupPeriodMax
        );
    }

    function approvalOf(address token, address owner, address operator) external view returns (Approval memory) {
        return _approvals[token][owner][operator];
    }

    function _requireApproved(address token, address owner, address operator) internal view {
        if (!_approvals[token][owner][operator].approved) revert OperatorNotApproved(owner, operator);
    }

    function _changeRateUsage(address token, address owner, address operator, uint256 before, uint256 afterwards)
        internal
    {
        Approval storage approval = _approvals[token][owner][operator];
        uint256 usage = approval.rateUsage + afterwards - before;
        if (before < afterwards) {
            _requireApproved(token, owner, operator);
            if (approval.rateAllowance < usage) revert RateAllowanceExceeded(usage, approval.rateAllowance);
        }
        approval.rateUsage = usage;
    }

    function _changeLockupUsage(address token, address owner, address operator, uint256 before, uint256 afterwards)
        internal
    {
        Approval storage approval = _approvals[token][owner][operator];
        uint256 usage = approval.lockupUsage + afterwards - before;
        if (before < afterwards) {
            _requireApproved(token, owner, operator);
            if (approval.lockupAllowance < usage) revert LockupAllowanceExceeded(usage, approval.lockupAllowance);
        }
        approval.lockupUsage = usage;
    }

    /// @dev A one-time payment uses the allowance up, so an operator cannot pay out the same allowance twice.
    function _spendLockup(address token, address owner, address operator, uint256 amount) internal {
        Approval storage approval = _approvals[token][owner][operator];
        approval.lockupUsage -= amount;
        approval.lockupAllowance -= amount < approval.lockupAllowance ? amount : approval.lockupAllowance;
    }

    function _requirePeriod(address token, address owner, address operator, uint256 period) internal view {
        uint256 max = _approvals[token][owner][operator].lockupPeriodMax;
        if (max < period) revert LockupPeriodTooLong(period, max);
    }
}
