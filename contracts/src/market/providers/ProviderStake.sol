// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Wired} from "../Wired.sol";
import {IRegistry, Stake} from "./IRegistry.sol";

/// @notice Money that a provider stands to lose. It comes out after a cooldown, and never while deals are active.
abstract contract ProviderStake is Wired, ReentrancyGuardTransient, IRegistry {
    using SafeERC20 for IERC20;

    uint256 public constant COOLDOWN = 7 days;

    mapping(address provider => Stake) private _stakes;

    event StakeDeposited(address indexed provider, address indexed payer, uint256 units);
    event ExitBegun(address indexed provider, uint256 units, uint256 exitAt);
    event ExitCancelled(address indexed provider);
    event StakeWithdrawn(address indexed provider, uint256 units);
    event StakeSlashed(address indexed provider, uint256 asked, uint256 slashed, address indexed to);

    error NothingArrived();
    error ExitAboveStake(uint256 units, uint256 stake);
    error NoExit(address provider);
    error ExitTooEarly(uint256 exitAt, uint256 timestamp);
    error DealsActive(address provider, uint256 count);
    /// @notice The provider is unknown, does not accept, is leaving, or has too little stake.
    error NoNewDeals(address provider);

    /// @notice Adds to a provider's stake. What counts is what arrives.
    function depositStake(address provider, uint256 units) external nonReentrant {
        uint256 before = _market.token.balanceOf(address(this));
        _market.token.safeTransferFrom(msg.sender, address(this), units);
        uint256 arrived = _market.token.balanceOf(address(this)) - before;
        if (arrived == 0) revert NothingArrived();
        _stakes[provider].units += arrived;
        emit StakeDeposited(provider, msg.sender, arrived);
    }

    /// @notice Announces a withdrawal. From here on the announced part does not count for new deals, and the cooldown
    /// starts anew with each announcement.
    function beginExit(uint256 units) external {
        Stake storage stake = _stakes[msg.sender];
        if (units == 0 || stake.units < units) revert ExitAboveStake(units, stake.units);
        stake.exitingUnits = units;
        stake.exitAt = uint64(block.timestamp + COOLDOWN);
        emit ExitBegun(msg.sender, units, stake.exitAt);
    }

    function cancelExit() external {
        Stake storage stake = _stakes[msg.sender];
        (stake.exitingUnits, stake.exitAt) = (0, 0);
        emit ExitCancelled(msg.sender);
    }

    /// @notice Takes out what was announced, or what slashing left of it.
    function finalizeExit() external nonReentrant returns (uint256 units) {
        Stake storage stake = _stakes[msg.sender];
        if (stake.exitAt == 0) revert NoExit(msg.sender);
        if (block.timestamp < stake.exitAt) revert ExitTooEarly(stake.exitAt, block.timestamp);
        if (stake.activeDeals != 0) revert DealsActive(msg.sender, stake.activeDeals);
        units = stake.exitingUnits;
        (stake.units, stake.exitingUnits, stake.exitAt) = (stake.units - units, 0, 0);
        _market.token.safeTransfer(msg.sender, units);
        emit StakeWithdrawn(msg.sender, units);
    }

    /// @notice Counts a new deal of a provider who may take one.
    function lock(address provider) external {
        _requirePart(address(_market.deals));
        if (!takesDeals(provider)) revert NoNewDeals(provider);
        ++_stakes[provider].activeDeals;
    }

    function unlock(address provider) external {
        _requirePart(address(_market.deals));
        --_stakes[provider].activeDeals;
    }

    /// @notice Takes at most the whole stake, and says how much.
    function slash(address provider, uint256 units, address to) external nonReentrant returns (uint256 slashed) {
        _requirePart(address(_market.hub));
        Stake storage stake = _stakes[provider];
        slashed = units < stake.units ? units : stake.units;
        stake.units -= slashed;
        if (stake.units < stake.exitingUnits) stake.exitingUnits = stake.units;
        _market.token.safeTransfer(to, slashed);
        emit StakeSlashed(provider, units, slashed, to);
    }

    function stakeOf(address provider) external view returns (Stake memory) {
        return _stakes[provider];
    }

    function takesDeals(address provider) public view virtual override returns (bool) {
        Stake storage stake = _stakes[provider];
        return _market.stakeMin <= stake.units - stake.exitingUnits;
    }
}
