// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Account, Lockup} from "../../../src/market/rails/Lockup.sol";
import {Settlement} from "../../../src/market/rails/Settlement.sol";
import {vm} from "../../Vm.sol";

contract LockupTest {
    function test_a_lock_grows_by_whole_seconds_as_far_as_the_funds_reach(
        uint128 funds,
        uint128 locked,
        uint64 rate,
        uint32 since,
        uint32 seconds_
    ) public pure {
        locked = funds == 0 ? 0 : locked % funds;
        uint256 time = uint256(since) + seconds_;
        Account memory account = Lockup.settled(Account(funds, locked, rate, since), time);
        uint256 covered = account.settledAt - since;
        vm.assertEq(account.locked, locked + rate * covered);
        vm.assertLe(account.locked, funds);
        // Either all the time is covered, or not one second more could be.
        if (covered < seconds_) vm.assertLe(funds, account.locked + rate - 1);
        else vm.assertEq(covered, seconds_);
        vm.assertEq(Lockup.free(account), account.funds - account.locked);
    }

    function test_settling_a_lock_in_steps_is_settling_it_once(uint96 funds, uint64 rate, uint16 first, uint16 second)
        public
        pure
    {
        Account memory steps = Lockup.settled(Lockup.settled(Account(funds, 0, rate, 7), 7 + uint256(first)), 7 + uint256(first) + second);
        Account memory once = Lockup.settled(Account(funds, 0, rate, 7), 7 + uint256(first) + second);
        vm.assertEq(steps.locked, once.locked);
        vm.assertEq(steps.settledAt, once.settledAt);
    }

    function test_it_is_funded_until_the_second_before_the_first_unpaid(uint56 funds, uint64 rate, uint32 since)
        public
        pure
    {
        vm.assume(rate != 0);
        Account memory account = Account(funds, 0, rate, since);
        uint256 until = Lockup.fundedUntil(account);
        vm.assertEq(until, uint256(since) + funds / rate);
        Account memory settled = Lockup.settled(account, until);
        vm.assertEq(settled.settledAt, until);
        vm.assertLe(settled.funds - settled.locked, rate - 1);
    }

    function test_funded_until_ends_with_time() public pure {
        vm.assertEq(Lockup.fundedUntil(Account(5, 0, 0, 3)), type(uint64).max);
        vm.assertEq(Lockup.fundedUntil(Account(type(uint128).max, 0, 1, 3)), type(uint64).max);
        vm.assertEq(Lockup.fundedUntil(Account(type(uint64).max - 4, 0, 1, 3)), type(uint64).max - 1);
        vm.assertEq(Lockup.fundedUntil(Account(type(uint64).max - 3, 0, 1, 3)), type(uint64).max);
    }

    function test_more_lock_needs_free_funds_and_no_debt() public {
        Account memory account = this.relock(Account(100, 60, 1, 5), 10, 50, 5);
        vm.assertEq(account.locked, 100);
        vm.expectRevert(abi.encodeWithSelector(Lockup.FundsLocked.selector, 40, 41));
        this.relock(Account(100, 60, 1, 5), 10, 51, 5);
        vm.expectRevert(abi.encodeWithSelector(Lockup.Underfunded.selector, 5, 6));
        this.relock(Account(100, 60, 1, 5), 10, 11, 6);
        account = this.relock(Account(100, 60, 1, 5), 10, 10, 6);
        vm.assertEq(account.locked, 60);
        account = this.relock(Account(100, 60, 1, 5), 10, 0, 6);
        vm.assertEq(account.locked, 50);
    }

    function test_the_horizon_is_the_least_of_three(uint64 asked, uint64 time, uint64 covered) public pure {
        uint256 until = Settlement.horizon(asked, time, covered);
        vm.assertLe(until, asked);
        vm.assertLe(until, time);
        vm.assertLe(until, covered);
        vm.assertTrue(until == asked || until == time || until == covered);
    }

    function relock(Account memory account, uint256 before, uint256 afterwards, uint256 time)
        external
        pure
        returns (Account memory)
    {
        Lockup.relock(account, before, afterwards, time);
        return account;
    }
}
