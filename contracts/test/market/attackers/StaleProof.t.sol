// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PossessionProofs} from "../../../src/market/proofs/PossessionProofs.sol";
import {SeedRing} from "../../../src/market/proofs/SeedRing.sol";
import {DataSet} from "../../../src/market/proofs/DataSets.sol";
import {vm} from "../../Vm.sol";
import {Attackers} from "./Attackers.sol";

/// @dev Had the bytes once, made one proof, and brings it again.
contract StaleProofTest is Attackers {
    function test_a_proof_of_an_earlier_challenge_proves_nothing() public {
        proofs.nextProvingPeriod(PROVIDER);
        _seed(PROVIDER, "the first");
        PossessionProofs.Proof[] memory stale = _proof(PROVIDER, CONTENT);
        for (uint256 round = 0; round < 3; ++round) {
            _nextPeriod(PROVIDER);
            (DataSet memory set,,) = proofs.dataSetOf(PROVIDER);
            // Before the seed of this period's own block is known, no older one serves.
            vm.expectRevert(abi.encodeWithSelector(SeedRing.SeedUnknown.selector, set.challengeBlock));
            proofs.provePossession(PROVIDER, stale);
            _seed(PROVIDER, keccak256(abi.encode(round)));
            vm.expectRevert();
            proofs.provePossession(PROVIDER, stale);
        }
        _assertEarnsNothingAndIsSlashed();
    }

    function test_a_proof_that_comes_after_its_period_proves_nothing() public {
        for (uint256 round = 0; round < 3; ++round) {
            uint256 period = _nextPeriod(PROVIDER);
            _seed(PROVIDER, keccak256(abi.encode(round)));
            PossessionProofs.Proof[] memory late = _proof(PROVIDER, CONTENT);
            vm.warp(proofs.periodStart(PROVIDER, period + 1));
            vm.expectRevert(abi.encodeWithSelector(PossessionProofs.PeriodNotOpened.selector, period + 1));
            proofs.provePossession(PROVIDER, late);
            vm.warp(proofs.periodStart(PROVIDER, period));
        }
        _assertEarnsNothingAndIsSlashed();
    }
}
