// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IValidator} from "./IValidator.sol";
import {Account, Lockup} from "./Lockup.sol";
import {Rail, nominalLockup} from "./Rail.sol";
import {RailTerms} from "./RailTerms.sol";
import {Settlement} from "./Settlement.sol";

/// @notice Streams of money between accounts, in the shape of Filecoin Pay: locked ahead, settled by anybody, judged by
/// a validator. A payee can see from one view until when it will be paid.
/// @dev Law: per token, the sum of all `funds` is at most `balance * PARTS`, and of each account `locked <= funds`.
/// Nobody is called with the right to change anything but the token, in deposits and withdrawals, behind the guard.
contract PayRails is RailTerms {
    using Lockup for Account;

    /// @notice Pays what the rail owes until `until`, or until now, or as far as the validator grants or funds reach.
    /// Anybody may; a validator that reverts stops only its own rail.
    function settle(uint256 railId, uint256 until)
        external
        nonReentrant
        returns (uint256 paid, uint256 settledUpTo)
    {
        Rail memory rail = _known(railId);
        return _settle(railId, rail, until);
    }

    /// @notice For a payer whose validator does not answer: pays a rail that has ended in full, so that the rest of the
    /// lockup is free again.
    function settleTerminatedRailWithoutValidation(uint256 railId)
        external
        nonReentrant
        returns (uint256 paid, uint256 settledUpTo)
    {
        Rail memory rail = _known(railId);
        if (msg.sender != rail.from) revert NotPayer(railId, msg.sender);
        if (rail.endsAt == 0 || block.timestamp < rail.endsAt) revert NotEnded(railId, rail.endsAt);
        address validator = rail.validator;
        rail.validator = address(0);
        (paid, settledUpTo) = _settle(railId, rail, rail.endsAt);
        rail.validator = validator;
        _storeRail(railId, rail);
    }

    /// @notice Until when the payee is sure to be paid if nobody deposits; lockup that runs after that not counted.
    function fundedUntil(uint256 railId) external view returns (uint256) {
        Rail memory rail = _known(railId);
        if (rail.endsAt != 0) return rail.endsAt;
        return _storedAccount(rail.token, rail.from).fundedUntil();
    }

    function _settle(uint256 railId, Rail memory rail, uint256 until)
        private
        returns (uint256 paid, uint256 settledUpTo)
    {
        Account memory payer = _settledAccount(rail.token, rail.from);
        uint256 covered = rail.endsAt == 0 ? payer.settledAt : rail.endsAt;
        uint256 horizon = Settlement.horizon(until, block.timestamp, covered);
        while (rail.settledUpTo < horizon) {
            (uint256 rate, uint256 end, bool isPast) = _nextSegment(railId, rail, horizon);
            uint256 amount = _settleSegment(railId, rail, payer, rate, end);
            paid += amount;
            if (rail.settledUpTo < end) break;
            if (isPast) _dropSegment(railId);
        }
        // A rail that a payer in debt opened may end before it began.
        if (rail.endsAt != 0 && rail.endsAt <= rail.settledUpTo && !rail.closed) _close(railId, rail, payer);
        _storeRail(railId, rail);
        _store(rail.token, rail.from, payer);
        // After the payer's books are written: payer, payee and broker may be one account.
        uint256 fee = Settlement.brokerFee(paid, rail.brokerBps);
        _pay(rail, paid, fee);
        return (paid, rail.settledUpTo);
    }

    function _settleSegment(uint256 railId, Rail memory rail, Account memory payer, uint256 rate, uint256 until)
        private
        returns (uint256 amount)
    {
        uint256 from = rail.settledUpTo;
        string memory note;
        amount = Settlement.earned(rate, from, until);
        if (rail.validator != address(0) && amount != 0) {
            uint256 settledUpTo;
            (amount, settledUpTo, note) = IValidator(rail.validator).validatePayment(railId, amount, from, until, rate);
            Settlement.check(rate, from, until, amount, settledUpTo);
            until = settledUpTo;
        }
        payer.locked -= Settlement.earned(rate, from, until);
        payer.funds -= amount;
        rail.settledUpTo = uint64(until);
        if (from < until) emit RailSettled(railId, from, until, amount, note);
    }

    function _close(uint256 railId, Rail memory rail, Account memory payer) private {
        payer.locked -= rail.lockupFixed;
        _changeLockupUsage(rail.token, rail.from, rail.operator, nominalLockup(rail), 0);
        (rail.closed, rail.rate, rail.lockupFixed) = (true, 0, 0);
        emit RailClosed(railId);
    }
}
