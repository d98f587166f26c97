// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Account} from "../../src/market/rails/Lockup.sol";
import {Deal, DealState} from "../../src/market/deals/IDeals.sol";
import {Job} from "../../src/market/repair/RepairJobs.sol";
import {vm} from "../Vm.sol";
import {MarketThief} from "./MarketThief.sol";
import {Markets} from "./Markets.sol";

contract MarketConservationTest is Markets {
    MarketThief private _thief;

    function setUp() public {
        _thief = new MarketThief();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_thief);
    }

    function invariant_every_contract_holds_what_it_owes() external view {
        uint256 staked = 0;
        uint256 claimable = 0;
        uint256 funds = 0;
        for (uint256 i = 0; i < 3; ++i) {
            address person = _thief.people(i);
            staked += registry.stakeOf(person).units;
            claimable += jobs.claimableOf(person);
            Account memory account = rails.accountOf(address(dollar), person);
            vm.assertLe(account.locked, account.funds);
            funds += account.funds;
        }
        uint256 jobMoney = 0;
        uint256[2] memory active;
        for (uint256 id = 0; id < deals.dealCount(); ++id) {
            Job memory job = jobs.jobOf(id);
            jobMoney += job.bounty + job.deposit;
            Deal memory deal = deals.dealOf(id);
            bool isRunning = DealState.Active <= deal.state && deal.state <= DealState.Notice;
            if (isRunning) ++active[deal.terms.provider == PROVIDER ? 0 : 1];
        }
        vm.assertEq(dollar.balanceOf(address(registry)), staked);
        vm.assertEq(jobs.booked(), jobMoney + claimable);
        vm.assertEq(dollar.balanceOf(address(jobs)), jobs.booked());
        vm.assertEq(dollar.balanceOf(address(rails)) * PARTS, funds);
        vm.assertEq(dollar.balanceOf(address(hub)), 0);
        vm.assertEq(dollar.balanceOf(address(deals)), 0);
        // A provider's stake stays locked for exactly the deals that run.
        vm.assertEq(registry.stakeOf(PROVIDER).activeDeals, active[0]);
        vm.assertEq(registry.stakeOf(OTHER).activeDeals, active[1]);
    }
}
