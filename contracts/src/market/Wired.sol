// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IDeals} from "./deals/IDeals.sol";
import {IProofs} from "./proofs/IProofs.sol";
import {IRegistry} from "./providers/IRegistry.sol";
import {IPayRails} from "./rails/Rail.sol";
import {IRepairJobs} from "./repair/IRepairJobs.sol";
import {ISlashingHub} from "./slashing/ISlashingHub.sol";

/// @dev Where the parts of one market are. The same in all of them, slot 0 to 11.
struct Market {
    IERC20 token;
    IRegistry registry;
    IPayRails rails;
    ISlashingHub hub;
    IProofs proofs;
    IDeals deals;
    IRepairJobs jobs;
    /// @dev Who may report faults. Unused places are zero.
    address[4] faultSources;
    /// @dev Token units below which a provider takes no new deals.
    uint256 stakeMin;
}

/// @notice Knows the other parts of its market, told once.
/// @dev Comes first in the layout, so `_market` starts at slot 0: genesis writes it there. On another chain,
/// `Deployment` creates and wires all parts in one transaction, so nobody comes between.
abstract contract Wired {
    Market internal _market;

    event MarketWired(Market market);

    error AlreadyWired(address token);
    error PartMissing();
    /// @notice Only the part at `expected` may call this.
    error CallerNotPart(address caller, address expected);

    /// @notice Tells the parts, for good.
    function wire(Market calldata market) external {
        if (address(_market.token) != address(0)) revert AlreadyWired(address(_market.token));
        if (
            address(market.token) == address(0) || address(market.registry) == address(0)
                || address(market.rails) == address(0) || address(market.hub) == address(0)
                || address(market.proofs) == address(0) || address(market.deals) == address(0)
                || address(market.jobs) == address(0)
        ) revert PartMissing();
        _market = market;
        emit MarketWired(market);
    }

    function marketOf() external view returns (Market memory) {
        return _market;
    }

    function _requirePart(address expected) internal view {
        if (msg.sender != expected || expected == address(0)) revert CallerNotPart(msg.sender, expected);
    }
}
