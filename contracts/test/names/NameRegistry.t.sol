// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {INameRegistry} from "../../src/names/INameRegistry.sol";
import {NameRegistry} from "../../src/names/NameRegistry.sol";
import {vm} from "../Vm.sol";
import {Names} from "./Names.sol";

contract NameRegistryTest is Names {
    function setUp() public override {
        super.setUp();
        _give(NODE, ALICE);
    }

    function test_genesis_gives_the_top_level_name_to_the_registrar_and_the_root_to_nobody() public view {
        vm.assertEq(registry.owner(NUBES), address(registrar));
        vm.assertEq(registry.owner(ROOT), address(0));
        vm.assertFalse(registry.recordExists(ROOT));
    }

    function test_the_owner_sets_everything_and_each_change_is_an_event() public {
        vm.startPrank(ALICE);
        vm.expectEmit(address(registry));
        emit INameRegistry.NewResolver(NODE, address(resolver));
        registry.setResolver(NODE, address(resolver));
        vm.expectEmit(address(registry));
        emit INameRegistry.NewTTL(NODE, 300);
        registry.setTTL(NODE, 300);
        vm.expectEmit(address(registry));
        emit INameRegistry.Transfer(NODE, MALLORY);
        registry.setOwner(NODE, MALLORY);
        vm.assertEq(registry.resolver(NODE), address(resolver));
        vm.assertEq(registry.ttl(NODE), 300);
        vm.assertEq(registry.owner(NODE), MALLORY);
    }

    function test_a_record_is_set_at_once() public {
        vm.prank(ALICE);
        registry.setRecord(NODE, MALLORY, address(resolver), 7);
        vm.assertEq(registry.owner(NODE), MALLORY);
        vm.assertEq(registry.resolver(NODE), address(resolver));
        vm.assertEq(registry.ttl(NODE), 7);
    }

    function test_a_subnode_is_named_by_the_hash_of_node_and_label(bytes32 label, address owner) public {
        vm.assume(owner != address(registry));
        bytes32 subnode = _subnode(NODE, label);
        vm.expectEmit(address(registry));
        emit INameRegistry.NewOwner(NODE, label, owner);
        vm.prank(ALICE);
        vm.assertEq(registry.setSubnodeOwner(NODE, label, owner), subnode);
        vm.assertEq(registry.owner(subnode), owner);
        vm.assertEq(registry.owner(NODE), ALICE);
    }

    function test_a_subnode_record_is_set_at_once(bytes32 label, uint64 ttl) public {
        vm.prank(ALICE);
        registry.setSubnodeRecord(NODE, label, MALLORY, address(resolver), ttl);
        bytes32 subnode = _subnode(NODE, label);
        vm.assertEq(registry.owner(subnode), MALLORY);
        vm.assertEq(registry.resolver(subnode), address(resolver));
        vm.assertEq(registry.ttl(subnode), ttl);
    }

    function test_an_operator_acts_for_the_owner_until_it_is_removed() public {
        vm.expectEmit(address(registry));
        emit INameRegistry.ApprovalForAll(ALICE, MALLORY, true);
        vm.prank(ALICE);
        registry.setApprovalForAll(MALLORY, true);
        vm.assertTrue(registry.isApprovedForAll(ALICE, MALLORY));
        vm.prank(MALLORY);
        registry.setTTL(NODE, 1);

        vm.prank(ALICE);
        registry.setApprovalForAll(MALLORY, false);
        _expectRefused(NODE, ALICE, MALLORY);
        registry.setTTL(NODE, 2);
    }

    function test_a_node_given_to_the_registry_counts_as_given_up() public {
        vm.prank(ALICE);
        registry.setOwner(NODE, address(registry));
        vm.assertEq(registry.owner(NODE), address(0));
        vm.assertTrue(registry.recordExists(NODE));
    }

    function test_a_stranger_changes_nothing(address stranger) public {
        vm.assume(stranger != ALICE);
        _expectRefused(NODE, ALICE, stranger);
        registry.setOwner(NODE, stranger);
        _expectRefused(NODE, ALICE, stranger);
        registry.setResolver(NODE, stranger);
        _expectRefused(NODE, ALICE, stranger);
        registry.setTTL(NODE, 1);
        _expectRefused(NODE, ALICE, stranger);
        registry.setRecord(NODE, stranger, stranger, 1);
        _expectRefused(NODE, ALICE, stranger);
        registry.setSubnodeOwner(NODE, LABEL, stranger);
        _expectRefused(NODE, ALICE, stranger);
        registry.setSubnodeRecord(NODE, LABEL, stranger, stranger, 1);
    }

    function test_the_owner_of_a_name_has_no_power_over_what_is_above_it() public {
        _expectRefused(NUBES, address(registrar), ALICE);
        registry.setSubnodeOwner(NUBES, keccak256("other"), ALICE);
        _expectRefused(ROOT, address(0), ALICE);
        registry.setSubnodeOwner(ROOT, keccak256("nubes"), ALICE);
    }

    function test_nobody_approved_by_somebody_else_takes_an_unowned_node(address stranger) public {
        vm.assume(stranger != address(0));
        vm.prank(stranger);
        registry.setApprovalForAll(stranger, true);
        _expectRefused(ROOT, address(0), stranger);
        registry.setOwner(ROOT, stranger);
    }

    function _expectRefused(bytes32 node, address owner, address caller) private {
        vm.expectRevert(abi.encodeWithSelector(NameRegistry.NotAuthorised.selector, node, owner, caller));
        vm.prank(caller);
    }
}
