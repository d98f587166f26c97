// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Terms} from "../../src/market/deals/IDeals.sol";
import {PossessionProofs} from "../../src/market/proofs/PossessionProofs.sol";
import {vm} from "../Vm.sol";
import {Markets} from "./Markets.sol";

/// @dev What a proof over 32 GiB costs its provider, with calldata at the prices of EIP-7623.
contract ProofGasTest is Markets {
    uint64 private constant LEAVES_32_GIB = 1 << 30;
    uint256 private constant GAS_MAX = 240_000;

    /// @dev Forge prints events of this name.
    event log_named_uint(string key, uint256 val);

    function setUp() public {
        _place();
        _join(PROVIDER);
        _fund(CLIENT, 100_000e6);
    }

    /// @dev Isolated: the call is a transaction of its own, with its 21,000, its calldata and nothing warm.
    /// forge-config: default.isolate = true
    function test_a_proof_over_32_gib_costs_at_most_240_thousand_gas() public {
        // All leaves are alike, so each level has one value and every path is the same: 2^30 leaves without building them.
        bytes32[] memory path = new bytes32[](30);
        bytes32 node = keccak256("leaf");
        for (uint256 level = 0; level < 30; ++level) {
            path[level] = node;
            node = sha256(abi.encodePacked(node, node));
        }
        Terms memory terms = _terms(PROVIDER, "unused");
        (terms.pieceRoot, terms.leafCount) = (node, LEAVES_32_GIB);
        uint256 dealId = _propose(terms);
        vm.prank(PROVIDER);
        deals.accept(_one(dealId));

        PossessionProofs.Proof[] memory proof = new PossessionProofs.Proof[](5);
        for (uint256 i = 0; i < 5; ++i) {
            proof[i] = PossessionProofs.Proof(keccak256("leaf"), path);
        }
        _nextPeriod(PROVIDER);
        _seed(PROVIDER, keccak256("a seed"));
        bytes memory data = abi.encodeCall(proofs.provePossession, (PROVIDER, proof));
        uint256 before = gasleft();
        (bool done,) = address(proofs).call(data);
        uint256 gas = before - gasleft();
        vm.assertTrue(done);
        emit log_named_uint("proof of 5 challenges over 2^30 leaves, gas used", gas);
        emit log_named_uint("proof of 5 challenges over 2^30 leaves, floor by EIP-7623", _floor(data));
        emit log_named_uint("proof of 5 challenges over 2^30 leaves, bytes of calldata", data.length);
        vm.assertLe(gas, GAS_MAX);
        vm.assertLe(_floor(data), GAS_MAX);
    }

    function _floor(bytes memory data) private pure returns (uint256) {
        uint256 tokens = 0;
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        return 21_000 + 10 * tokens;
    }
}
