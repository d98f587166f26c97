// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FirstComeRegistrar} from "../../src/names/FirstComeRegistrar.sol";
import {vm} from "../Vm.sol";
import {Names} from "./Names.sol";

contract FirstComeRegistrarTest is Names {
    function test_it_owns_the_top_level_name() public view {
        vm.assertEq(registrar.NODE(), NUBES);
    }

    function test_who_comes_first_has_the_name(bytes32 label, address owner) public {
        vm.assume(owner != address(0) && owner != address(registry));
        bytes32 node = _subnode(NUBES, label);
        vm.assertTrue(registrar.available(label));
        vm.expectEmit(address(registrar));
        emit FirstComeRegistrar.NameRegistered(label, owner, address(0));
        vm.assertEq(registrar.register(label, owner), node);
        vm.assertEq(registry.owner(node), owner);
        vm.assertEq(registry.resolver(node), address(0));
        vm.assertFalse(registrar.available(label));
    }

    function test_a_name_can_be_given_with_its_resolver() public {
        registrar.registerWith(LABEL, ALICE, address(resolver));
        vm.assertEq(registry.owner(NODE), ALICE);
        vm.assertEq(registry.resolver(NODE), address(resolver));
        vm.prank(ALICE);
        resolver.setText(NODE, "nubes.app", "bafy");
    }

    function test_who_comes_second_is_refused(address second) public {
        registrar.register(LABEL, ALICE);
        vm.prank(second);
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.NameTaken.selector, LABEL, ALICE));
        registrar.register(LABEL, second);
        vm.prank(second);
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.NameTaken.selector, LABEL, ALICE));
        registrar.registerWith(LABEL, second, address(resolver));
        vm.assertEq(registry.owner(NODE), ALICE);
    }

    function test_a_name_given_up_is_not_given_again() public {
        registrar.register(LABEL, ALICE);
        vm.prank(ALICE);
        registry.setOwner(NODE, address(0));
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.NameTaken.selector, LABEL, address(0)));
        registrar.register(LABEL, MALLORY);
    }

    function test_a_name_needs_an_owner() public {
        vm.expectRevert(abi.encodeWithSelector(FirstComeRegistrar.OwnerMissing.selector, LABEL));
        registrar.register(LABEL, address(0));
        vm.assertTrue(registrar.available(LABEL));
    }
}
