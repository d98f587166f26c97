// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev A stream of one token from one account to another, steered by an operator.
struct Rail {
    address token;
    address from;
    address to;
    address operator;
    /// @dev Zero: every second counts.
    address validator;
    address broker;
    uint16 brokerBps;
    bool closed;
    /// @dev Parts of 1e-18 token unit per second.
    uint128 rate;
    /// @dev For how long the payee is still paid after termination or after the payer's funds ran out.
    uint64 lockupPeriod;
    uint64 settledUpTo;
    /// @dev Zero: not terminated.
    uint64 endsAt;
    /// @dev Parts kept for one-time payments.
    uint256 lockupFixed;
}

/// @dev A rate that was in force until a time and is not settled up to it.
struct Segment {
    uint64 until;
    uint128 rate;
}

/// @dev What the operator's lockup allowance counts for a rail until it closes.
function nominalLockup(Rail memory rail) pure returns (uint256) {
    return rail.lockupFixed + uint256(rail.rate) * rail.lockupPeriod;
}

interface IPayRails {
    event RailCreated(
        uint256 indexed railId, address indexed from, address indexed to, address token, address operator, address validator
    );
    event RailRateModified(uint256 indexed railId, uint256 before, uint256 rate);
    event RailLockupModified(uint256 indexed railId, uint256 period, uint256 fixedParts);
    event RailPaidOnce(uint256 indexed railId, uint256 amount, uint256 brokerFee);
    event RailTerminated(uint256 indexed railId, address indexed by, uint256 endsAt);
    event RailSettled(uint256 indexed railId, uint256 from, uint256 until, uint256 amount, string note);
    event RailClosed(uint256 indexed railId);

    error RailUnknown(uint256 railId);
    error NotOperator(uint256 railId, address caller);
    error NotPayer(uint256 railId, address caller);
    error NotParty(uint256 railId, address caller);
    error AlreadyTerminated(uint256 railId, uint256 endsAt);
    error NotEnded(uint256 railId, uint256 endsAt);
    error BrokerFeeTooHigh(uint256 bps, uint256 max);
    /// @notice A fee needs somebody who gets it.
    error BrokerMissing(uint256 bps);
    error OnlyDecreaseAfterTermination(uint256 before, uint256 afterwards);
    error RateOutOfRange(uint256 rate, uint256 max);
    error PeriodOutOfRange(uint256 period, uint256 max);
    error PaymentAboveLockup(uint256 amount, uint256 lockupFixed);
    /// @notice Settle the rail before its rate changes once more.
    error TooManyRateChanges(uint256 railId, uint256 max);

    function createRail(address token, address from, address to, address validator, uint16 brokerBps, address broker)
        external
        returns (uint256 railId);
    function modifyRate(uint256 railId, uint256 rate, uint256 oneTimePayment) external;
    function modifyLockup(uint256 railId, uint256 period, uint256 fixedParts) external;
    function terminate(uint256 railId) external;
    function settle(uint256 railId, uint256 until) external returns (uint256 paid, uint256 settledUpTo);
    function fundedUntil(uint256 railId) external view returns (uint256);
    function railOf(uint256 railId) external view returns (Rail memory);
}
