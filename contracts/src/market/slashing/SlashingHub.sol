// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Wired} from "../Wired.sol";
import {FaultKind, ISlashingHub} from "./ISlashingHub.sol";

/// @notice Turns objective faults into lost stake. Holds no money and decides nothing: the sources, fixed when the
/// market was wired, are contracts that found the fault by their own rules.
contract SlashingHub is Wired, ISlashingHub {
    mapping(bytes32 faultId => bool) private _executed;

    event FaultExecuted(
        bytes32 indexed faultId,
        address indexed provider,
        uint256 indexed dealId,
        address source,
        FaultKind kind,
        uint256 evidence,
        uint256 asked,
        uint256 slashed,
        address beneficiary
    );

    error NotFaultSource(address caller);
    error FaultKnown(bytes32 faultId);

    /// @notice Slashes at most the stake. `evidence` tells apart faults of one kind in one deal, such as the period.
    function report(
        address provider,
        uint256 dealId,
        FaultKind kind,
        uint256 evidence,
        uint256 units,
        address beneficiary
    ) external returns (uint256 slashed) {
        if (!_isSource(msg.sender)) revert NotFaultSource(msg.sender);
        bytes32 id = faultId(msg.sender, provider, dealId, kind, evidence);
        if (_executed[id]) revert FaultKnown(id);
        _executed[id] = true;
        slashed = _market.registry.slash(provider, units, beneficiary);
        emit FaultExecuted(id, provider, dealId, msg.sender, kind, evidence, units, slashed, beneficiary);
    }

    function isExecuted(bytes32 id) external view returns (bool) {
        return _executed[id];
    }

    function faultId(address source, address provider, uint256 dealId, FaultKind kind, uint256 evidence)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(source, provider, dealId, kind, evidence));
    }

    function _isSource(address caller) private view returns (bool) {
        if (caller == address(0)) return false;
        for (uint256 i = 0; i < _market.faultSources.length; ++i) {
            if (_market.faultSources[i] == caller) return true;
        }
        return false;
    }
}
