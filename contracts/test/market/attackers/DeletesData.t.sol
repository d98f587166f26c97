// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PossessionProofs} from "../../../src/market/proofs/PossessionProofs.sol";
import {vm} from "../../Vm.sol";
import {Pieces} from "../Pieces.sol";
import {Attackers} from "./Attackers.sol";

/// @dev Keeps the tree's nodes and no leaf, or nothing at all.
contract DeletesDataTest is Attackers {
    function test_without_the_bytes_there_is_no_proof_and_no_pay() public {
        for (uint256 round = 0; round < 3; ++round) {
            _nextPeriod(PROVIDER);
            _seed(PROVIDER, keccak256(abi.encode(round)));
            PossessionProofs.Proof[] memory proof = _proof(PROVIDER, CONTENT);
            (bytes32 root, uint256 place) = proofs.challengeOf(PROVIDER, 4);
            proof[4].leaf = keccak256("made up");
            bytes32 wrong = _above(proof[4].leaf, proof[4].path, place);
            vm.expectRevert(abi.encodeWithSelector(PossessionProofs.RootWrong.selector, 4, wrong, root));
            proofs.provePossession(PROVIDER, proof);
        }
        _assertEarnsNothingAndIsSlashed();
    }

    function test_who_keeps_less_than_all_is_asked_for_the_rest_sooner_or_later() public {
        uint256 missed = 0;
        for (uint256 round = 0; round < 60; ++round) {
            _nextPeriod(PROVIDER);
            _seed(PROVIDER, keccak256(abi.encode("round", round)));
            for (uint256 i = 0; i < 5; ++i) {
                (, uint256 place) = proofs.challengeOf(PROVIDER, i);
                // One leaf in thirteen is gone; five challenges meet it with 33 %.
                if (place == 7) {
                    ++missed;
                    break;
                }
            }
        }
        vm.assertLe(10, missed);
        vm.assertLe(missed, 30);
    }

    function _above(bytes32 node, bytes32[] memory path, uint256 place) private pure returns (bytes32) {
        for (uint256 level = 0; level < path.length; ++level) {
            node = (place >> level) % 2 == 0
                ? sha256(abi.encodePacked(node, path[level]))
                : sha256(abi.encodePacked(path[level], node));
        }
        return node;
    }
}
