// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Account, Lockup} from "../../../src/market/rails/Lockup.sol";
import {PayRails} from "../../../src/market/rails/PayRails.sol";
import {IPayRails, Rail} from "../../../src/market/rails/Rail.sol";
import {RailAccounts} from "../../../src/market/rails/RailAccounts.sol";
import {RailApprovals} from "../../../src/market/rails/RailApprovals.sol";
import {Settlement} from "../../../src/market/rails/Settlement.sol";
import {vm} from "../../Vm.sol";
import {Markets} from "../Markets.sol";
import {FalseToken, FeeToken, ReentrantToken} from "../mocks/Tokens.sol";
import {Judge, ReentrantJudge} from "../mocks/Validators.sol";

contract PayRailsTest is Markets {
    address private constant OPERATOR = address(0x09e7);
    address private constant BROKER = address(0xb40e7);
    address private constant PAYEE = address(0xa4ee);
    uint256 private constant FUNDS = 1_000_000;
    uint256 private constant RATE = 3 * PARTS / 7;

    Judge private _judge;

    function setUp() public {
        _place();
        _judge = new Judge();
        _fund(CLIENT, FUNDS);
        vm.prank(CLIENT);
        rails.approveOperator(address(dollar), OPERATOR, true, 1000 * PARTS, FUNDS * PARTS, 1000);
    }

    function test_a_stream_pays_rate_times_time_and_nothing_more(uint32 first, uint32 second) public {
        uint256 railId = _rail(address(0), RATE, 100, 0);
        uint256 start = block.timestamp;
        vm.warp(start + first % 1000);
        (uint256 paid,) = rails.settle(railId, type(uint256).max);
        vm.warp(block.timestamp + second % 1000);
        (uint256 more,) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid + more, RATE * (block.timestamp - start));
        vm.assertEq(_parts(PAYEE), RATE * (block.timestamp - start));
        vm.assertEq(_parts(CLIENT), FUNDS * PARTS - RATE * (block.timestamp - start));
    }

    function test_many_small_settlements_are_one_big_one(uint128 rate, uint8[20] calldata steps) public {
        rate = rate % uint128(10 * PARTS) + 1;
        uint256 often = _rail(address(0), rate, 10, 0);
        uint256 once = _rail(address(0), rate, 10, 0);
        uint256 paid = 0;
        for (uint256 i = 0; i < steps.length; ++i) {
            vm.warp(block.timestamp + steps[i]);
            (uint256 part,) = rails.settle(often, type(uint256).max);
            paid += part;
        }
        (uint256 whole,) = rails.settle(once, type(uint256).max);
        vm.assertEq(paid, whole);
    }

    function test_a_broker_loses_at_most_one_part_for_each_settlement(uint16 bps, uint8[10] calldata steps) public {
        bps = bps % 10_001;
        vm.prank(OPERATOR);
        uint256 railId = rails.createRail(address(dollar), CLIENT, PAYEE, address(0), bps, BROKER);
        _modify(railId, RATE, 10, 0);
        uint256 start = block.timestamp;
        for (uint256 i = 0; i < steps.length; ++i) {
            vm.warp(block.timestamp + steps[i]);
            rails.settle(railId, type(uint256).max);
        }
        uint256 paid = RATE * (block.timestamp - start);
        uint256 fee = _parts(BROKER);
        vm.assertEq(fee + _parts(PAYEE), paid);
        vm.assertLe(fee, paid * bps / 10_000);
        vm.assertLe(paid * bps / 10_000, fee + steps.length);
    }

    function test_settling_reaches_no_further_than_asked_now_and_funds() public {
        uint256 railId = _rail(address(0), 1000 * PARTS, 100, 0);
        uint256 start = block.timestamp;
        vm.warp(start + 50);
        (, uint256 upTo) = rails.settle(railId, start + 20);
        vm.assertEq(upTo, start + 20);
        (, upTo) = rails.settle(railId, start + 10);
        vm.assertEq(upTo, start + 20);
        (, upTo) = rails.settle(railId, start + 5000);
        vm.assertEq(upTo, start + 50);
        // 1,000,000 less 100 s of lockup last 900 s.
        vm.assertEq(rails.fundedUntil(railId), start + 900);
        vm.warp(start + 2000);
        (, upTo) = rails.settle(railId, type(uint256).max);
        vm.assertEq(upTo, start + 900);
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Lockup.Underfunded.selector, start + 900, start + 2000));
        rails.modifyRate(railId, 1, 0);
        vm.prank(OPERATOR);
        rails.terminate(railId);
        vm.assertEq(rails.railOf(railId).endsAt, start + 1000);
        rails.settle(railId, type(uint256).max);
        vm.assertEq(_parts(PAYEE), FUNDS * PARTS);
        vm.assertTrue(rails.railOf(railId).closed);
        // It closes once.
        vm.expectEmit(address(rails), 0);
        emit IPayRails.RailClosed(railId);
        rails.settle(railId, type(uint256).max);
    }

    function test_a_deposit_pays_for_the_time_without_money() public {
        uint256 railId = _rail(address(0), 1000 * PARTS, 100, 0);
        uint256 start = block.timestamp;
        vm.warp(start + 1500);
        vm.assertEq(rails.fundedUntil(railId), start + 900);
        vm.prank(CLIENT);
        rails.deposit(address(dollar), CLIENT, FUNDS);
        vm.assertEq(rails.fundedUntil(railId), start + 1900);
        (uint256 paid,) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid, 1500 * 1000 * PARTS);
    }

    function test_what_is_locked_is_not_withdrawn(uint32 time) public {
        uint256 railId = _rail(address(0), 100 * PARTS, 1000, 50_000 * PARTS);
        vm.warp(block.timestamp + time % 20_000);
        Account memory account = rails.accountOf(address(dollar), CLIENT);
        uint256 free = (account.funds - account.locked) / PARTS;
        vm.startPrank(CLIENT);
        vm.expectRevert(
            abi.encodeWithSelector(
                Lockup.FundsLocked.selector, account.funds - account.locked, (free + 1) * PARTS
            )
        );
        rails.withdraw(address(dollar), CLIENT, free + 1);
        rails.withdraw(address(dollar), CLIENT, free);
        vm.stopPrank();
        uint256 owed = 100 * (account.settledAt - rails.railOf(railId).settledUpTo);
        rails.settle(railId, type(uint256).max);
        vm.assertEq(rails.withdrawable(address(dollar), PAYEE), owed);
    }

    function test_an_operator_stays_within_its_limits() public {
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(RailApprovals.OperatorNotApproved.selector, CLIENT, MALLORY));
        rails.createRail(address(dollar), CLIENT, MALLORY, address(0), 0, address(0));
        uint256 railId = _rail(address(0), 0, 0, 0);
        vm.startPrank(OPERATOR);
        vm.expectRevert(
            abi.encodeWithSelector(RailApprovals.RateAllowanceExceeded.selector, 1000 * PARTS + 1, 1000 * PARTS)
        );
        rails.modifyRate(railId, 1000 * PARTS + 1, 0);
        vm.expectRevert(abi.encodeWithSelector(RailApprovals.LockupPeriodTooLong.selector, 1001, 1000));
        rails.modifyLockup(railId, 1001, 0);
        vm.expectRevert(abi.encodeWithSelector(Lockup.FundsLocked.selector, FUNDS * PARTS, FUNDS * PARTS + 1));
        rails.modifyLockup(railId, 1000, FUNDS * PARTS + 1);
        vm.stopPrank();
        vm.prank(CLIENT);
        rails.approveOperator(address(dollar), OPERATOR, true, 1, 5 * PARTS, 1000);
        vm.prank(OPERATOR);
        vm.expectRevert(
            abi.encodeWithSelector(RailApprovals.LockupAllowanceExceeded.selector, 5 * PARTS + 1, 5 * PARTS)
        );
        rails.modifyLockup(railId, 0, 5 * PARTS + 1);
        vm.prank(CLIENT);
        rails.approveOperator(address(dollar), OPERATOR, false, 1000 * PARTS, FUNDS * PARTS, 1000);
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(RailApprovals.OperatorNotApproved.selector, CLIENT, OPERATOR));
        rails.modifyLockup(railId, 0, 1);
    }

    function test_a_one_time_payment_comes_out_of_the_fixed_lockup_once() public {
        uint256 railId = _rail(address(0), 0, 0, 100 * PARTS);
        vm.startPrank(OPERATOR);
        rails.modifyRate(railId, 0, 60 * PARTS);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.PaymentAboveLockup.selector, 60 * PARTS, 40 * PARTS));
        rails.modifyRate(railId, 0, 60 * PARTS);
        vm.stopPrank();
        vm.assertEq(_parts(PAYEE), 60 * PARTS);
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).locked, 40 * PARTS);
        vm.assertEq(rails.approvalOf(address(dollar), CLIENT, OPERATOR).lockupUsage, 40 * PARTS);
        vm.assertEq(rails.approvalOf(address(dollar), CLIENT, OPERATOR).lockupAllowance, (FUNDS - 60) * PARTS);
    }

    function test_each_time_is_paid_at_the_rate_it_had() public {
        uint256 railId = _rail(address(_judge), 10 * PARTS, 100, 0);
        uint256 start = block.timestamp;
        vm.warp(start + 10);
        _modify(railId, 20 * PARTS, 100, 0);
        vm.warp(start + 15);
        _modify(railId, 0, 100, 0);
        vm.warp(start + 25);
        _modify(railId, 5 * PARTS, 100, 0);
        vm.warp(start + 27);
        vm.assertEq(rails.segmentsOf(railId).length, 3);
        (uint256 paid,) = rails.settle(railId, start + 12);
        vm.assertEq(paid, (100 + 40) * PARTS);
        (paid,) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid, (60 + 0 + 10) * PARTS);
        vm.assertEq(rails.segmentsOf(railId).length, 0);
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).locked, 5 * 100 * PARTS);
    }

    function test_rate_changes_do_not_pile_up() public {
        uint256 railId = _rail(address(0), PARTS, 100, 0);
        for (uint256 i = 0; i < 16; ++i) {
            vm.warp(block.timestamp + 1);
            _modify(railId, PARTS + i + 1, 100, 0);
        }
        vm.warp(block.timestamp + 1);
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.TooManyRateChanges.selector, railId, 16));
        rails.modifyRate(railId, PARTS, 0);
        rails.settle(railId, type(uint256).max);
        _modify(railId, PARTS, 100, 0);
    }

    /// @dev Filecoin Pay's issue 274: a rate cut in the last period must leave no usage behind.
    function test_a_rate_cut_after_termination_leaks_no_usage(uint128 cut, uint16 wait) public {
        uint256 railId = _rail(address(0), 100 * PARTS, 1000, 7 * PARTS);
        vm.warp(block.timestamp + 10);
        vm.prank(CLIENT);
        rails.terminate(railId);
        uint256 end = block.timestamp + 1000;
        vm.warp(block.timestamp + wait % 1000);
        cut = cut % uint128(100 * PARTS);
        vm.prank(OPERATOR);
        rails.modifyRate(railId, cut, 0);
        uint256 owed = 100 * PARTS * (block.timestamp + 1010 - end) + cut * (end - block.timestamp);
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).locked, owed + 7 * PARTS);
        vm.warp(end);
        (uint256 paid,) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid, owed);
        vm.assertEq(rails.approvalOf(address(dollar), CLIENT, OPERATOR).lockupUsage, 0);
        vm.assertEq(rails.approvalOf(address(dollar), CLIENT, OPERATOR).rateUsage, 0);
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).locked, 0);
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).rate, 0);
    }

    function test_after_termination_everything_only_falls() public {
        uint256 railId = _rail(address(0), 100 * PARTS, 1000, 7 * PARTS);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.NotParty.selector, railId, MALLORY));
        rails.terminate(railId);
        vm.startPrank(OPERATOR);
        rails.terminate(railId);
        uint256 end = block.timestamp + 1000;
        vm.expectRevert(abi.encodeWithSelector(IPayRails.AlreadyTerminated.selector, railId, end));
        rails.terminate(railId);
        vm.expectRevert(
            abi.encodeWithSelector(IPayRails.OnlyDecreaseAfterTermination.selector, 100 * PARTS, 100 * PARTS + 1)
        );
        rails.modifyRate(railId, 100 * PARTS + 1, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IPayRails.OnlyDecreaseAfterTermination.selector, 7 * PARTS, 7 * PARTS + 1)
        );
        rails.modifyLockup(railId, 1000, 7 * PARTS + 1);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.AlreadyTerminated.selector, railId, end));
        rails.modifyLockup(railId, 999, 7 * PARTS);
        rails.modifyLockup(railId, 1000, 5 * PARTS);
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.AlreadyTerminated.selector, railId, end));
        rails.modifyRate(railId, 1, 0);
        rails.settle(railId, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.AlreadyTerminated.selector, railId, end));
        rails.modifyLockup(railId, 1000, 0);
        vm.stopPrank();
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).locked, 0);
    }

    function test_a_validator_takes_no_more_than_the_time_it_settles_has_earned() public {
        uint256 railId = _rail(address(_judge), 10 * PARTS, 100, 0);
        uint256 from = block.timestamp;
        vm.warp(from + 10);
        _judge.set(3);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ValidatedTooMuch.selector, 100 * PARTS + 1, 100 * PARTS));
        rails.settle(railId, type(uint256).max);
        _judge.set(4);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ValidatedOutside.selector, from, from + 10, from - 1));
        rails.settle(railId, type(uint256).max);
        _judge.set(5);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ValidatedOutside.selector, from, from + 10, from + 11));
        rails.settle(railId, type(uint256).max);
        _judge.set(8);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ValidatedTooMuch.selector, 1, 0));
        rails.settle(railId, type(uint256).max);
        _judge.set(1);
        (uint256 paid, uint256 upTo) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid, 50 * PARTS);
        vm.assertEq(upTo, from + 5);
        _judge.set(2);
        (paid, upTo) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid, 50 * PARTS / 3);
        vm.assertEq(upTo, from + 10);
        // What was not granted is the payer's again.
        vm.assertEq(rails.accountOf(address(dollar), CLIENT).locked, 1000 * PARTS);
    }

    function test_a_dead_validator_stops_its_rail_only_until_the_payer_escapes(uint8 mode) public {
        uint256 railId = _rail(address(_judge), 10 * PARTS, 100, 5 * PARTS);
        uint256 other = _rail(address(0), 10 * PARTS, 100, 0);
        vm.warp(block.timestamp + 10);
        _judge.set(mode % 2 == 0 ? 6 : 7);
        (bool done,) =
            address(rails).call{gas: 2_000_000}(abi.encodeCall(rails.settle, (railId, type(uint256).max)));
        vm.assertFalse(done);
        (uint256 paid,) = rails.settle(other, type(uint256).max);
        vm.assertEq(paid, 100 * PARTS);

        vm.startPrank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.NotEnded.selector, railId, 0));
        rails.settleTerminatedRailWithoutValidation(railId);
        rails.terminate(railId);
        uint256 end = block.timestamp + 100;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.NotEnded.selector, railId, end));
        rails.settleTerminatedRailWithoutValidation(railId);
        vm.stopPrank();
        vm.warp(end);
        vm.prank(PAYEE);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.NotPayer.selector, railId, PAYEE));
        rails.settleTerminatedRailWithoutValidation(railId);
        vm.prank(CLIENT);
        (paid,) = rails.settleTerminatedRailWithoutValidation(railId);
        vm.assertEq(paid, 1100 * PARTS);
        vm.assertTrue(rails.railOf(railId).closed);
        vm.assertEq(rails.railOf(railId).validator, address(_judge));
    }

    function test_a_validator_cannot_change_anything_while_asked() public {
        ReentrantJudge judge = new ReentrantJudge();
        uint256 railId = _rail(address(judge), 10 * PARTS, 100, 0);
        judge.arm(address(rails), abi.encodeCall(rails.settle, (railId, type(uint256).max)));
        vm.warp(block.timestamp + 10);
        (uint256 paid,) = rails.settle(railId, type(uint256).max);
        vm.assertEq(paid, 100 * PARTS);
    }

    function test_who_pays_itself_has_what_it_had() public {
        vm.prank(OPERATOR);
        uint256 railId = rails.createRail(address(dollar), CLIENT, CLIENT, address(0), 100, CLIENT);
        _modify(railId, 10 * PARTS, 100, 50 * PARTS);
        vm.warp(block.timestamp + 10);
        rails.settle(railId, type(uint256).max);
        vm.prank(OPERATOR);
        rails.modifyRate(railId, 0, 50 * PARTS);
        vm.assertEq(_parts(CLIENT), FUNDS * PARTS);
    }

    function test_rails_say_no_to_what_they_cannot_do() public {
        vm.expectRevert(abi.encodeWithSelector(IPayRails.RailUnknown.selector, 0));
        rails.settle(0, 0);
        vm.startPrank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.BrokerFeeTooHigh.selector, 10_001, 10_000));
        rails.createRail(address(dollar), CLIENT, PAYEE, address(0), 10_001, BROKER);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.BrokerMissing.selector, 1));
        rails.createRail(address(dollar), CLIENT, PAYEE, address(0), 1, address(0));
        uint256 railId = rails.createRail(address(dollar), CLIENT, PAYEE, address(0), 0, address(0));
        vm.expectRevert(
            abi.encodeWithSelector(IPayRails.RateOutOfRange.selector, 1 << 128, type(uint128).max)
        );
        rails.modifyRate(railId, 1 << 128, 0);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.PeriodOutOfRange.selector, 3650 days + 1, 3650 days));
        rails.modifyLockup(railId, 3650 days + 1, 0);
        vm.stopPrank();
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IPayRails.NotOperator.selector, railId, MALLORY));
        rails.modifyRate(railId, 1, 0);
    }

    function test_only_what_arrives_counts() public {
        FeeToken token = new FeeToken();
        token.mint(address(this), 1000);
        token.approve(address(rails), 1000);
        rails.deposit(address(token), PAYEE, 1000);
        vm.assertEq(rails.withdrawable(address(token), PAYEE), 900);
        vm.expectRevert(abi.encodeWithSelector(RailAccounts.DepositOutOfRange.selector, 0, type(uint128).max));
        rails.deposit(address(token), PAYEE, 0);
        FalseToken no = new FalseToken();
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(no)));
        rails.deposit(address(no), PAYEE, 5);
    }

    function test_a_token_that_calls_back_gains_nothing() public {
        ReentrantToken token = new ReentrantToken();
        token.mint(address(this), 1000);
        token.approve(address(rails), 1000);
        token.arm(address(rails), abi.encodeCall(rails.withdraw, (address(token), address(token), 100)));
        rails.deposit(address(token), address(token), 300);
        vm.assertEq(token.succeeded(), 0);
        vm.assertEq(token.tried(), 1);
        token.arm(address(rails), abi.encodeCall(rails.deposit, (address(token), address(this), 0)));
        rails.deposit(address(token), address(this), 300);
        rails.withdraw(address(token), address(this), 300);
        vm.assertEq(token.succeeded(), 0);
        vm.assertEq(token.balanceOf(address(rails)), 300);
    }

    function test_a_holder_without_a_transaction_deposits_by_signature() public {
        Transfer memory t = Transfer(PROVIDER, address(rails), 70, NOW - 1, NOW + 1, "nonce");
        Signature memory g = _sign(PROVIDER_KEY, dollar.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), t);
        vm.prank(MALLORY);
        rails.depositWithAuthorization(
            address(dollar), PROVIDER, 70, t.validAfter, t.validBefore, t.nonce, g.v, g.r, g.s
        );
        vm.assertEq(rails.withdrawable(address(dollar), PROVIDER), 70);
        vm.expectRevert();
        rails.depositWithAuthorization(
            address(dollar), MALLORY, 70, t.validAfter, t.validBefore, t.nonce, g.v, g.r, g.s
        );
    }

    function _rail(address validator, uint256 rate, uint256 period, uint256 fixedParts)
        private
        returns (uint256 railId)
    {
        vm.prank(OPERATOR);
        railId = rails.createRail(address(dollar), CLIENT, PAYEE, validator, 0, address(0));
        _modify(railId, rate, period, fixedParts);
    }

    function _modify(uint256 railId, uint256 rate, uint256 period, uint256 fixedParts) private {
        vm.startPrank(OPERATOR);
        rails.modifyLockup(railId, period, fixedParts);
        rails.modifyRate(railId, rate, 0);
        vm.stopPrank();
    }

    function _parts(address owner) private view returns (uint256) {
        return rails.accountOf(address(dollar), owner).funds;
    }
}
