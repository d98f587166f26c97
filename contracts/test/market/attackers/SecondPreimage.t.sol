// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PossessionProofs} from "../../../src/market/proofs/PossessionProofs.sol";
import {vm} from "../../Vm.sol";
import {Pieces} from "../Pieces.sol";
import {Attackers} from "./Attackers.sol";

/// @dev Keeps inner nodes instead of leaves and shows one as a leaf with the shorter path above it; or goes below the
/// leaves with halves that it made up.
contract SecondPreimageTest is Attackers {
    function test_an_inner_node_is_not_a_leaf() public {
        for (uint256 round = 0; round < 3; ++round) {
            _nextPeriod(PROVIDER);
            _seed(PROVIDER, keccak256(abi.encode(round)));
            PossessionProofs.Proof[] memory proof = _proof(PROVIDER, CONTENT);
            (, uint256 place) = proofs.challengeOf(PROVIDER, 0);
            bytes32[][] memory tree = Pieces.tree(CONTENT, LEAVES);
            bytes32[] memory full = proof[0].path;
            // The hash alone cannot tell them apart: this path does lead to the root.
            proof[0].leaf = tree[1][place / 2];
            proof[0].path = new bytes32[](full.length - 1);
            for (uint256 level = 1; level < full.length; ++level) {
                proof[0].path[level - 1] = full[level];
            }
            vm.expectRevert(abi.encodeWithSelector(PossessionProofs.PathLengthWrong.selector, 0, 3, 4));
            proofs.provePossession(PROVIDER, proof);
            // The root itself, with nothing above.
            proof[0].leaf = tree[4][0];
            proof[0].path = new bytes32[](0);
            vm.expectRevert(abi.encodeWithSelector(PossessionProofs.PathLengthWrong.selector, 0, 0, 4));
            proofs.provePossession(PROVIDER, proof);
            // A level below the leaves.
            proof[0].path = new bytes32[](5);
            vm.expectRevert(abi.encodeWithSelector(PossessionProofs.PathLengthWrong.selector, 0, 5, 4));
            proofs.provePossession(PROVIDER, proof);
        }
        _assertEarnsNothingAndIsSlashed();
    }
}
