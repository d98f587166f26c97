// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {INameRegistry, NAME_REGISTRY} from "./INameRegistry.sol";

/// @notice Gives away the names below `nubes`: who asks first has the name for good.
/// @dev Owns the node of `nubes` from genesis on. Knows labels only by hash, so it cannot judge their spelling; who
/// resolves a name normalises it first. A request can be seen and overtaken before it is final.
contract FirstComeRegistrar {
    /// @notice Node of the top-level name `nubes`.
    bytes32 public constant NODE = keccak256(abi.encodePacked(bytes32(0), keccak256("nubes")));

    mapping(bytes32 label => bool) private _given;

    event NameRegistered(bytes32 indexed label, address indexed owner, address resolver);

    /// @notice The name is gone. Choose another.
    error NameTaken(bytes32 label, address owner);
    /// @notice A name needs an owner.
    error OwnerMissing(bytes32 label);

    /// @notice Gives `label` to `owner`, without a resolver.
    function register(bytes32 label, address owner) external returns (bytes32) {
        return _register(label, owner, address(0));
    }

    /// @notice Gives `label` to `owner` and points it at `resolver` in the same step.
    function registerWith(bytes32 label, address owner, address resolver) external returns (bytes32) {
        return _register(label, owner, resolver);
    }

    /// @notice Whether nobody has asked for `label` yet.
    function available(bytes32 label) external view returns (bool) {
        return !_given[label];
    }

    function _register(bytes32 label, address owner, address resolver) private returns (bytes32 node) {
        node = keccak256(abi.encodePacked(NODE, label));
        // A name that was given up stays taken: its old records still stand in resolvers, and a new owner would
        // answer with them.
        if (_given[label]) revert NameTaken(label, INameRegistry(NAME_REGISTRY).owner(node));
        if (owner == address(0)) revert OwnerMissing(label);
        _given[label] = true;
        INameRegistry(NAME_REGISTRY).setSubnodeRecord(NODE, label, owner, resolver, 0);
        emit NameRegistered(label, owner, resolver);
    }
}
