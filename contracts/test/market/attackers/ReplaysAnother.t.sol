// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PossessionProofs} from "../../../src/market/proofs/PossessionProofs.sol";
import {vm} from "../../Vm.sol";
import {Attackers} from "./Attackers.sol";

/// @dev Was paid for a copy of its own, has none, and copies what an honest provider of the same piece sends.
contract ReplaysAnotherTest is Attackers {
    function test_two_providers_of_one_piece_are_asked_for_different_leaves() public {
        uint256 honest = _start(OTHER, CONTENT);
        for (uint256 round = 0; round < 3; ++round) {
            _nextPeriod(PROVIDER);
            proofs.nextProvingPeriod(OTHER);
            _seed(OTHER, keccak256(abi.encode("seed", round)));
            PossessionProofs.Proof[] memory proof = _proof(OTHER, CONTENT);
            vm.expectRevert();
            proofs.provePossession(PROVIDER, proof);
            proofs.provePossession(OTHER, proof);
        }
        vm.warp(deals.dealOf(honest).start + 3 * PERIOD);
        vm.assertEq(_settle(honest), 3 * uint256(PERIOD) * PRICE);
        deals.poke(honest);
        vm.assertEq(registry.stakeOf(OTHER).units, STAKE);
        deals.poke(dealId);
        vm.assertEq(registry.stakeOf(PROVIDER).units, STAKE - 3 * 10 * PERIOD * PRICE / PARTS);
        vm.assertEq(_settle(dealId), 0);
        vm.assertEq(_earned(PROVIDER), 0);
    }
}
