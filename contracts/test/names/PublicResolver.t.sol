// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    IAddrResolver,
    IAddressResolver,
    IContentHashResolver,
    ITextResolver,
    IVersionableResolver
} from "../../src/names/IResolver.sol";
import {PublicResolver} from "../../src/names/PublicResolver.sol";
import {vm} from "../Vm.sol";
import {Names} from "./Names.sol";

contract PublicResolverTest is Names {
    function setUp() public override {
        super.setUp();
        _give(NODE, ALICE);
    }

    function test_a_text_is_read_back(string calldata key, string calldata value) public {
        vm.expectEmit(address(resolver));
        emit ITextResolver.TextChanged(NODE, key, key, value);
        vm.prank(ALICE);
        resolver.setText(NODE, key, value);
        vm.assertEq(resolver.text(NODE, key), value);
    }

    function test_a_contenthash_is_read_back(bytes calldata hash) public {
        vm.expectEmit(address(resolver));
        emit IContentHashResolver.ContenthashChanged(NODE, hash);
        vm.prank(ALICE);
        resolver.setContenthash(NODE, hash);
        vm.assertEq(resolver.contenthash(NODE), hash);
    }

    function test_an_address_is_the_address_of_coin_type_60(address a) public {
        vm.expectEmit(address(resolver));
        emit IAddressResolver.AddressChanged(NODE, 60, abi.encodePacked(a));
        vm.expectEmit(address(resolver));
        emit IAddrResolver.AddrChanged(NODE, a);
        vm.prank(ALICE);
        resolver.setAddr(NODE, a);
        vm.assertEq(resolver.addr(NODE), a);
        vm.assertEq(resolver.addr(NODE, 60), abi.encodePacked(a));
    }

    function test_addresses_of_other_chains_have_any_length(uint256 coinType, bytes calldata a) public {
        vm.assume(coinType != 60);
        vm.prank(ALICE);
        resolver.setAddr(NODE, coinType, a);
        vm.assertEq(resolver.addr(NODE, coinType), a);
        vm.assertEq(resolver.addr(NODE), address(0));
    }

    function test_an_ethereum_address_has_20_bytes_or_none() public {
        vm.startPrank(ALICE);
        resolver.setAddr(NODE, MALLORY);
        vm.expectRevert(abi.encodeWithSelector(PublicResolver.InvalidAddressLength.selector, 19));
        resolver.setAddr(NODE, 60, new bytes(19));
        vm.expectRevert(abi.encodeWithSelector(PublicResolver.InvalidAddressLength.selector, 21));
        resolver.setAddr(NODE, 60, new bytes(21));
        resolver.setAddr(NODE, 60, "");
        vm.assertEq(resolver.addr(NODE), address(0));
    }

    function test_several_records_are_written_in_one_call() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(resolver.setText, (NODE, "nubes.app", "bafy"));
        calls[1] = abi.encodeCall(resolver.setContenthash, (NODE, hex"e301"));
        vm.prank(ALICE);
        resolver.multicall(calls);
        vm.assertEq(resolver.text(NODE, "nubes.app"), "bafy");
        vm.assertEq(resolver.contenthash(NODE), hex"e301");
    }

    function test_several_calls_are_written_together_or_not_at_all() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(resolver.setText, (NODE, "nubes.app", "bafy"));
        calls[1] = abi.encodeCall(resolver.setText, (NUBES, "nubes.app", "bafy"));
        vm.prank(ALICE);
        vm.expectRevert(_refusal(NUBES, address(registrar), ALICE));
        resolver.multicall(calls);
        vm.assertEq(resolver.text(NODE, "nubes.app"), "");
    }

    function test_cleared_records_are_gone_and_new_ones_are_read(string calldata key, string calldata value) public {
        bytes32 other = _subnode(NODE, LABEL);
        _give(other, ALICE);
        vm.startPrank(ALICE);
        resolver.setText(NODE, key, value);
        resolver.setAddr(NODE, ALICE);
        resolver.setContenthash(NODE, hex"e301");
        resolver.setText(other, key, value);
        vm.expectEmit(address(resolver));
        emit IVersionableResolver.VersionChanged(NODE, 1);
        resolver.clearRecords(NODE);
        vm.assertEq(resolver.recordVersions(NODE), 1);
        vm.assertEq(resolver.text(NODE, key), "");
        vm.assertEq(resolver.addr(NODE), address(0));
        vm.assertEq(resolver.contenthash(NODE), "");
        vm.assertEq(resolver.text(other, key), value);
        resolver.setText(NODE, key, value);
        vm.assertEq(resolver.text(NODE, key), value);
    }

    function test_records_are_replaced_in_one_call() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(resolver.clearRecords, (NODE));
        calls[1] = abi.encodeCall(resolver.setText, (NODE, "new", "value"));
        vm.startPrank(ALICE);
        resolver.setText(NODE, "old", "value");
        resolver.multicall(calls);
        vm.assertEq(resolver.text(NODE, "old"), "");
        vm.assertEq(resolver.text(NODE, "new"), "value");
    }

    function test_an_operator_of_the_owner_writes() public {
        vm.prank(ALICE);
        registry.setApprovalForAll(MALLORY, true);
        vm.prank(MALLORY);
        resolver.setText(NODE, "key", "value");
        vm.assertEq(resolver.text(NODE, "key"), "value");
    }

    function test_a_stranger_writes_nothing(address stranger) public {
        vm.assume(stranger != ALICE);
        vm.startPrank(stranger);
        vm.expectRevert(_refusal(NODE, ALICE, stranger));
        resolver.setAddr(NODE, stranger);
        vm.expectRevert(_refusal(NODE, ALICE, stranger));
        resolver.setAddr(NODE, 0, hex"00");
        vm.expectRevert(_refusal(NODE, ALICE, stranger));
        resolver.setText(NODE, "key", "value");
        vm.expectRevert(_refusal(NODE, ALICE, stranger));
        resolver.setContenthash(NODE, hex"e301");
        vm.expectRevert(_refusal(NODE, ALICE, stranger));
        resolver.clearRecords(NODE);

        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(resolver.setText, (NODE, "key", "value"));
        vm.expectRevert(_refusal(NODE, ALICE, stranger));
        resolver.multicall(calls);
    }

    function test_who_gave_a_name_away_writes_nothing_any_more() public {
        vm.startPrank(ALICE);
        registry.setOwner(NODE, MALLORY);
        vm.expectRevert(_refusal(NODE, MALLORY, ALICE));
        resolver.setText(NODE, "key", "value");
    }

    function test_it_says_which_interfaces_it_has() public view {
        vm.assertTrue(resolver.supportsInterface(0x01ffc9a7));
        vm.assertTrue(resolver.supportsInterface(0x3b3b57de));
        vm.assertTrue(resolver.supportsInterface(0xf1cb7e06));
        vm.assertTrue(resolver.supportsInterface(0x59d1d43c));
        vm.assertTrue(resolver.supportsInterface(0xbc1c58d1));
        vm.assertTrue(resolver.supportsInterface(0xd700ff33));
        vm.assertFalse(resolver.supportsInterface(0xffffffff));
    }

    function _refusal(bytes32 node, address owner, address caller) private pure returns (bytes memory) {
        return abi.encodeWithSelector(PublicResolver.NotAuthorised.selector, node, owner, caller);
    }
}
