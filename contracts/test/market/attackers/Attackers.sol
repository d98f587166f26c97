// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DealState} from "../../../src/market/deals/IDeals.sol";
import {vm} from "../../Vm.sol";
import {Markets} from "../Markets.sol";

/// @dev A provider with one deal who does not prove as it should. Whatever it tries, this is what it gets.
abstract contract Attackers is Markets {
    bytes32 internal constant CONTENT = "what was paid for";
    uint256 internal constant FUNDS = 100_000e6;

    uint256 internal dealId;

    function setUp() public virtual {
        _place();
        _join(PROVIDER);
        _join(OTHER);
        _fund(CLIENT, FUNDS);
        dealId = _start(PROVIDER, CONTENT);
    }

    /// @dev Earned nothing, lost ten periods' price for each miss, lost the deal; the client lost nothing.
    function _assertEarnsNothingAndIsSlashed() internal {
        vm.warp(deals.dealOf(dealId).start + 3 * PERIOD);
        deals.poke(dealId);
        _assertState(dealId, DealState.Lost);
        _settle(dealId);
        vm.assertEq(_earned(PROVIDER), 0);
        vm.assertEq(rails.withdrawable(address(dollar), CLIENT), FUNDS);
        vm.assertEq(registry.stakeOf(PROVIDER).units, STAKE - 3 * 10 * PERIOD * PRICE / PARTS);
    }
}
