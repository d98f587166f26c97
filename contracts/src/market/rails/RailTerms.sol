// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Account, Lockup} from "./Lockup.sol";
import {IPayRails, Rail, Segment, nominalLockup} from "./Rail.sol";
import {RailAccounts} from "./RailAccounts.sol";
import {RailApprovals} from "./RailApprovals.sol";
import {Settlement} from "./Settlement.sol";

/// @notice What an operator may do with a rail: create it, change rate and lockup, pay once, end it.
/// @dev While a rail runs, the payer's account has `rate * lockupPeriod + lockupFixed` of it locked, and grows by
/// `rate` each second. Once terminated, `rate * (endsAt - settledUpTo) + lockupFixed` is locked and nothing grows.
abstract contract RailTerms is IPayRails, RailAccounts, RailApprovals {
    using Lockup for Account;

    uint256 private constant LOCKUP_PERIOD_MAX = 3650 days;
    uint256 private constant RATE_CHANGES_MAX = 16;

    Rail[] private _rails;
    mapping(uint256 railId => Segment[]) private _segments;
    mapping(uint256 railId => uint256) private _firstSegments;

    /// @notice Opens a stream of rate zero. The caller becomes its operator and needs the payer's approval.
    function createRail(address token, address from, address to, address validator, uint16 brokerBps, address broker)
        external
        nonReentrant
        returns (uint256 railId)
    {
        _requireApproved(token, from, msg.sender);
        if (Settlement.BPS < brokerBps) revert BrokerFeeTooHigh(brokerBps, Settlement.BPS);
        if (brokerBps != 0 && broker == address(0)) revert BrokerMissing(brokerBps);
        railId = _rails.length;
        Rail storage rail = _rails.push();
        (rail.token, rail.from, rail.to, rail.operator) = (token, from, to, msg.sender);
        (rail.validator, rail.broker, rail.brokerBps) = (validator, broker, brokerBps);
        rail.settledUpTo = uint64(block.timestamp);
        emit RailCreated(railId, from, to, token, msg.sender, validator);
    }

    /// @notice Changes the rate from now on, and pays `oneTimePayment` out of the fixed lockup. After termination the
    /// rate can only fall. A payer in debt cannot get another rate before it is terminated.
    function modifyRate(uint256 railId, uint256 rate, uint256 oneTimePayment) external nonReentrant {
        Rail memory rail = _operated(railId);
        Account memory payer = _settledAccount(rail.token, rail.from);
        uint256 before = rail.rate;
        if (rate != before) _changeRate(railId, rail, payer, rate);
        uint256 fee = _payOnce(rail, payer, oneTimePayment);
        _rails[railId] = rail;
        _store(rail.token, rail.from, payer);
        _pay(rail, oneTimePayment, fee);
        emit RailRateModified(railId, before, rate);
        if (oneTimePayment != 0) emit RailPaidOnce(railId, oneTimePayment, fee);
    }

    /// @notice Changes what is reserved. In debt or after termination the period stays and the fixed part can only fall.
    function modifyLockup(uint256 railId, uint256 period, uint256 fixedParts) external nonReentrant {
        Rail memory rail = _operated(railId);
        Account memory payer = _settledAccount(rail.token, rail.from);
        uint256 nominal = nominalLockup(rail);
        if (rail.endsAt != 0) {
            if (period != rail.lockupPeriod) revert AlreadyTerminated(railId, rail.endsAt);
            if (rail.lockupFixed < fixedParts) revert OnlyDecreaseAfterTermination(rail.lockupFixed, fixedParts);
        }
        if (LOCKUP_PERIOD_MAX < period) revert PeriodOutOfRange(period, LOCKUP_PERIOD_MAX);
        if (rail.lockupPeriod < period) _requirePeriod(rail.token, rail.from, rail.operator, period);
        if (period != rail.lockupPeriod) payer.requireFunded(block.timestamp);
        (rail.lockupPeriod, rail.lockupFixed) = (uint64(period), fixedParts);
        payer.relock(nominal, nominalLockup(rail), block.timestamp);
        _changeLockupUsage(rail.token, rail.from, rail.operator, nominal, nominalLockup(rail));
        _rails[railId] = rail;
        _store(rail.token, rail.from, payer);
        emit RailLockupModified(railId, period, fixedParts);
    }

    /// @notice Ends the stream: the payee is paid for one more lockup period, counted from now or, for a payer in debt,
    /// from when the funds ran out. By the payer or the operator.
    function terminate(uint256 railId) external nonReentrant {
        Rail memory rail = _known(railId);
        if (msg.sender != rail.from && msg.sender != rail.operator) revert NotParty(railId, msg.sender);
        if (rail.endsAt != 0) revert AlreadyTerminated(railId, rail.endsAt);
        Account memory payer = _settledAccount(rail.token, rail.from);
        rail.endsAt = payer.settledAt + rail.lockupPeriod;
        payer.rate -= rail.rate;
        _changeRateUsage(rail.token, rail.from, rail.operator, rail.rate, 0);
        _rails[railId] = rail;
        // Without this rail the account may afford more of the others; that is counted from where it stood.
        _store(rail.token, rail.from, payer);
        emit RailTerminated(railId, msg.sender, rail.endsAt);
    }

    function railOf(uint256 railId) external view returns (Rail memory) {
        return _known(railId);
    }

    function railCount() external view returns (uint256) {
        return _rails.length;
    }

    /// @notice Rates of the past that are not settled; the current rate holds after the last of them.
    function segmentsOf(uint256 railId) external view returns (Segment[] memory open) {
        uint256 first = _firstSegments[railId];
        open = new Segment[](_segments[railId].length - first);
        for (uint256 i = 0; i < open.length; ++i) {
            open[i] = _segments[railId][first + i];
        }
    }

    function _known(uint256 railId) internal view returns (Rail memory) {
        if (_rails.length <= railId) revert RailUnknown(railId);
        return _rails[railId];
    }

    function _storeRail(uint256 railId, Rail memory rail) internal {
        _rails[railId] = rail;
    }

    /// @dev The next time span of one rate that is to be settled, at most until `horizon`.
    function _nextSegment(uint256 railId, Rail memory rail, uint256 horizon)
        internal
        view
        returns (uint256 rate, uint256 until, bool isPast)
    {
        uint256 first = _firstSegments[railId];
        if (first == _segments[railId].length) return (rail.rate, horizon, false);
        Segment memory segment = _segments[railId][first];
        return (segment.rate, segment.until < horizon ? segment.until : horizon, segment.until <= horizon);
    }

    function _dropSegment(uint256 railId) internal {
        delete _segments[railId][_firstSegments[railId]++];
    }

    function _pay(Rail memory rail, uint256 amount, uint256 fee) internal {
        if (amount == 0) return;
        _receive(rail.token, rail.to, amount - fee);
        if (fee != 0) _receive(rail.token, rail.broker, fee);
    }

    function _changeRate(uint256 railId, Rail memory rail, Account memory payer, uint256 rate) private {
        if (type(uint128).max < rate) revert RateOutOfRange(rate, type(uint128).max);
        uint256 nominal = nominalLockup(rail);
        _remember(railId, rail);
        if (rail.endsAt == 0) {
            payer.requireFunded(block.timestamp);
            _changeRateUsage(rail.token, rail.from, rail.operator, rail.rate, rate);
            payer.rate = payer.rate + rate - rail.rate;
            payer.relock(uint256(rail.rate) * rail.lockupPeriod, rate * rail.lockupPeriod, block.timestamp);
        } else {
            if (rail.rate < rate) revert OnlyDecreaseAfterTermination(rail.rate, rate);
            if (rail.endsAt <= block.timestamp) revert AlreadyTerminated(railId, rail.endsAt);
            payer.locked -= (rail.rate - rate) * (rail.endsAt - block.timestamp);
        }
        rail.rate = uint128(rate);
        _changeLockupUsage(rail.token, rail.from, rail.operator, nominal, nominalLockup(rail));
    }

    function _remember(uint256 railId, Rail memory rail) private {
        Segment[] storage segments = _segments[railId];
        uint256 open = segments.length - _firstSegments[railId];
        uint256 since = open == 0 ? rail.settledUpTo : segments[segments.length - 1].until;
        if (since == block.timestamp) return;
        if (open == RATE_CHANGES_MAX) revert TooManyRateChanges(railId, RATE_CHANGES_MAX);
        segments.push(Segment(uint64(block.timestamp), rail.rate));
    }

    function _payOnce(Rail memory rail, Account memory payer, uint256 amount) private returns (uint256 fee) {
        if (rail.lockupFixed < amount) revert PaymentAboveLockup(amount, rail.lockupFixed);
        rail.lockupFixed -= amount;
        payer.locked -= amount;
        payer.funds -= amount;
        _spendLockup(rail.token, rail.from, rail.operator, amount);
        return Settlement.brokerFee(amount, rail.brokerBps);
    }

    function _operated(uint256 railId) private view returns (Rail memory rail) {
        rail = _known(railId);
        if (msg.sender != rail.operator) revert NotOperator(railId, msg.sender);
        if (rail.closed) revert AlreadyTerminated(railId, rail.endsAt);
    }
}
