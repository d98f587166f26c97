// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Wired} from "../../../src/market/Wired.sol";
import {Attribute, Offer, Profile, Stake} from "../../../src/market/providers/IRegistry.sol";
import {ProviderRegistry} from "../../../src/market/providers/ProviderRegistry.sol";
import {ProviderStake} from "../../../src/market/providers/ProviderStake.sol";
import {FaultKind} from "../../../src/market/slashing/ISlashingHub.sol";
import {SlashingHub} from "../../../src/market/slashing/SlashingHub.sol";
import {vm} from "../../Vm.sol";
import {Markets} from "../Markets.sol";

contract ProviderRegistryTest is Markets {
    function setUp() public {
        _place();
        _join(PROVIDER);
    }

    function test_a_profile_is_kept_and_replaced() public {
        Profile memory profile = registry.profileOf(PROVIDER);
        vm.assertEq(profile.uri, "https://provider.example");
        vm.assertEq(profile.key, hex"01");
        profile.uri = "/dns4/other.example/tcp/443/https";
        vm.startPrank(PROVIDER);
        vm.expectEmit(address(registry));
        emit ProviderRegistry.ProviderUpdated(PROVIDER, profile.uri);
        registry.register(profile);
        Attribute[] memory attributes = new Attribute[](2);
        attributes[0] = Attribute("region", "eu");
        attributes[1] = Attribute("class", "hot");
        registry.setAttributes(attributes);
        attributes = new Attribute[](1);
        attributes[0] = Attribute("region", "us");
        registry.setAttributes(attributes);
        vm.stopPrank();
        vm.assertEq(registry.profileOf(PROVIDER).uri, profile.uri);
        vm.assertEq(registry.attributesOf(PROVIDER).length, 1);
        vm.assertEq(registry.attributesOf(PROVIDER)[0].value, "us");
        vm.assertEq(registry.providerCount(), 1);
    }

    function test_everything_that_can_grow_has_a_limit() public {
        Profile memory profile = Profile(string(new bytes(257)), 0xed, hex"01", 1, _offer());
        vm.startPrank(OTHER);
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.UriOutOfRange.selector, 257, 256));
        registry.register(profile);
        profile.uri = "";
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.UriOutOfRange.selector, 0, 256));
        registry.register(profile);
        profile.uri = string(new bytes(256));
        profile.key = new bytes(67);
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.KeyOutOfRange.selector, 67, 66));
        registry.register(profile);
        profile.key = new bytes(66);
        (profile.offer.durationMin, profile.offer.durationMax) = (2, 1);
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.DurationsReversed.selector, 2, 1));
        registry.register(profile);
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.NotRegistered.selector, OTHER));
        registry.setOffer(_offer());
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.NotRegistered.selector, OTHER));
        registry.setAttributes(new Attribute[](0));
        profile.offer = _offer();
        registry.register(profile);
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.TooManyAttributes.selector, 17, 16));
        registry.setAttributes(new Attribute[](17));
        registry.setAttributes(new Attribute[](16));
        vm.expectRevert(abi.encodeWithSelector(ProviderRegistry.PageTooLong.selector, 101, 100));
        registry.providers(0, 101);
        vm.stopPrank();
    }

    function test_providers_are_listed_by_pages() public {
        for (uint160 i = 1; i <= 4; ++i) {
            vm.prank(address(i));
            registry.register(Profile("https://x.example", 0xed, hex"01", 1, _offer()));
        }
        vm.assertEq(registry.providerCount(), 5);
        address[] memory page = registry.providers(3, 100);
        vm.assertEq(page.length, 2);
        vm.assertEq(page[1], address(4));
        vm.assertEq(registry.providers(1, 2).length, 2);
        vm.assertEq(registry.providers(5, 2).length, 0);
    }

    function test_too_little_stake_takes_no_deals() public {
        vm.assertTrue(registry.takesDeals(PROVIDER));
        vm.startPrank(PROVIDER);
        registry.beginExit(STAKE - STAKE_MIN);
        vm.assertTrue(registry.takesDeals(PROVIDER));
        registry.beginExit(STAKE - STAKE_MIN + 1);
        vm.assertFalse(registry.takesDeals(PROVIDER));
        registry.cancelExit();
        vm.assertTrue(registry.takesDeals(PROVIDER));
        Offer memory offer = _offer();
        offer.accepting = false;
        registry.setOffer(offer);
        vm.assertFalse(registry.takesDeals(PROVIDER));
        vm.stopPrank();
        vm.assertFalse(registry.takesDeals(OTHER));
        vm.prank(address(deals));
        vm.expectRevert(abi.encodeWithSelector(ProviderStake.NoNewDeals.selector, OTHER));
        registry.lock(OTHER);
    }

    function test_stake_comes_out_after_the_cooldown_and_without_deals() public {
        vm.startPrank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(ProviderStake.NoExit.selector, PROVIDER));
        registry.finalizeExit();
        vm.expectRevert(abi.encodeWithSelector(ProviderStake.ExitAboveStake.selector, STAKE + 1, STAKE));
        registry.beginExit(STAKE + 1);
        vm.expectRevert(abi.encodeWithSelector(ProviderStake.ExitAboveStake.selector, 0, STAKE));
        registry.beginExit(0);
        vm.stopPrank();
        vm.prank(address(deals));
        registry.lock(PROVIDER);
        vm.startPrank(PROVIDER);
        registry.beginExit(STAKE);
        vm.warp(NOW + 7 days - 1);
        vm.expectRevert(abi.encodeWithSelector(ProviderStake.ExitTooEarly.selector, NOW + 7 days, NOW + 7 days - 1));
        registry.finalizeExit();
        vm.warp(NOW + 7 days);
        vm.expectRevert(abi.encodeWithSelector(ProviderStake.DealsActive.selector, PROVIDER, 1));
        registry.finalizeExit();
        vm.stopPrank();
        vm.prank(address(deals));
        registry.unlock(PROVIDER);
        uint256 before = dollar.balanceOf(PROVIDER);
        vm.prank(PROVIDER);
        vm.assertEq(registry.finalizeExit(), STAKE);
        vm.assertEq(dollar.balanceOf(PROVIDER), before + STAKE);
        vm.assertEq(registry.stakeOf(PROVIDER).units, 0);
    }

    function test_a_slash_takes_at_most_the_stake_also_what_is_leaving(uint128 units, uint64 exiting) public {
        exiting = uint64(exiting % STAKE + 1);
        vm.prank(PROVIDER);
        registry.beginExit(exiting);
        uint256 expected = units < STAKE ? units : STAKE;
        vm.prank(address(deals));
        vm.assertEq(hub.report(PROVIDER, 1, FaultKind.ProofMissed, 1, units, MALLORY), expected);
        Stake memory stake = registry.stakeOf(PROVIDER);
        vm.assertEq(stake.units, STAKE - expected);
        vm.assertLe(stake.exitingUnits, stake.units);
        vm.assertEq(dollar.balanceOf(address(registry)), stake.units);
    }

    function test_a_fault_is_executed_once_and_only_for_a_source() public {
        vm.expectRevert(abi.encodeWithSelector(SlashingHub.NotFaultSource.selector, address(this)));
        hub.report(PROVIDER, 1, FaultKind.ProofMissed, 1, 5, MALLORY);
        vm.prank(address(0));
        vm.expectRevert(abi.encodeWithSelector(SlashingHub.NotFaultSource.selector, address(0)));
        hub.report(PROVIDER, 1, FaultKind.ProofMissed, 1, 5, MALLORY);
        bytes32 id = hub.faultId(address(deals), PROVIDER, 1, FaultKind.ProofMissed, 1);
        vm.startPrank(address(deals));
        hub.report(PROVIDER, 1, FaultKind.ProofMissed, 1, 5, MALLORY);
        vm.assertTrue(hub.isExecuted(id));
        vm.expectRevert(abi.encodeWithSelector(SlashingHub.FaultKnown.selector, id));
        hub.report(PROVIDER, 1, FaultKind.ProofMissed, 1, 50, MALLORY);
        hub.report(PROVIDER, 1, FaultKind.ProofMissed, 2, 5, MALLORY);
        vm.stopPrank();
        vm.assertEq(registry.stakeOf(PROVIDER).units, STAKE - 10);
    }

    function test_nobody_else_slashes_or_counts(address caller) public {
        vm.assume(caller != address(hub) && caller != address(deals));
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(Wired.CallerNotPart.selector, caller, address(hub)));
        registry.slash(PROVIDER, 1, caller);
        vm.expectRevert(abi.encodeWithSelector(Wired.CallerNotPart.selector, caller, address(deals)));
        registry.lock(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(Wired.CallerNotPart.selector, caller, address(deals)));
        registry.unlock(PROVIDER);
        vm.stopPrank();
    }
}
