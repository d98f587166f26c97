// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {INameRegistry, NAME_REGISTRY} from "./INameRegistry.sol";
import {
    IAddrResolver,
    IAddressResolver,
    IContentHashResolver,
    ITextResolver,
    IVersionableResolver
} from "./IResolver.sol";

/// @notice Records of any name. The owner of a name in the registry, or an operator of the owner, writes them.
contract PublicResolver is
    IAddrResolver,
    IAddressResolver,
    ITextResolver,
    IContentHashResolver,
    IVersionableResolver,
    ERC165,
    Multicall
{
    /// @dev SLIP-44.
    uint256 private constant COIN_TYPE_ETHEREUM = 60;
    uint256 private constant ETHEREUM_ADDRESS_BYTES = 20;

    /// @dev Everything that can be said of a name at one version.
    struct Records {
        mapping(uint256 coinType => bytes) addresses;
        mapping(string key => string) texts;
        bytes contenthash;
    }

    mapping(bytes32 node => uint64) private _versions;
    mapping(bytes32 node => mapping(uint64 version => Records)) private _records;

    /// @notice Only the owner of `node` or an operator of the owner may do this.
    error NotAuthorised(bytes32 node, address owner, address caller);
    /// @notice An Ethereum address has 20 bytes, or none to remove the record.
    error InvalidAddressLength(uint256 length);

    modifier authorised(bytes32 node) {
        _requireAuthorised(node);
        _;
    }

    /// @notice Forgets every record of `node`.
    function clearRecords(bytes32 node) external authorised(node) {
        uint64 version = ++_versions[node];
        emit VersionChanged(node, version);
    }

    function setAddr(bytes32 node, address a) external authorised(node) {
        _setAddr(node, COIN_TYPE_ETHEREUM, abi.encodePacked(a));
    }

    function setAddr(bytes32 node, uint256 coinType, bytes calldata a) external authorised(node) {
        _setAddr(node, coinType, a);
    }

    function setText(bytes32 node, string calldata key, string calldata value) external authorised(node) {
        _current(node).texts[key] = value;
        emit TextChanged(node, key, key, value);
    }

    function setContenthash(bytes32 node, bytes calldata hash) external authorised(node) {
        _current(node).contenthash = hash;
        emit ContenthashChanged(node, hash);
    }

    function addr(bytes32 node) external view returns (address payable) {
        return payable(_toAddress(_current(node).addresses[COIN_TYPE_ETHEREUM]));
    }

    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory) {
        return _current(node).addresses[coinType];
    }

    function text(bytes32 node, string calldata key) external view returns (string memory) {
        return _current(node).texts[key];
    }

    function contenthash(bytes32 node) external view returns (bytes memory) {
        return _current(node).contenthash;
    }

    function recordVersions(bytes32 node) external view returns (uint64) {
        return _versions[node];
    }

    function supportsInterface(bytes4 id) public view override returns (bool) {
        return id == type(IAddrResolver).interfaceId || id == type(IAddressResolver).interfaceId
            || id == type(ITextResolver).interfaceId || id == type(IContentHashResolver).interfaceId
            || id == type(IVersionableResolver).interfaceId || super.supportsInterface(id);
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
        _current(node).addresses[coinType] = a;
        emit AddressChanged(node, coinType, a);
        if (isEthereum) emit AddrChanged(node, _toAddress(a));
    }

    function _current(bytes32 node) private view returns (Records storage) {
        return _records[node][_versions[node]];
    }

    function _toAddress(bytes memory a) private pure returns (address) {
        return address(bytes20(a));
    }
}
