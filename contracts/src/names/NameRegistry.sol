// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {INameRegistry} from "./INameRegistry.sol";

/// @notice The tree of names. Whoever owns a node decides about the node and everything below it.
/// @dev Has no constructor: genesis places the code and writes the first owner into `_records`.
contract NameRegistry is INameRegistry {
    struct Record {
        address owner;
        address resolver;
        uint64 ttl;
    }

    mapping(bytes32 node => Record) private _records;
    mapping(address owner => mapping(address operator => bool)) private _operators;

    /// @notice Only the owner of `node` or an operator of the owner may do this.
    error NotAuthorised(bytes32 node, address owner, address caller);

    modifier authorised(bytes32 node) {
        _requireAuthorised(node);
        _;
    }

    function setRecord(bytes32 node, address newOwner, address newResolver, uint64 newTtl) external authorised(node) {
        _setOwner(node, newOwner);
        emit Transfer(node, newOwner);
        _setResolver(node, newResolver);
        _setTtl(node, newTtl);
    }

    function setSubnodeRecord(bytes32 node, bytes32 label, address newOwner, address newResolver, uint64 newTtl)
        external
        authorised(node)
    {
        bytes32 subnode = _setSubnodeOwner(node, label, newOwner);
        _setResolver(subnode, newResolver);
        _setTtl(subnode, newTtl);
    }

    function setSubnodeOwner(bytes32 node, bytes32 label, address newOwner)
        external
        authorised(node)
        returns (bytes32)
    {
        return _setSubnodeOwner(node, label, newOwner);
    }

    function setOwner(bytes32 node, address newOwner) external authorised(node) {
        _setOwner(node, newOwner);
        emit Transfer(node, newOwner);
    }

    function setResolver(bytes32 node, address newResolver) external authorised(node) {
        _records[node].resolver = newResolver;
        emit NewResolver(node, newResolver);
    }

    function setTTL(bytes32 node, uint64 newTtl) external authorised(node) {
        _records[node].ttl = newTtl;
        emit NewTTL(node, newTtl);
    }

    function setApprovalForAll(address operator, bool approved) external {
        _operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    /// @notice The owner of `node`, or zero. Nodes given to the registry itself count as given up.
    function owner(bytes32 node) external view returns (address) {
        address holder = _records[node].owner;
        return holder == address(this) ? address(0) : holder;
    }

    function resolver(bytes32 node) external view returns (address) {
        return _records[node].resolver;
    }

    function ttl(bytes32 node) external view returns (uint64) {
        return _records[node].ttl;
    }

    function recordExists(bytes32 node) external view returns (bool) {
        return _records[node].owner != address(0);
    }

    function isApprovedForAll(address holder, address operator) external view returns (bool) {
        return _operators[holder][operator];
    }

    function _requireAuthorised(bytes32 node) private view {
        address holder = _records[node].owner;
        if (holder != msg.sender && !_operators[holder][msg.sender]) {
            revert NotAuthorised(node, holder, msg.sender);
        }
    }

    function _setSubnodeOwner(bytes32 node, bytes32 label, address newOwner) private returns (bytes32 subnode) {
        subnode = keccak256(abi.encodePacked(node, label));
        _setOwner(subnode, newOwner);
        emit NewOwner(node, label, newOwner);
    }

    function _setOwner(bytes32 node, address newOwner) private {
        _records[node].owner = newOwner;
    }

    // As in ENS, setting a whole record reports only what differs; indexers rely on it.
    function _setResolver(bytes32 node, address newResolver) private {
        if (newResolver != _records[node].resolver) {
            _records[node].resolver = newResolver;
            emit NewResolver(node, newResolver);
        }
    }

    function _setTtl(bytes32 node, uint64 newTtl) private {
        if (newTtl != _records[node].ttl) {
            _records[node].ttl = newTtl;
            emit NewTTL(node, newTtl);
        }
    }
}
