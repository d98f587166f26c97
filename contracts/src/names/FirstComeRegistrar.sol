// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {INameRegistry, NAME_REGISTRY} from "./INameRegistry.sol";
import {PUBLIC_RESOLVER} from "./IResolver.sol";
import {PublicResolver} from "./PublicResolver.sol";

/// @notice Gives away the names below `nubes` for a time: who asks first has the name until 90 days after it expires.
/// @dev Owns the node of `nubes` from genesis on. Knows labels only by hash, so it cannot judge their spelling; who
/// resolves a name normalises it first. A request can be seen and overtaken before it is final.
///
/// As in ENS, a name that has expired stays with its owner, resolves, and can be renewed, until somebody else takes it
/// after the grace. Who takes it begins without records in the public resolver. Two things of the former owner stay, as
/// in ENS: names below it in the registry, which the new owner may take from whoever has them, and records in resolvers
/// other than the public one.
contract FirstComeRegistrar {
    /// @notice Node of the top-level name `nubes`.
    bytes32 public constant NODE = keccak256(abi.encodePacked(bytes32(0), keccak256("nubes")));
    /// @notice Seconds after its expiry in which a name can be renewed and nobody else can have it.
    uint64 public constant GRACE = 90 days;
    /// @notice A name is taken and renewed for at least so many seconds.
    uint64 public constant DURATION_MIN = 28 days;
    /// @notice A name expires at most so many seconds from now. It costs nothing, so there is no other bound.
    uint64 public constant DURATION_MAX = 3650 days;

    mapping(bytes32 label => uint64) private _expiries;

    event NameRegistered(bytes32 indexed label, address indexed owner, address resolver, uint64 expiresAt);
    event NameRenewed(bytes32 indexed label, uint64 expiresAt);

    /// @notice The name is somebody's until the grace after `expiresAt` is over. Choose another.
    error NameTaken(bytes32 label, address owner, uint64 expiresAt);
    /// @notice The name is nobody's, so there is nothing to renew. Register it.
    error NameFree(bytes32 label);
    /// @notice A name needs an owner.
    error OwnerMissing(bytes32 label);
    /// @notice Too short, or it would expire more than the longest duration from now.
    error DurationOutOfRange(uint64 duration, uint64 min, uint64 max);

    /// @notice Gives `label` to `owner` for `duration` seconds, without a resolver.
    function register(bytes32 label, address owner, uint64 duration) external returns (bytes32) {
        return _register(label, owner, address(0), duration);
    }

    /// @notice Gives `label` to `owner` for `duration` seconds and points it at `resolver` in the same step.
    function registerWith(bytes32 label, address owner, address resolver, uint64 duration) external returns (bytes32) {
        return _register(label, owner, resolver, duration);
    }

    /// @notice Has `label` expire `duration` seconds later, whoever asks: it can only be to the owner's good.
    function renew(bytes32 label, uint64 duration) external returns (uint64 expiry) {
        if (available(label)) revert NameFree(label);
        expiry = _expiries[label];
        uint64 latest = uint64(block.timestamp) + DURATION_MAX;
        // Not negative: no name expires after `latest`.
        _requireWithin(duration, latest - expiry);
        expiry += duration;
        _expiries[label] = expiry;
        emit NameRenewed(label, expiry);
    }

    /// @notice When `label` expires or has expired, in seconds since the epoch; zero if nobody ever asked for it.
    function expiresAt(bytes32 label) external view returns (uint64) {
        return _expiries[label];
    }

    /// @notice Whether `label` can be registered: nobody ever did, or the grace is over.
    function available(bytes32 label) public view returns (bool) {
        uint64 expiry = _expiries[label];
        return expiry == 0 || expiry + GRACE < block.timestamp;
    }

    function _register(bytes32 label, address owner, address resolver, uint64 duration)
        private
        returns (bytes32 node)
    {
        INameRegistry registry = INameRegistry(NAME_REGISTRY);
        node = keccak256(abi.encodePacked(NODE, label));
        uint64 before = _expiries[label];
        if (!available(label)) revert NameTaken(label, registry.owner(node), before);
        if (owner == address(0)) revert OwnerMissing(label);
        _requireWithin(duration, DURATION_MAX);
        uint64 expiry = uint64(block.timestamp) + duration;
        _expiries[label] = expiry;
        // Records that the former owner wrote would answer for the new one. Only who has the node may clear them.
        if (before > 0) {
            registry.setSubnodeRecord(NODE, label, address(this), resolver, 0);
            PublicResolver(PUBLIC_RESOLVER).clearRecords(node);
        }
        registry.setSubnodeRecord(NODE, label, owner, resolver, 0);
        emit NameRegistered(label, owner, resolver, expiry);
    }

    function _requireWithin(uint64 duration, uint64 max) private pure {
        if (duration < DURATION_MIN || max < duration) revert DurationOutOfRange(duration, DURATION_MIN, max);
    }
}
