// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @notice EIP-712 domain of a contract that genesis places without running a constructor.
/// @dev OpenZeppelin's EIP712 keeps the hashes of name and version in immutables, which would all be zero here; this
/// one computes the separator from the chain and the address it runs at, each time.
abstract contract TypedDomain is IERC5267 {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    /// @dev Name, version, chain and contract are used; salt is not.
    bytes1 private constant DOMAIN_FIELDS = hex"0f";

    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (
            DOMAIN_FIELDS, _domainName(), _domainVersion(), block.chainid, address(this), bytes32(0), new uint256[](0)
        );
    }

    function _domainName() internal view virtual returns (string memory);

    function _domainVersion() internal view virtual returns (string memory);

    function _domainSeparator() internal view returns (bytes32) {
        bytes32 name = keccak256(bytes(_domainName()));
        bytes32 version = keccak256(bytes(_domainVersion()));
        return keccak256(abi.encode(DOMAIN_TYPEHASH, name, version, block.chainid, address(this)));
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domainSeparator(), structHash);
    }
}
