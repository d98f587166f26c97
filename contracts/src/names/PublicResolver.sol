// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {INameRegistry, NAME_REGISTRY} from "./INameRegistry.sol";
import {IAddrResolver, IAddressResolver, IContentHashResolver, ITextResolver} from "./IResolver.sol";

/// @notice Records of any name. The owner of a name in the registry, or an operator of the owner, writes them.
contract PublicResolver is IAddrResolver, IAddressResolver, ITextResolver, IContentHashResolver, ERC165, Multicall {
    /// @dev SLIP-44.
    uint256 private constant COIN_TYPE_ETHEREUM = 60;
    uint256 private constant ETHEREUM_ADDRESS_BYTES = 20;

    mapping(bytes32 node => mapping(uint256 coinType => bytes)) private _addresses;
    mapping(bytes32 node => mapping(string key => string)) private _texts;
    mapping(bytes32 node => bytes) private _contenthashes;

    /// @notice Only the owner of `node` or an operator of the owner may do this.
    error NotAuthorised(bytes32 node, address owner, address caller);
    /// @notice An Ethereum address has 20 bytes, or none to remove the record.
    error InvalidAddressLength(uint256 length);

    modifier authorised(bytes32 node) {
        _requireAuthorised(node);
        _;
    }

    function setAddr(bytes32 node, address a) external authorised(node) {
        _setAddr(node, COIN_TYPE_ETHEREUM, abi.encodePacked(a));
    }

    function setAddr(bytes32 node, uint256 coinType, bytes calldata a) external authorised(node) {
        _setAddr(node, coinType, a);
    }

    function setText(bytes32 node, string calldata key, string calldata value) external authorised(node) {
        _texts[node][key] = value;
        emit TextChanged(node, key, key, value);
    }

    function setContenthash(bytes32 node, bytes calldata hash) external authorised(node) {
        _contenthashes[node] = hash;
        emit ContenthashChanged(node, hash);
    }

    function addr(bytes32 node) external view returns (address payable) {
        return payable(_toAddress(_addresses[node][COIN_TYPE_ETHEREUM]));
    }

    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory) {
        return _addresses[node][coinType];
    }

    function text(bytes32 node, string calldata key) external view returns (string memory) {
        return _texts[node][key];
    }

    function contenthash(bytes32 node) external view returns (bytes memory) {
        return _contenthashes[node];
    }

    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == type(IAddrResolver).interfaceId || id == type(IAddressResolver).interfaceId
            || id == type(ITextResolver).interfaceId || id == type(IContentHashResolver).interfaceId
            || super.supportsInterface(id);
    }

    function _requireAuthorised(bytes32 node) private view {
        INameRegistry registry = INameRegistry(NAME_REGISTRY);
        address owner = registry.owner(node);
        if (owner != msg.sender && !registry.isApprovedForAll(owner, msg.sender)) {
            revert NotAuthorised(node, owner, msg.sender);
        }
    }

    function _setAddr(bytes32 node, uint256 coinType, bytes memory a) private {
        bool isEthereum = coinType == COIN_TYPE_ETHEREUM;
        if (isEthereum && a.length != 0 && a.length != ETHEREUM_ADDRESS_BYTES) {
            revert InvalidAddressLength(a.length);
        }
        _addresses[node][coinType] = a;
        emit AddressChanged(node, coinType, a);
        if (isEthereum) emit AddrChanged(node, _toAddress(a));
    }

    function _toAddress(bytes memory a) private pure returns (address) {
        return address(bytes20(a));
    }
}
