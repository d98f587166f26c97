// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FirstComeRegistrar} from "../../src/names/FirstComeRegistrar.sol";
import {NAME_REGISTRY} from "../../src/names/INameRegistry.sol";
import {NameRegistry} from "../../src/names/NameRegistry.sol";
import {PublicResolver} from "../../src/names/PublicResolver.sol";
import {vm} from "../Vm.sol";

/// @dev The three contracts as genesis leaves them: code placed, no constructor run, one slot written.
abstract contract Names {
    bytes32 internal constant ROOT = bytes32(0);
    bytes32 internal constant NUBES = keccak256(abi.encodePacked(ROOT, keccak256("nubes")));
    bytes32 internal constant LABEL = keccak256("guestbook");
    bytes32 internal constant NODE = keccak256(abi.encodePacked(NUBES, LABEL));
    address internal constant ALICE = address(0xa11ce);
    address internal constant MALLORY = address(0xbad);

    NameRegistry internal constant registry = NameRegistry(NAME_REGISTRY);
    PublicResolver internal constant resolver = PublicResolver(0x4E75626573000000000000000000000000000001);
    FirstComeRegistrar internal constant registrar = FirstComeRegistrar(0x4E75626573000000000000000000000000000002);

    function setUp() public virtual {
        vm.etch(address(registry), type(NameRegistry).runtimeCode);
        vm.etch(address(resolver), type(PublicResolver).runtimeCode);
        vm.etch(address(registrar), type(FirstComeRegistrar).runtimeCode);
        _give(NUBES, address(registrar));
    }

    function _give(bytes32 node, address owner) internal {
        bytes32 ownerSlot = keccak256(abi.encode(node, 0));
        vm.store(address(registry), ownerSlot, bytes32(uint256(uint160(owner))));
    }

    function _subnode(bytes32 node, bytes32 label) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(node, label));
    }
}
