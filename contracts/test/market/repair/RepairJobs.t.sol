// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Wired} from "../../../src/market/Wired.sol";
import {Deal, DealState, Terms} from "../../../src/market/deals/IDeals.sol";
import {Job, JobState, RepairJobs} from "../../../src/market/repair/RepairJobs.sol";
import {vm} from "../../Vm.sol";
import {Markets} from "../Markets.sol";

contract RepairJobsTest is Markets {
    bytes32 private constant CONTENT = "a piece";
    uint256 private constant BOUNTY = 3 * 10 * 100 * 1000;
    uint256 private constant DEPOSIT = BOUNTY / 5;

    uint256 private _dealId;

    function setUp() public {
        _place();
        _join(PROVIDER);
        _join(OTHER);
        _fund(CLIENT, 100_000e6);
        _dealId = _start(PROVIDER, CONTENT);
        vm.warp(deals.dealOf(_dealId).start + 3 * PERIOD);
        deals.poke(_dealId);
        vm.prank(OTHER);
        dollar.approve(address(jobs), type(uint256).max);
        vm.prank(CLIENT);
        dollar.approve(address(jobs), type(uint256).max);
    }

    function test_who_brings_the_piece_back_and_proves_it_is_paid() public {
        uint256 replacementId = _take();
        Deal memory replacement = deals.dealOf(replacementId);
        vm.assertEq(replacement.client, CLIENT);
        vm.assertEq(replacement.terms.pieceRoot, deals.dealOf(_dealId).terms.pieceRoot);
        vm.assertEq(replacement.terms.duration + block.timestamp, deals.dealOf(_dealId).end);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.NotRepaired.selector, _dealId, 0));
        jobs.complete(_dealId, 0);
        vm.prank(OTHER);
        deals.accept(_one(replacementId));
        uint256 first = deals.dealOf(replacementId).firstPeriod;
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.NotRepaired.selector, _dealId, first));
        jobs.complete(_dealId, first);
        _prove(OTHER, CONTENT);
        jobs.complete(_dealId, first);
        vm.assertEq(jobs.claimableOf(OTHER), BOUNTY + DEPOSIT);
        uint256 before = dollar.balanceOf(OTHER);
        vm.prank(OTHER);
        jobs.claim();
        vm.assertEq(dollar.balanceOf(OTHER), before + BOUNTY + DEPOSIT);
        vm.assertEq(dollar.balanceOf(address(jobs)), 0);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.JobInState.selector, _dealId, JobState.Done));
        jobs.complete(_dealId, first);
    }

    function test_an_old_proof_of_the_taker_does_not_count() public {
        _start(OTHER, "another piece");
        _prove(OTHER, "another piece");
        uint256 old = proofs.periodAt(OTHER, block.timestamp);
        uint256 replacementId = _take();
        vm.prank(OTHER);
        deals.accept(_one(replacementId));
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.NotRepaired.selector, _dealId, old));
        jobs.complete(_dealId, old);
    }

    function test_late_repair_costs_the_deposit_and_opens_the_job_again() public {
        uint256 replacementId = _take();
        vm.prank(OTHER);
        deals.accept(_one(replacementId));
        uint256 deadline = jobs.jobOf(_dealId).deadline;
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.DeadlineAhead.selector, deadline, block.timestamp));
        jobs.timeOut(_dealId);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.DeadlinePassed.selector, deadline, deadline + 1));
        jobs.complete(_dealId, 5);
        jobs.timeOut(_dealId);
        _assertState(replacementId, DealState.Ended);
        vm.assertEq(registry.stakeOf(OTHER).activeDeals, 0);
        Job memory job = jobs.jobOf(_dealId);
        vm.assertEq(uint256(job.state), uint256(JobState.Open));
        vm.assertEq(job.bounty, BOUNTY + DEPOSIT);
        // Somebody else, or the same again with a larger deposit.
        vm.prank(OTHER);
        jobs.take(_dealId);
        vm.assertEq(jobs.jobOf(_dealId).deposit, (BOUNTY + DEPOSIT) / 5);
    }

    function test_who_lost_it_or_is_no_provider_cannot_take_it() public {
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.TakerLostIt.selector, PROVIDER));
        jobs.take(_dealId);
        vm.startPrank(MALLORY);
        dollar.approve(address(jobs), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.PeriodOutOfRange.selector, 0, PERIOD));
        jobs.take(_dealId);
        proofs.openDataSet(PERIOD);
        vm.expectRevert(abi.encodeWithSignature("NoNewDeals(address)", MALLORY));
        jobs.take(_dealId);
        vm.stopPrank();
        _take();
        vm.prank(OTHER);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.JobInState.selector, _dealId, JobState.Taken));
        jobs.take(_dealId);
    }

    function test_a_taker_proves_at_least_as_often_as_the_client_agreed() public {
        vm.startPrank(MALLORY);
        proofs.openDataSet(PERIOD + 1);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.PeriodOutOfRange.selector, PERIOD + 1, PERIOD));
        jobs.take(_dealId);
        vm.stopPrank();
    }

    function test_a_client_adds_to_the_bounty_and_gets_back_what_nobody_earned() public {
        vm.prank(CLIENT);
        jobs.addBounty(_dealId, 500);
        uint256 end = deals.dealOf(_dealId).end;
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.DealNotOver.selector, _dealId, end));
        jobs.close(_dealId);
        vm.warp(end);
        vm.prank(OTHER);
        vm.expectRevert(abi.encodeWithSignature("NothingRemains(uint256,uint256)", end, end));
        jobs.take(_dealId);
        jobs.close(_dealId);
        vm.assertEq(jobs.claimableOf(CLIENT), BOUNTY + 500);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.JobInState.selector, _dealId, JobState.Released));
        jobs.addBounty(_dealId, 500);
    }

    function test_what_was_slashed_in_a_deal_that_ends_well_is_the_clients() public {
        Terms memory terms = _terms(OTHER, CONTENT);
        terms.duration = 3 * PERIOD;
        uint256 dealId = _propose(terms);
        vm.prank(OTHER);
        deals.accept(_one(dealId));
        vm.prank(CLIENT);
        jobs.addBounty(dealId, 7);
        _prove(OTHER, CONTENT);
        vm.warp(block.timestamp + PERIOD);
        _prove(OTHER, CONTENT);
        vm.warp(deals.dealOf(dealId).end);
        deals.poke(dealId);
        _assertState(dealId, DealState.Ended);
        vm.assertEq(jobs.claimableOf(CLIENT), 1_000_000 + 7);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(RepairJobs.JobInState.selector, dealId, JobState.Released));
        jobs.addBounty(dealId, 7);
    }

    function test_only_the_deals_open_fund_and_release() public {
        bytes memory refusal =
            abi.encodeWithSelector(Wired.CallerNotPart.selector, address(this), address(deals));
        vm.expectRevert(refusal);
        jobs.open(9);
        vm.expectRevert(refusal);
        jobs.fund(9, 1);
        vm.expectRevert(refusal);
        jobs.release(9);
        vm.expectRevert(abi.encodeWithSelector(Wired.CallerNotPart.selector, address(this), address(jobs)));
        deals.proposeReplacement(_dealId, OTHER, 1);
        vm.expectRevert(abi.encodeWithSelector(Wired.CallerNotPart.selector, address(this), address(jobs)));
        deals.cancelReplacement(_dealId);
        vm.prank(address(jobs));
        deals.cancelReplacement(_dealId);
        _assertState(_dealId, DealState.Lost);
        // Books no more than arrived.
        vm.prank(address(deals));
        jobs.fund(9, 1_000_000);
        vm.assertEq(jobs.jobOf(9).bounty, 0);
    }

    function _take() private returns (uint256) {
        vm.prank(OTHER);
        return jobs.take(_dealId);
    }
}
