// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Deployment} from "../../src/market/Deployment.sol";
import {Market, Wired} from "../../src/market/Wired.sol";
import {StorageDeals} from "../../src/market/deals/StorageDeals.sol";
import {PossessionProofs} from "../../src/market/proofs/PossessionProofs.sol";
import {ProviderRegistry} from "../../src/market/providers/ProviderRegistry.sol";
import {PayRails} from "../../src/market/rails/PayRails.sol";
import {RepairJobs} from "../../src/market/repair/RepairJobs.sol";
import {SlashingHub} from "../../src/market/slashing/SlashingHub.sol";
import {vm} from "../Vm.sol";
import {Markets} from "./Markets.sol";

contract DeploymentTest is Markets {
    /// @dev Forge prints events of this name.
    event log_named_uint(string key, uint256 val);

    /// forge-config: default.isolate = true
    function test_one_transaction_deploys_what_genesis_places() public {
        _place();
        bytes[] memory codes = _codes();
        Deployment deployment = new Deployment();
        uint256 before = gasleft();
        Market memory market = deployment.deploy(dollar, STAKE_MIN, codes);
        uint256 gas = before - gasleft();
        emit log_named_uint("deployment, transaction", gas);
        // EIP-7825: no transaction may have more gas.
        vm.assertLe(gas, 1 << 24);
        vm.assertEq(address(market.registry).code, address(registry).code);
        vm.assertEq(address(market.rails).code, address(rails).code);
        vm.assertEq(address(market.deals).code, address(deals).code);
        vm.assertEq(address(market.faultSources[0]), address(market.deals));
        address[5] memory parts = [
            address(market.registry),
            address(market.hub),
            address(market.proofs),
            address(market.deals),
            address(market.jobs)
        ];
        for (uint256 i = 0; i < parts.length; ++i) {
            vm.assertEq(keccak256(abi.encode(Wired(parts[i]).marketOf())), keccak256(abi.encode(market)));
            vm.expectRevert(abi.encodeWithSelector(Wired.AlreadyWired.selector, address(dollar)));
            Wired(parts[i]).wire(market);
        }
    }

    function test_what_genesis_wrote_is_the_wiring() public {
        _place();
        Market memory market = deals.marketOf();
        vm.assertEq(address(market.token), address(dollar));
        vm.assertEq(address(market.jobs), address(jobs));
        vm.assertEq(market.faultSources[0], address(deals));
        vm.assertEq(market.faultSources[1], address(0));
        vm.assertEq(market.stakeMin, STAKE_MIN);
        vm.expectRevert(abi.encodeWithSelector(Wired.AlreadyWired.selector, address(dollar)));
        deals.wire(market);
    }

    function test_a_market_with_a_missing_part_is_not_wired(uint8 missing) public {
        _place();
        Market memory market = deals.marketOf();
        SlashingHub fresh = new SlashingHub();
        // Each of the first seven words is a part.
        missing = missing % 7;
        assembly ("memory-safe") {
            mstore(add(market, mul(missing, 32)), 0)
        }
        vm.expectRevert(abi.encodeWithSelector(Wired.PartMissing.selector));
        fresh.wire(market);
    }

    function test_a_code_that_does_not_run_deploys_nothing() public {
        Deployment deployment = new Deployment();
        bytes[] memory codes = _codes();
        codes[3] = hex"fe";
        vm.expectRevert(abi.encodeWithSelector(Deployment.CreationFailed.selector, 3));
        deployment.deploy(dollar, STAKE_MIN, codes);
        vm.expectRevert(abi.encodeWithSelector(Deployment.CodesExpected.selector, 0, 6));
        deployment.deploy(dollar, STAKE_MIN, new bytes[](0));
    }

    function _codes() private pure returns (bytes[] memory codes) {
        codes = new bytes[](6);
        codes[0] = type(ProviderRegistry).creationCode;
        codes[1] = type(PayRails).creationCode;
        codes[2] = type(SlashingHub).creationCode;
        codes[3] = type(PossessionProofs).creationCode;
        codes[4] = type(StorageDeals).creationCode;
        codes[5] = type(RepairJobs).creationCode;
    }
}
