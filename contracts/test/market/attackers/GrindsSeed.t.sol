// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";
import {DataSet} from "../../../src/market/proofs/DataSets.sol";
import {PossessionProofs} from "../../../src/market/proofs/PossessionProofs.sol";
import {SeedRing} from "../../../src/market/proofs/SeedRing.sol";
import {vm} from "../../Vm.sol";
import {Attackers} from "./Attackers.sol";

/// @dev Lost leaf 7. Reads each block's value first and would record only one that does not ask for it.
contract GrindsSeedTest is Attackers {
    using RLP for *;

    function test_a_seed_of_a_later_block_does_not_serve() public {
        for (uint256 round = 0; round < 3; ++round) {
            _nextPeriod(PROVIDER);
            (DataSet memory set,,) = proofs.dataSetOf(PROVIDER);
            // The challenge block passes in silence; the attacker likes what comes after it.
            for (uint256 later = 1; later < 6; ++later) {
                vm.roll(set.challengeBlock + later);
                vm.prevrandao(keccak256(abi.encode("likeable", later)));
                proofs.recordSeed();
                vm.expectRevert(abi.encodeWithSelector(SeedRing.SeedUnknown.selector, set.challengeBlock));
                proofs.provePossession(PROVIDER, new PossessionProofs.Proof[](5));
            }
        }
        _assertEarnsNothingAndIsSlashed();
    }

    function test_silence_does_not_hide_a_seed_from_others() public {
        _nextPeriod(PROVIDER);
        (DataSet memory set,,) = proofs.dataSetOf(PROVIDER);
        bytes memory header = _header(set.challengeBlock, "what the chain drew");
        vm.roll(set.challengeBlock + 200);
        vm.setBlockhash(set.challengeBlock, keccak256(header));
        bytes memory forged = _header(set.challengeBlock, "what the attacker likes");
        vm.expectRevert(abi.encodeWithSelector(SeedRing.HeaderUnknown.selector, keccak256(forged)));
        proofs.recordSeedOf(forged);
        proofs.recordSeedOf(header);
        vm.assertEq(proofs.seedOf(set.challengeBlock), "what the chain drew");
        // Who has the bytes proves, though nobody recorded in time.
        proofs.provePossession(PROVIDER, _proof(PROVIDER, CONTENT));
    }

    function test_a_period_is_opened_once_so_its_block_is_not_drawn_again() public {
        uint256 period = _nextPeriod(PROVIDER);
        vm.roll(block.number + 10);
        vm.expectRevert(abi.encodeWithSelector(PossessionProofs.PeriodOpened.selector, period));
        proofs.nextProvingPeriod(PROVIDER);
    }

    function test_pieces_bought_after_the_seed_do_not_move_the_challenge() public {
        _nextPeriod(PROVIDER);
        _seed(PROVIDER, "seed");
        (, uint256 place) = proofs.challengeOf(PROVIDER, 0);
        _start(PROVIDER, "bought from itself");
        (, uint256 again) = proofs.challengeOf(PROVIDER, 0);
        vm.assertEq(place, again);
        // Nor does an end: the deal is withdrawn from the rail, and its piece stays until the next opening.
        vm.prank(address(deals));
        proofs.remove(PROVIDER, 0);
        (, again) = proofs.challengeOf(PROVIDER, 0);
        vm.assertEq(place, again);
    }

    /// @dev Cancun's fields; only number and mix hash matter here.
    function _header(uint256 number, bytes32 mixHash) private pure returns (bytes memory) {
        RLP.Encoder memory list = RLP.encoder();
        list = list.push(bytes32("parent")).push(bytes32("ommers")).push(address(1)).push(bytes32("state"));
        list = list.push(bytes32("transactions")).push(bytes32("receipts")).push(new bytes(256)).push(uint256(0));
        list = list.push(number).push(uint256(30e6)).push(uint256(1e6)).push(NOW).push(bytes("extra"));
        list = list.push(mixHash).push(abi.encodePacked(uint64(0)));
        return list.encode();
    }
}
