// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Account} from "../../src/market/rails/Lockup.sol";
import {DealLife} from "../../src/market/deals/DealLife.sol";
import {DealTerms} from "../../src/market/deals/DealTerms.sol";
import {Deal, DealState, Terms} from "../../src/market/deals/IDeals.sol";
import {StorageDeals} from "../../src/market/deals/StorageDeals.sol";
import {Offer} from "../../src/market/providers/IRegistry.sol";
import {Rail} from "../../src/market/rails/Rail.sol";
import {vm} from "../Vm.sol";
import {Markets} from "./Markets.sol";

contract StorageDealsTest is Markets {
    bytes32 private constant CONTENT = "a piece";
    uint256 private constant FUNDS = 100_000e6;

    function setUp() public {
        _place();
        _join(PROVIDER);
        _join(OTHER);
        _fund(CLIENT, FUNDS);
    }

    function test_a_proven_period_is_paid_to_the_second() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        _prove(PROVIDER, CONTENT);
        vm.assertEq(_settle(dealId), 0);
        vm.warp(block.timestamp + 37);
        vm.assertEq(_settle(dealId), 37 * uint256(PRICE));
        _prove(PROVIDER, CONTENT);
        vm.assertEq(_settle(dealId), (PERIOD - 37) * uint256(PRICE));
        vm.assertEq(_earned(PROVIDER), 100_000);
    }

    function test_a_missed_period_is_not_paid_and_costs_ten() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        _prove(PROVIDER, CONTENT);
        _nextPeriod(PROVIDER);
        _prove(PROVIDER, CONTENT);
        uint256 slashed = 10 * PERIOD * PRICE / PARTS;
        deals.poke(dealId);
        vm.assertEq(deals.dealOf(dealId).missed, 1);
        vm.assertEq(registry.stakeOf(PROVIDER).units, STAKE - slashed);
        vm.assertEq(jobs.jobOf(dealId).bounty, slashed);
        vm.assertEq(dollar.balanceOf(address(jobs)), slashed);
        vm.assertEq(_settle(dealId), uint256(PERIOD) * PRICE);
        vm.warp(block.timestamp + PERIOD);
        vm.assertEq(_settle(dealId), uint256(PERIOD) * PRICE);
        deals.poke(dealId);
        vm.assertEq(deals.dealOf(dealId).missed, 0);
    }

    function test_three_misses_in_a_row_lose_the_deal_and_open_a_job() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        vm.warp(deals.dealOf(dealId).start + 3 * PERIOD);
        vm.expectEmit(address(deals));
        emit DealLife.ProofMissed(dealId, PROVIDER, 1, 1, 1_000_000);
        deals.poke(dealId);
        _assertState(dealId, DealState.Lost);
        vm.assertEq(uint256(jobs.jobOf(dealId).state), 1);
        vm.assertEq(jobs.jobOf(dealId).bounty, 3_000_000);
        vm.assertEq(registry.stakeOf(PROVIDER).activeDeals, 0);
        // The client has the whole of the money, free.
        _settle(dealId);
        vm.assertEq(rails.withdrawable(address(dollar), CLIENT), FUNDS);
        vm.expectRevert(abi.encodeWithSelector(DealLife.NotRunning.selector, dealId, DealState.Lost));
        deals.poke(dealId);
    }

    function test_a_deal_ends_with_all_paid_and_nothing_locked() public {
        Terms memory terms = _terms(PROVIDER, CONTENT);
        terms.duration = 2 * PERIOD + 30;
        uint256 dealId = _propose(terms);
        vm.prank(PROVIDER);
        deals.accept(_one(dealId));
        for (uint256 i = 0; i < 3; ++i) {
            _prove(PROVIDER, CONTENT);
        }
        vm.warp(block.timestamp + 31);
        deals.poke(dealId);
        _assertState(dealId, DealState.Ended);
        _settle(dealId);
        vm.assertEq(_earned(PROVIDER), 230 * 1000);
        vm.assertEq(rails.withdrawable(address(dollar), CLIENT), FUNDS - 230 * 1000);
        vm.assertTrue(rails.railOf(deals.dealOf(dealId).railId).closed);
        vm.assertEq(rails.approvalOf(address(dollar), CLIENT, address(deals)).lockupUsage, 0);
        vm.assertEq(rails.approvalOf(address(dollar), CLIENT, address(deals)).rateUsage, 0);
    }

    function test_money_gone_goes_down_by_the_clock_and_a_deposit_brings_it_back() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        // Leaves enough for the lockup and 250 s.
        uint256 free = rails.withdrawable(address(dollar), CLIENT);
        vm.prank(CLIENT);
        rails.withdraw(address(dollar), CLIENT, free - 250 * 1000);
        uint256 funded = rails.fundedUntil(deals.dealOf(dealId).railId);
        vm.assertEq(funded, block.timestamp + 250);
        _assertStage(dealId, funded, DealState.Active);
        _assertStage(dealId, funded + 1, DealState.ReadOnly);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(DealLife.NotActive.selector, dealId, DealState.ReadOnly));
        deals.renew(dealId, 1 days);
        _assertStage(dealId, funded + STAGE - 1, DealState.ReadOnly);
        _assertStage(dealId, funded + STAGE, DealState.Grace);
        vm.expectRevert(abi.encodeWithSelector(DealLife.NotActive.selector, dealId, DealState.Grace));
        deals.revive(dealId);
        _assertStage(dealId, funded + 2 * STAGE - 1, DealState.Grace);
        _assertStage(dealId, funded + 2 * STAGE, DealState.Notice);
        _assertStage(dealId, funded + 3 * STAGE - 1, DealState.Notice);
        vm.prank(CLIENT);
        rails.deposit(address(dollar), CLIENT, 10_000_000);
        deals.revive(dealId);
        _assertState(dealId, DealState.Active);
        vm.assertEq(deals.dealOf(dealId).missed, 0);
        // The provider is paid for the time without money too.
        vm.assertEq(_settle(dealId), (block.timestamp - deals.dealOf(dealId).start) * PRICE);
    }

    function test_without_a_deposit_it_ends_and_the_lockup_pays_for_the_service() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        uint256 free = rails.withdrawable(address(dollar), CLIENT);
        vm.prank(CLIENT);
        rails.withdraw(address(dollar), CLIENT, free - 250 * 1000);
        uint256 funded = rails.fundedUntil(deals.dealOf(dealId).railId);
        _assertStage(dealId, funded + 3 * STAGE, DealState.Ended);
        _settle(dealId);
        // From the first period to the end of the lockup, all proven.
        vm.assertEq(_earned(PROVIDER), (funded + 3 * STAGE - deals.dealOf(dealId).start) * 1000);
        vm.assertTrue(rails.railOf(deals.dealOf(dealId).railId).closed);
        vm.prank(CLIENT);
        rails.deposit(address(dollar), CLIENT, 10_000_000);
        vm.expectRevert(abi.encodeWithSelector(DealLife.NotRunning.selector, dealId, DealState.Ended));
        deals.revive(dealId);
    }

    function test_a_client_who_stops_its_rail_has_the_notice_time_left() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        uint256 railId = deals.dealOf(dealId).railId;
        vm.prank(CLIENT);
        rails.terminate(railId);
        deals.poke(dealId);
        _assertState(dealId, DealState.Notice);
        for (uint256 i = 0; i < 5; ++i) {
            _prove(PROVIDER, CONTENT);
        }
        vm.warp(rails.railOf(railId).endsAt);
        deals.poke(dealId);
        _assertState(dealId, DealState.Ended);
        _settle(dealId);
        vm.assertEq(_earned(PROVIDER), 5 * uint256(PERIOD) * 1000);
    }

    /// forge-config: default.isolate = true
    function test_twenty_pieces_are_bought_and_accepted_in_one_transaction_each() public {
        Terms[] memory batch = new Terms[](20);
        for (uint256 i = 0; i < 20; ++i) {
            batch[i] = _terms(PROVIDER, keccak256(abi.encode(i)));
        }
        vm.prank(CLIENT);
        uint256 before = gasleft();
        uint256[] memory ids = deals.propose(batch);
        uint256 proposing = before - gasleft();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PROVIDER_KEY, deals.receiptDigest(ids));
        before = gasleft();
        deals.acceptSigned(PROVIDER, ids, abi.encodePacked(r, s, v));
        uint256 accepting = before - gasleft();
        for (uint256 i = 0; i < 20; ++i) {
            _assertState(ids[i], DealState.Active);
        }
        vm.assertEq(deals.dealsOfGroup(CLIENT, "object", 5, 100).length, 15);
        // EIP-7825: no transaction may have more gas.
        vm.assertLe(proposing, 1 << 24);
        vm.assertLe(accepting, 1 << 24);
        emit log_named_uint("propose 20", proposing);
        emit log_named_uint("accept 20", accepting);
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.BatchOutOfRange.selector, 21, 20));
        deals.propose(new Terms[](21));
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.BatchOutOfRange.selector, 0, 20));
        deals.accept(new uint256[](0));
    }

    /// @dev Forge prints events of this name.
    event log_named_uint(string key, uint256 val);

    function test_only_the_provider_accepts_and_only_its_signature_counts(uint256 key) public {
        key = key % type(uint128).max + 1;
        vm.assume(key != PROVIDER_KEY);
        uint256 dealId = _propose(_terms(PROVIDER, CONTENT));
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.NotProvider.selector, dealId, MALLORY));
        deals.accept(_one(dealId));
        bytes32 digest = deals.receiptDigest(_one(dealId));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.ReceiptNotSigned.selector, PROVIDER, digest));
        deals.acceptSigned(PROVIDER, _one(dealId), abi.encodePacked(r, s, v));
    }

    function test_a_receipt_accepts_once() public {
        uint256 dealId = _propose(_terms(PROVIDER, CONTENT));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PROVIDER_KEY, deals.receiptDigest(_one(dealId)));
        deals.acceptSigned(PROVIDER, _one(dealId), abi.encodePacked(r, s, v));
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.NotProposed.selector, dealId, DealState.Active));
        deals.acceptSigned(PROVIDER, _one(dealId), abi.encodePacked(r, s, v));
    }

    function test_terms_are_held_to_the_offer() public {
        Offer memory offer = _offer();
        (offer.pricePerGibMonth, offer.durationMin, offer.durationMax, offer.pieceBytesMax) = (1e6, 100, 200, 1 << 30);
        vm.prank(PROVIDER);
        registry.setOffer(offer);
        Terms memory terms = _terms(PROVIDER, CONTENT);
        uint256 ceiling = DealTerms.price(LEAVES, offer);
        (terms.duration, terms.pricePerSecond) = (200, uint128(ceiling + 1));
        _refused(terms, abi.encodeWithSelector(DealTerms.PriceAboveOffer.selector, ceiling + 1, ceiling));
        terms.pricePerSecond = uint128(ceiling);
        terms.duration = 201;
        _refused(terms, abi.encodeWithSelector(DealTerms.DurationOutOfRange.selector, 201, 100, 200));
        terms.duration = 99;
        _refused(terms, abi.encodeWithSelector(DealTerms.DurationOutOfRange.selector, 99, 100, 200));
        terms.duration = 200;
        terms.leafCount = (1 << 25) + 1;
        _refused(terms, abi.encodeWithSelector(DealTerms.PieceTooLarge.selector, (1 << 30) + 32, 1 << 30));
        terms.leafCount = LEAVES;
        terms.graceSeconds = 9;
        _refused(terms, abi.encodeWithSelector(DealTerms.StageOutOfRange.selector, 9, 10, 365 days));
        terms.graceSeconds = 10;
        terms.periodSeconds = PERIOD + 1;
        _refused(terms, abi.encodeWithSelector(DealTerms.PeriodNotOfProvider.selector, PERIOD + 1, PERIOD));
        terms.periodSeconds = PERIOD;
        _propose(terms);
    }

    function test_a_price_is_rounded_up_and_never_below_the_offer(uint64 leafCount, uint128 perMonth) public pure {
        Offer memory offer = Offer(perMonth, 1, 2, 3, true);
        uint256 perSecond = DealTerms.price(leafCount, offer);
        uint256 month = perSecond * 30 days * (1 << 30);
        uint256 exact = uint256(leafCount) * 32 * perMonth * 1e18;
        vm.assertLe(exact, month);
        vm.assertLe(month, exact + 30 days * (1 << 30));
    }

    function test_a_proposal_is_taken_back_with_its_escrow() public {
        uint256 dealId = _propose(_terms(PROVIDER, CONTENT));
        vm.assertEq(rails.withdrawable(address(dollar), CLIENT), FUNDS - 600 * 1000);
        vm.prank(MALLORY);
        vm.expectRevert();
        deals.withdrawProposal(dealId);
        vm.prank(CLIENT);
        deals.withdrawProposal(dealId);
        vm.assertEq(rails.withdrawable(address(dollar), CLIENT), FUNDS);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.NotProposed.selector, dealId, DealState.Ended));
        deals.accept(_one(dealId));

        dealId = _propose(_terms(PROVIDER, CONTENT));
        uint256 acceptBy = block.timestamp + 1 days;
        vm.warp(acceptBy + 1);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(StorageDeals.AcceptedLate.selector, acceptBy, acceptBy + 1));
        deals.accept(_one(dealId));
        deals.withdrawProposal(dealId);
        vm.assertEq(rails.withdrawable(address(dollar), CLIENT), FUNDS);
    }

    function test_a_renewal_moves_the_end_while_the_offer_stands() public {
        uint256 dealId = _start(PROVIDER, CONTENT);
        uint256 end = deals.dealOf(dealId).end;
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(DealLife.NotClient.selector, dealId, MALLORY));
        deals.renew(dealId, 1);
        // The offer asks for more than the deal pays.
        vm.prank(CLIENT);
        vm.expectRevert();
        deals.renew(dealId, 1000);
        Offer memory offer = _offer();
        offer.pricePerGibMonth = 1;
        vm.prank(PROVIDER);
        registry.setOffer(offer);
        vm.prank(CLIENT);
        deals.renew(dealId, 1000);
        vm.assertEq(deals.dealOf(dealId).end, end + 1000);
        offer.accepting = false;
        vm.prank(PROVIDER);
        registry.setOffer(offer);
        vm.prank(CLIENT);
        vm.expectRevert(abi.encodeWithSelector(DealLife.NoRenewal.selector, PROVIDER));
        deals.renew(dealId, 1000);
    }

    function test_a_validator_answers_for_its_own_rails_only() public {
        vm.expectRevert(abi.encodeWithSignature("DealUnknown(uint256)", 0));
        deals.validatePayment(3, 1, 0, 1, 1);
        _propose(_terms(PROVIDER, CONTENT));
        vm.expectRevert(abi.encodeWithSignature("RailNotOfDeal(uint256)", 3));
        deals.validatePayment(3, 1, 0, 1, 1);
    }

    function _refused(Terms memory terms, bytes memory refusal) private {
        vm.prank(CLIENT);
        vm.expectRevert(refusal);
        deals.propose(_one(terms));
    }

    function _assertStage(uint256 dealId, uint256 time, DealState state) private {
        while (proofs.periodStart(PROVIDER, proofs.periodAt(PROVIDER, block.timestamp) + 1) <= time) {
            _prove(PROVIDER, CONTENT);
        }
        vm.warp(time);
        vm.assertEq(uint256(deals.stateOf(dealId)), uint256(state));
        if (deals.dealOf(dealId).state != state) deals.poke(dealId);
        _assertState(dealId, state);
    }
}
