// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {vm} from "../Vm.sol";
import {Dollars} from "./Dollars.sol";
import {Thief} from "./Thief.sol";

contract ConservationTest is Dollars {
    Thief private _thief;

    function setUp() public {
        _thief = new Thief();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_thief);
    }

    function invariant_money_is_neither_made_nor_lost() external view {
        uint256 sum = 0;
        for (uint256 i = 0; i < _thief.people(); ++i) {
            sum += dollar.balanceOf(_thief.person(i));
        }
        vm.assertEq(sum, SUPPLY);
        vm.assertEq(dollar.totalSupply(), SUPPLY);
    }

    function invariant_everybody_has_what_the_books_say() external view {
        for (uint256 i = 0; i < _thief.people(); ++i) {
            address person = _thief.person(i);
            vm.assertEq(dollar.balanceOf(person), _thief.booked(person));
        }
    }

    function invariant_no_theft_succeeds() external view {
        vm.assertEq(_thief.successes().length, 0);
    }
}
