// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev Faults that a contract can decide by itself. Nothing measured, nothing voted.
enum FaultKind {
    ProofMissed,
    Equivocation,
    WrongResult
}

interface ISlashingHub {
    /// @notice Executes a fault once and says how many token units the beneficiary was sent.
    function report(
        address provider,
        uint256 dealId,
        FaultKind kind,
        uint256 evidence,
        uint256 units,
        address beneficiary
    ) external returns (uint256 slashed);
}
