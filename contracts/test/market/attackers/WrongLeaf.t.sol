// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PossessionProofs} from "../../../src/market/proofs/PossessionProofs.sol";
import {vm} from "../../Vm.sol";
import {Pieces} from "../Pieces.sol";
import {Attackers} from "./Attackers.sol";

/// @dev Keeps one leaf with its path and shows it whatever is asked.
contract WrongLeafTest is Attackers {
    function test_a_true_leaf_of_another_place_proves_nothing(uint256 kept) public {
        kept = kept % LEAVES;
        for (uint256 round = 0; round < 3; ++round) {
            _nextPeriod(PROVIDER);
            _seed(PROVIDER, keccak256(abi.encode(round)));
            PossessionProofs.Proof[] memory proof = _proof(PROVIDER, CONTENT);
            (, uint256 place) = proofs.challengeOf(PROVIDER, round);
            if (place == kept) kept = (kept + 1) % LEAVES;
            proof[round].leaf = Pieces.leaf(CONTENT, kept);
            proof[round].path = Pieces.path(CONTENT, LEAVES, kept);
            vm.expectRevert();
            proofs.provePossession(PROVIDER, proof);
        }
        _assertEarnsNothingAndIsSlashed();
    }

    function test_fewer_or_more_proofs_than_challenges_prove_nothing() public {
        _nextPeriod(PROVIDER);
        _seed(PROVIDER, "seed");
        vm.expectRevert(abi.encodeWithSelector(PossessionProofs.ProofCountWrong.selector, 0, 5));
        proofs.provePossession(PROVIDER, new PossessionProofs.Proof[](0));
        vm.expectRevert(abi.encodeWithSelector(PossessionProofs.ProofCountWrong.selector, 6, 5));
        proofs.provePossession(PROVIDER, new PossessionProofs.Proof[](6));
    }
}
