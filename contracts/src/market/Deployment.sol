// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Market, Wired} from "./Wired.sol";
import {IDeals} from "./deals/IDeals.sol";
import {IProofs} from "./proofs/IProofs.sol";
import {IRegistry} from "./providers/IRegistry.sol";
import {IPayRails} from "./rails/Rail.sol";
import {IRepairJobs} from "./repair/IRepairJobs.sol";
import {ISlashingHub} from "./slashing/ISlashingHub.sol";

/// @notice Creates and wires one storage market on a chain whose genesis does not have it, in one transaction.
/// @dev The parts' creation codes come in as arguments, from the committed artifacts: a contract that held them all
/// would be larger than EIP-170 allows. The caller chooses what is wired; who is given a market compares the codes.
contract Deployment {
    event MarketDeployed(Market market);

    error CreationFailed(uint256 part);
    error CodesExpected(uint256 count, uint256 expected);

    /// @notice Creates registry, rails, hub, proofs, deals and jobs from their creation codes, in this order.
    function deploy(IERC20 token, uint256 stakeMin, bytes[] calldata codes) external returns (Market memory market) {
        if (codes.length != 6) revert CodesExpected(codes.length, 6);
        market.token = token;
        market.stakeMin = stakeMin;
        market.registry = IRegistry(_create(codes, 0));
        market.rails = IPayRails(_create(codes, 1));
        market.hub = ISlashingHub(_create(codes, 2));
        market.proofs = IProofs(_create(codes, 3));
        market.deals = IDeals(_create(codes, 4));
        market.jobs = IRepairJobs(_create(codes, 5));
        market.faultSources[0] = address(market.deals);
        Wired(address(market.registry)).wire(market);
        Wired(address(market.hub)).wire(market);
        Wired(address(market.proofs)).wire(market);
        Wired(address(market.deals)).wire(market);
        Wired(address(market.jobs)).wire(market);
        emit MarketDeployed(market);
    }

    function _create(bytes[] calldata codes, uint256 part) private returns (address created) {
        bytes memory code = codes[part];
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
        if (created == address(0)) revert CreationFailed(part);
    }
}
