// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Guestbook} from "guestbook/Guestbook.sol";
import {vm} from "./Vm.sol";

contract GuestbookTest {
    Guestbook private _book;

    function setUp() public {
        _book = new Guestbook();
    }

    function test_signatures_are_numbered_and_counted_by_signer(address first, address second) public {
        vm.assume(first != second);
        _sign(first, 1);
        _sign(second, 2);
        _sign(first, 3);
        vm.assertEq(_book.signatures(), 3);
        vm.assertEq(_book.signaturesOf(first), 2);
        vm.assertEq(_book.signaturesOf(second), 1);
    }

    function test_a_note_has_at_most_280_bytes() public {
        _book.sign(string(new bytes(280)));
        vm.expectRevert(abi.encodeWithSelector(Guestbook.NoteTooLong.selector, 281, 280));
        _book.sign(string(new bytes(281)));
        vm.assertEq(_book.signatures(), 1);
    }

    function test_an_empty_note_is_a_signature() public {
        _book.sign("");
        vm.assertEq(_book.signatures(), 1);
    }

    function _sign(address signer, uint256 number) private {
        vm.expectEmit(address(_book));
        emit Guestbook.Signed(signer, number, "hello");
        vm.prank(signer);
        _book.sign("hello");
    }
}
