// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Account} from "../../../src/market/rails/Lockup.sol";
import {PayRails} from "../../../src/market/rails/PayRails.sol";
import {Rail, Segment} from "../../../src/market/rails/Rail.sol";
import {Approval} from "../../../src/market/rails/RailApprovals.sol";
import {vm} from "../../Vm.sol";
import {RailThief} from "./RailThief.sol";

contract RailConservationTest {
    uint256 private constant PARTS = 1e18;

    RailThief private _thief;
    PayRails private _rails;

    function setUp() public {
        _thief = new RailThief();
        _rails = _thief.rails();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_thief);
    }

    function invariant_accounts_hold_what_the_contract_holds_and_nobody_is_overpaid() external view {
        vm.assertEq(_thief.overpaid(), 0);
        vm.assertEq(_thief.reentries(), 0);
        for (uint256 t = 0; t < 4; ++t) {
            address token = _thief.tokenAt(t);
            uint256 sum = 0;
            for (uint256 i = 0; i < _thief.people(); ++i) {
                Account memory account = _rails.accountOf(token, _thief.person(i));
                vm.assertLe(account.locked, account.funds);
                sum += account.funds;
            }
            vm.assertEq(sum, IERC20(token).balanceOf(address(_rails)) * PARTS);
        }
    }

    /// @dev What is locked is exactly what the rails are owed and reserve: nobody is locked by another's rail. Usage is
    /// the sum over open rails, so nothing leaks (Filecoin Pay's issue 274).
    function invariant_locks_and_usage_are_what_the_rails_say() external view {
        for (uint256 t = 0; t < 4; ++t) {
            for (uint256 i = 0; i < _thief.people(); ++i) {
                address token = _thief.tokenAt(t);
                Account memory account = _rails.accountOf(token, _thief.person(i));
                (uint256 locked, uint256 rate) = _locked(token, _thief.person(i), account.settledAt);
                vm.assertEq(account.locked, locked);
                vm.assertEq(account.rate, rate);
                for (uint256 k = 0; k < _thief.people(); ++k) {
                    _assertUsage(token, _thief.person(i), _thief.person(k));
                }
            }
        }
    }

    function _locked(address token, address owner, uint256 settledAt)
        private
        view
        returns (uint256 locked, uint256 rate)
    {
        for (uint256 id = 0; id < _rails.railCount(); ++id) {
            Rail memory rail = _rails.railOf(id);
            if (rail.token != token || rail.from != owner || rail.closed) continue;
            uint256 from = rail.settledUpTo;
            Segment[] memory segments = _rails.segmentsOf(id);
            for (uint256 s = 0; s < segments.length; ++s) {
                locked += segments[s].rate * (segments[s].until - from);
                from = segments[s].until;
            }
            uint256 until = rail.endsAt == 0 ? settledAt + rail.lockupPeriod : rail.endsAt;
            locked += rail.lockupFixed;
            if (rail.rate != 0) locked += rail.rate * (until - from);
            if (rail.endsAt == 0) rate += rail.rate;
        }
    }

    function _assertUsage(address token, address owner, address operator) private view {
        Approval memory approval = _rails.approvalOf(token, owner, operator);
        uint256 rate = 0;
        uint256 lockup = 0;
        for (uint256 id = 0; id < _rails.railCount(); ++id) {
            Rail memory rail = _rails.railOf(id);
            if (rail.token != token || rail.from != owner || rail.operator != operator) continue;
            if (rail.endsAt == 0) rate += rail.rate;
            if (!rail.closed) lockup += rail.lockupFixed + uint256(rail.rate) * rail.lockupPeriod;
        }
        vm.assertEq(approval.rateUsage, rate);
        vm.assertEq(approval.lockupUsage, lockup);
    }
}
