// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FirstComeRegistrar} from "../../src/names/FirstComeRegistrar.sol";
import {IVersionableResolver} from "../../src/names/IResolver.sol";
import {vm} from "../Vm.sol";
import {Names} from "./Names.sol";

contract FirstComeRegistrarTest is Names {
    uint64 private constant NOW = 1_800_000_000;
    uint64 private constant YEAR = 365 days;
    uint64 private constant EXPIRY = NOW + YEAR;
    /// @dev The last second in which the name is its owner's.
    uint64 private constant LAST = EXPIRY + 90 days;

    function setUp() public override {
        super.setUp();
        vm.warp(NOW);
    }

    function test_it_owns_the_top_level_name() public view {
        vm.assertEq(registrar.NODE(), NUBES);
    }

    function test_its_times_are_those_it_promises() public view {
        vm.assertEq(registrar.GRACE(), 90 * 86_400);
        vm.assertEq(registrar.DURATION_MIN(), 28 * 86_400);
        vm.assertEq(registrar.DURATION_MAX(), 3_650 * 86_400);
    }

    function test_who_comes_first_has_the_name(bytes32 label, address owner) public {
        vm.assume(owner != address(0) && owner != address(registry));
        bytes32 node = _subnode(NUBES, label);
        vm.assertTrue(registrar.available(label));
        vm.assertEq(registrar.expiresAt(label), 0);
        vm.expectEmit(address(registrar));
        emit FirstComeRegistrar.NameRegistered(label, owner, address(0), EXPIRY);
        vm.assertEq(registrar.register(label, owner, YEAR), node);
        vm.assertEq(registry.owner(node), owner);
        vm.assertEq(registry.resolver(node), address(0));
        vm.assertFalse(registrar.available(label));
        vm.assertEq(registrar.expiresAt(label), EXPIRY);
    }

    function test_a_name_can_be_given_with_its_resolver() public {
        registrar.registerWith(LABEL, ALICE, address(resolver), YEAR);
        vm.assertEq(registry.owner(NODE), ALICE);
        vm.assertEq(registry.resolver(NODE), address(resolver));
        vm.assertEq(resolver.recordVersions(NODE), 0);
        vm.prank(ALICE);
        resolver.setText(NODE, "nubes.app", "bafy");
    }

    function test_who_comes_second_is_refused(address second) public {
        registrar.register(LABEL, ALICE, YEAR);
        vm.prank(second);
        vm.expectRevert(_taken(ALICE));
        registrar.register(LABEL, second, YEAR);
        vm.prank(second);
        vm.expectRevert(_taken(ALICE));
        registrar.registerWith(LABEL, second, address(resolver), YEAR);
        vm.assertEq(registry.owner(NODE), ALICE);
    }

    function test_a_lapsed_name_goes_to_who_overtakes_as_a_free_one_does() public {
        registrar.register(LABEL, ALICE, YEAR);
        vm.warp(LAST + 1);
        registrar.register(LABEL, MALLORY, YEAR);
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.NameTaken.selector, LABEL, MALLORY, LAST + 1 + YEAR));
        registrar.register(LABEL, ALICE, YEAR);
        vm.assertEq(registry.owner(NODE), MALLORY);
    }

    function test_an_expired_name_is_its_owners_until_the_last_second_of_grace() public {
        registrar.registerWith(LABEL, ALICE, address(resolver), YEAR);
        vm.prank(ALICE);
        resolver.setText(NODE, "nubes.app", "bafy");
        uint64[4] memory times = [EXPIRY - 1, EXPIRY, EXPIRY + 1, LAST];
        for (uint256 i = 0; i < times.length; i++) {
            vm.warp(times[i]);
            vm.assertFalse(registrar.available(LABEL));
            vm.expectRevert(_taken(ALICE));
            registrar.register(LABEL, MALLORY, YEAR);
            vm.assertEq(registry.owner(NODE), ALICE);
            vm.assertEq(resolver.text(NODE, "nubes.app"), "bafy");
            vm.prank(ALICE);
            resolver.setText(NODE, "seen", "yes");
        }
        vm.warp(LAST + 1);
        vm.assertTrue(registrar.available(LABEL));
        vm.assertEq(registry.owner(NODE), ALICE);
        vm.assertEq(resolver.text(NODE, "nubes.app"), "bafy");
        registrar.register(LABEL, MALLORY, YEAR);
        vm.assertEq(registry.owner(NODE), MALLORY);
        vm.assertEq(registrar.expiresAt(LABEL), LAST + 1 + YEAR);
    }

    function test_a_name_is_available_exactly_after_its_grace(uint64 start, uint64 duration, uint64 elapsed) public {
        start %= 1 << 40;
        duration = registrar.DURATION_MIN() + duration % (registrar.DURATION_MAX() - registrar.DURATION_MIN() + 1);
        elapsed %= 2 * registrar.DURATION_MAX();
        vm.warp(start);
        registrar.register(LABEL, ALICE, duration);
        vm.warp(start + elapsed);
        bool isOver = elapsed > duration + registrar.GRACE();
        vm.assertTrue(registrar.available(LABEL) == isOver);
        if (!isOver) vm.expectRevert();
        registrar.register(LABEL, MALLORY, duration);
        vm.assertEq(registry.owner(NODE), isOver ? MALLORY : ALICE);
    }

    function test_who_takes_a_lapsed_name_finds_no_record_of_the_former_owner() public {
        registrar.registerWith(LABEL, ALICE, address(resolver), YEAR);
        vm.startPrank(ALICE);
        resolver.setText(NODE, "nubes.app", "bafy");
        resolver.setAddr(NODE, ALICE);
        resolver.setAddr(NODE, 0, hex"0014");
        resolver.setContenthash(NODE, hex"e301");
        vm.stopPrank();
        vm.warp(LAST + 1);
        vm.expectEmit(address(resolver));
        emit IVersionableResolver.VersionChanged(NODE, 1);
        registrar.registerWith(LABEL, MALLORY, address(resolver), YEAR);
        vm.assertEq(resolver.text(NODE, "nubes.app"), "");
        vm.assertEq(resolver.addr(NODE), address(0));
        vm.assertEq(resolver.addr(NODE, 0), "");
        vm.assertEq(resolver.contenthash(NODE), "");
        vm.assertEq(registry.owner(NODE), MALLORY);
        vm.prank(MALLORY);
        resolver.setText(NODE, "nubes.app", "bagf");
        vm.assertEq(resolver.text(NODE, "nubes.app"), "bagf");
    }

    function test_records_are_cleared_whatever_resolver_the_name_has(address other) public {
        registrar.registerWith(LABEL, ALICE, address(resolver), YEAR);
        vm.startPrank(ALICE);
        resolver.setText(NODE, "nubes.app", "bafy");
        registry.setResolver(NODE, other);
        vm.stopPrank();
        vm.warp(LAST + 1);
        registrar.register(LABEL, MALLORY, YEAR);
        vm.assertEq(registry.resolver(NODE), address(0));
        vm.assertEq(resolver.text(NODE, "nubes.app"), "");
    }

    function test_neither_the_former_owner_nor_its_operator_writes_any_more(address operator) public {
        vm.assume(operator != MALLORY);
        registrar.register(LABEL, ALICE, YEAR);
        vm.prank(ALICE);
        registry.setApprovalForAll(operator, true);
        vm.warp(LAST + 1);
        registrar.registerWith(LABEL, MALLORY, address(resolver), YEAR);
        address[2] memory callers = [ALICE, operator];
        for (uint256 i = 0; i < callers.length; i++) {
            vm.startPrank(callers[i]);
            vm.expectRevert();
            resolver.setText(NODE, "nubes.app", "bafy");
            vm.expectRevert();
            registry.setOwner(NODE, ALICE);
            vm.stopPrank();
        }
    }

    function test_names_below_a_lapsed_one_stay_until_the_new_owner_takes_them() public {
        registrar.register(LABEL, ALICE, YEAR);
        vm.prank(ALICE);
        registry.setSubnodeOwner(NODE, keccak256("fix"), ALICE);
        vm.warp(LAST + 1);
        registrar.register(LABEL, MALLORY, YEAR);
        bytes32 subnode = _subnode(NODE, keccak256("fix"));
        vm.assertEq(registry.owner(subnode), ALICE);
        vm.prank(MALLORY);
        registry.setSubnodeOwner(NODE, keccak256("fix"), MALLORY);
        vm.assertEq(registry.owner(subnode), MALLORY);
    }

    function test_anybody_renews_and_nothing_else_changes(address stranger) public {
        registrar.registerWith(LABEL, ALICE, address(resolver), YEAR);
        vm.prank(ALICE);
        resolver.setText(NODE, "nubes.app", "bafy");
        vm.expectEmit(address(registrar));
        emit FirstComeRegistrar.NameRenewed(LABEL, EXPIRY + 30 days);
        vm.prank(stranger);
        vm.assertEq(registrar.renew(LABEL, 30 days), EXPIRY + 30 days);
        vm.assertEq(registrar.expiresAt(LABEL), EXPIRY + 30 days);
        vm.assertEq(registry.owner(NODE), ALICE);
        vm.assertEq(registry.resolver(NODE), address(resolver));
        vm.assertEq(resolver.text(NODE, "nubes.app"), "bafy");
    }

    function test_a_name_is_renewed_from_its_expiry_on_until_the_last_second_of_grace() public {
        registrar.register(LABEL, ALICE, YEAR);
        vm.warp(LAST);
        vm.assertEq(registrar.renew(LABEL, YEAR), EXPIRY + YEAR);
        vm.warp(LAST + YEAR + 1);
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.NameFree.selector, LABEL));
        registrar.renew(LABEL, YEAR);
    }

    function test_what_was_never_registered_is_not_renewed(bytes32 label) public {
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.NameFree.selector, label));
        registrar.renew(label, YEAR);
    }

    function test_no_name_is_given_or_renewed_for_too_short_or_too_long() public {
        uint64 min = registrar.DURATION_MIN();
        uint64 max = registrar.DURATION_MAX();
        uint64[4] memory wrong = [0, min - 1, max + 1, type(uint64).max];
        for (uint256 i = 0; i < wrong.length; i++) {
            vm.expectRevert(_outOfRange(wrong[i], max));
            registrar.register(LABEL, ALICE, wrong[i]);
        }
        registrar.register(LABEL, ALICE, min);
        for (uint256 i = 0; i < wrong.length; i++) {
            vm.expectRevert(_outOfRange(wrong[i], max - min));
            registrar.renew(LABEL, wrong[i]);
        }
        registrar.register(keccak256("long"), ALICE, max);
        vm.warp(NOW + min);
        registrar.renew(keccak256("long"), min);
    }

    function test_no_renewals_lead_further_than_the_longest_duration(uint64[8] calldata spans, uint64 wait) public {
        uint64 max = registrar.DURATION_MAX();
        registrar.register(LABEL, ALICE, YEAR);
        vm.warp(NOW + wait % (YEAR + 90 days));
        for (uint256 i = 0; i < spans.length; i++) {
            try registrar.renew(LABEL, spans[i] % (max + 1)) {} catch {}
            vm.assertLe(registrar.expiresAt(LABEL), block.timestamp + max);
        }
    }

    function test_a_name_given_away_expires_when_it_would_have() public {
        registrar.register(LABEL, ALICE, YEAR);
        vm.prank(ALICE);
        registry.setOwner(NODE, MALLORY);
        vm.assertEq(registrar.expiresAt(LABEL), EXPIRY);
        vm.expectRevert(_taken(MALLORY));
        registrar.register(LABEL, ALICE, YEAR);
        vm.prank(ALICE);
        registrar.renew(LABEL, YEAR);
        vm.assertEq(registry.owner(NODE), MALLORY);
    }

    function test_a_name_given_up_is_given_again_only_when_it_has_lapsed() public {
        registrar.register(LABEL, ALICE, YEAR);
        vm.prank(ALICE);
        registry.setOwner(NODE, address(0));
        vm.expectRevert(_taken(address(0)));
        registrar.register(LABEL, MALLORY, YEAR);
        vm.warp(LAST + 1);
        registrar.register(LABEL, MALLORY, YEAR);
        vm.assertEq(registry.owner(NODE), MALLORY);
    }

    function test_a_name_needs_an_owner() public {
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.OwnerMissing.selector, LABEL));
        registrar.register(LABEL, address(0), YEAR);
        vm.assertTrue(registrar.available(LABEL));
    }

    function _taken(address owner) private pure returns (bytes memory) {
        return abi.encodeWithSelector(FirstComeRegistrar.NameTaken.selector, LABEL, owner, EXPIRY);
    }

    function _outOfRange(uint64 duration, uint64 max) private pure returns (bytes memory) {
        return abi.encodeWithSelector(FirstComeRegistrar.DurationOutOfRange.selector, duration, 28 days, max);
    }
}
