// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DataSet, DataSets} from "../../src/market/proofs/DataSets.sol";
import {PossessionProofs} from "../../src/market/proofs/PossessionProofs.sol";
import {SeedRing} from "../../src/market/proofs/SeedRing.sol";
import {vm} from "../Vm.sol";
import {Markets} from "./Markets.sol";

contract PossessionProofsTest is Markets {
    function setUp() public {
        _place();
        _join(PROVIDER);
        _join(OTHER);
        _fund(CLIENT, 100_000e6);
    }

    function test_one_proof_covers_all_deals_of_a_provider() public {
        bytes32[] memory contents = new bytes32[](5);
        uint256[] memory ids = new uint256[](5);
        for (uint256 i = 0; i < 5; ++i) {
            contents[i] = keccak256(abi.encode("piece", i));
            ids[i] = _start(PROVIDER, contents[i]);
        }
        for (uint256 round = 0; round < 8; ++round) {
            uint256 period = _nextPeriod(PROVIDER);
            _seed(PROVIDER, keccak256(abi.encode(round)));
            PossessionProofs.Proof[] memory proof = _proof(PROVIDER, contents);
            proofs.provePossession(PROVIDER, proof);
            vm.assertTrue(proofs.isProven(PROVIDER, period));
            vm.expectRevert(abi.encodeWithSelector(PossessionProofs.PeriodProven.selector, period));
            proofs.provePossession(PROVIDER, proof);
        }
        for (uint256 i = 0; i < 5; ++i) {
            deals.poke(ids[i]);
            vm.assertEq(deals.dealOf(ids[i]).missed, 0);
        }
    }

    function test_what_is_added_after_the_opening_is_not_asked_for() public {
        _start(PROVIDER, "old");
        _nextPeriod(PROVIDER);
        _start(PROVIDER, "new");
        (DataSet memory set, uint256 leaves, uint256 pieces) = proofs.dataSetOf(PROVIDER);
        vm.assertEq(set.challengeRange, LEAVES);
        vm.assertEq(leaves, 2 * LEAVES);
        vm.assertEq(pieces, 2);
        _seed(PROVIDER, "seed");
        proofs.provePossession(PROVIDER, _proof(PROVIDER, "old"));
    }

    function test_what_ends_is_asked_for_until_the_next_opening() public {
        uint256 dealId = _start(PROVIDER, "ends");
        _start(PROVIDER, "stays");
        uint256 period = _nextPeriod(PROVIDER);
        vm.startPrank(address(deals));
        proofs.remove(PROVIDER, deals.dealOf(dealId).pieceIndex);
        vm.expectRevert(abi.encodeWithSelector(DataSets.PieceUnknown.selector, PROVIDER, 0));
        proofs.remove(PROVIDER, 0);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(DataSets.ChallengeOpen.selector, period));
        proofs.prune(PROVIDER, 1);
        (, uint256 leaves,) = proofs.dataSetOf(PROVIDER);
        vm.assertEq(leaves, 2 * LEAVES);
        _prove(PROVIDER, "stays");
        (, leaves,) = proofs.dataSetOf(PROVIDER);
        vm.assertEq(leaves, LEAVES);
    }

    function test_more_removals_than_fit_are_pruned_later() public {
        bytes32 root = keccak256("root");
        vm.startPrank(address(deals));
        for (uint256 i = 0; i < 40; ++i) {
            proofs.add(PROVIDER, root, 1);
        }
        for (uint256 i = 0; i < 39; ++i) {
            proofs.remove(PROVIDER, i);
        }
        vm.stopPrank();
        proofs.nextProvingPeriod(PROVIDER);
        vm.assertEq(proofs.removalsOf(PROVIDER), 7);
        vm.warp(block.timestamp + PERIOD);
        proofs.prune(PROVIDER, 3);
        vm.assertEq(proofs.removalsOf(PROVIDER), 4);
        proofs.prune(PROVIDER, 100);
        (, uint256 leaves,) = proofs.dataSetOf(PROVIDER);
        vm.assertEq(leaves, 1);
    }

    function test_a_clock_is_started_once_and_within_bounds() public {
        vm.expectRevert(abi.encodeWithSelector(DataSets.PeriodSecondsOutOfRange.selector, 9, 10, 30 days));
        proofs.openDataSet(9);
        vm.expectRevert(
            abi.encodeWithSelector(DataSets.PeriodSecondsOutOfRange.selector, 30 days + 1, 10, 30 days)
        );
        proofs.openDataSet(30 days + 1);
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(DataSets.DataSetExists.selector, PROVIDER));
        proofs.openDataSet(PERIOD);
        vm.expectRevert(abi.encodeWithSelector(DataSets.DataSetMissing.selector, MALLORY));
        proofs.nextProvingPeriod(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(PossessionProofs.NothingToProve.selector, PROVIDER));
        proofs.nextProvingPeriod(PROVIDER);
    }

    function test_only_the_deals_change_a_data_set() public {
        vm.expectRevert(
            abi.encodeWithSignature("CallerNotPart(address,address)", address(this), address(deals))
        );
        proofs.add(PROVIDER, "root", 1);
        vm.expectRevert(
            abi.encodeWithSignature("CallerNotPart(address,address)", address(this), address(deals))
        );
        proofs.remove(PROVIDER, 0);
        vm.startPrank(address(deals));
        vm.expectRevert(abi.encodeWithSelector(DataSets.LeafCountOutOfRange.selector, 0, 1 << 40));
        proofs.add(PROVIDER, "root", 0);
        vm.expectRevert(abi.encodeWithSelector(DataSets.LeafCountOutOfRange.selector, (1 << 40) + 1, 1 << 40));
        proofs.add(PROVIDER, "root", (1 << 40) + 1);
        vm.stopPrank();
    }

    function test_a_seed_is_that_of_its_block_and_stays() public {
        vm.roll(2000);
        vm.prevrandao("first");
        proofs.recordSeed();
        vm.prevrandao("second");
        proofs.recordSeed();
        vm.assertEq(proofs.seedOf(2000), "first");
        vm.expectRevert(abi.encodeWithSelector(SeedRing.SeedUnknown.selector, 2001));
        proofs.seedOf(2001);
        vm.expectRevert(abi.encodeWithSelector(SeedRing.SeedUnknown.selector, 0));
        proofs.seedOf(0);
        vm.roll(2000 + 65_536);
        vm.prevrandao("later");
        proofs.recordSeed();
        vm.expectRevert(abi.encodeWithSelector(SeedRing.SeedUnknown.selector, 2000));
        proofs.seedOf(2000);
    }
}
