// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TestDollar} from "../../src/token/TestDollar.sol";
import {vm} from "../Vm.sol";

/// @dev The token as genesis leaves it: code placed, no constructor run, balances and supply written as slots.
abstract contract Dollars {
    struct Transfer {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    struct Signature {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    uint256 internal constant SUPPLY = 999_999e6;
    uint256 internal constant NOW = 1_800_000_000;
    TestDollar internal constant dollar = TestDollar(0x4E75626573000000000000000000000000000003);

    function _genesis(address[] memory holders) internal {
        vm.warp(NOW);
        vm.etch(address(dollar), type(TestDollar).runtimeCode);
        for (uint256 i = 0; i < holders.length; ++i) {
            vm.store(address(dollar), keccak256(abi.encode(holders[i], 0)), bytes32(SUPPLY / holders.length));
        }
        vm.store(address(dollar), bytes32(uint256(2)), bytes32(SUPPLY));
    }

    function _sign(uint256 key, bytes32 typehash, Transfer memory t) internal view returns (Signature memory) {
        bytes32 content = keccak256(abi.encode(typehash, t.from, t.to, t.value, t.validAfter, t.validBefore, t.nonce));
        return _signContent(key, content);
    }

    function _signContent(uint256 key, bytes32 content) internal view returns (Signature memory signature) {
        (signature.v, signature.r, signature.s) = vm.sign(key, _digest(content));
    }

    /// @dev Written out from EIP-712 and independent of the contract's own code.
    function _digest(bytes32 content) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Test Dollar"),
                keccak256("1"),
                block.chainid,
                address(dollar)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    function _transfer(Transfer memory t, Signature memory g) internal {
        dollar.transferWithAuthorization(t.from, t.to, t.value, t.validAfter, t.validBefore, t.nonce, g.v, g.r, g.s);
    }

    function _transferBytes(Transfer memory t, bytes memory signature) internal {
        dollar.transferWithAuthorization(t.from, t.to, t.value, t.validAfter, t.validBefore, t.nonce, signature);
    }

    function _receive(Transfer memory t, Signature memory g) internal {
        dollar.receiveWithAuthorization(t.from, t.to, t.value, t.validAfter, t.validBefore, t.nonce, g.v, g.r, g.s);
    }

    function _pack(Signature memory g) internal pure returns (bytes memory) {
        return abi.encodePacked(g.r, g.s, g.v);
    }
}
