// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC3009, IERC3009Cancel} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {TestDollar} from "../../src/token/TestDollar.sol";
import {TransferAuthorization} from "../../src/token/TransferAuthorization.sol";
import {vm} from "../Vm.sol";
import {Dollars} from "./Dollars.sol";

/// @dev An account with code that agrees to one digest.
contract Wallet is IERC1271 {
    bytes32 private _agreed;

    function agree(bytes32 digest) external {
        _agreed = digest;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return digest == _agreed ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

contract TestDollarTest is Dollars {
    uint256 private constant ALICE_KEY = 0xa11ce;
    uint256 private constant MALLORY_KEY = 0xbad;
    address private constant SHOP = address(0x5409);
    bytes32 private constant NONCE = keccak256("order 1");
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    address private immutable _alice = vm.addr(ALICE_KEY);
    bytes32 private _typehash;

    function setUp() public {
        address[] memory holders = new address[](1);
        holders[0] = _alice;
        _genesis(holders);
        _typehash = dollar.TRANSFER_WITH_AUTHORIZATION_TYPEHASH();
    }

    function test_it_is_money_from_genesis_on() public view {
        vm.assertEq(dollar.name(), "Test Dollar");
        vm.assertEq(dollar.symbol(), "TUSD");
        vm.assertEq(dollar.decimals(), 6);
        vm.assertEq(dollar.version(), "1");
        vm.assertEq(dollar.totalSupply(), SUPPLY);
        vm.assertEq(dollar.balanceOf(_alice), SUPPLY);
    }

    function test_a_constructor_leaves_the_same_code_and_empty_names() public {
        TestDollar built = new TestDollar();
        vm.assertEq(address(built).code, address(dollar).code);
        vm.assertEq(built.name(), "Test Dollar");
    }

    function test_its_domain_is_of_this_chain_and_this_address(uint64 chain) public {
        vm.assume(chain != 0);
        vm.chainId(chain);
        (bytes1 fields, string memory name, string memory version, uint256 id, address place,,) = dollar.eip712Domain();
        vm.assertEq(bytes32(fields), bytes32(bytes1(0x0f)));
        vm.assertEq(name, "Test Dollar");
        vm.assertEq(version, "1");
        vm.assertEq(id, chain);
        vm.assertEq(place, address(dollar));
        bytes32 content = keccak256("anything");
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", dollar.DOMAIN_SEPARATOR(), content));
        vm.assertEq(digest, _digest(content));
    }

    function test_the_typehashes_are_those_of_the_standard() public view {
        vm.assertEq(
            dollar.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(),
            0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267
        );
        vm.assertEq(
            dollar.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(),
            0xd099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8
        );
        vm.assertEq(
            dollar.CANCEL_AUTHORIZATION_TYPEHASH(), 0x158b0a9edf7a828aad02f63cd515c68ef2f50ba807396f6d12842833a1597429
        );
    }

    function test_anybody_submits_a_signed_transfer_once(uint256 value, bytes32 nonce, address submitter) public {
        Transfer memory t = _order(value % (SUPPLY + 1), nonce);
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        vm.assertFalse(dollar.authorizationState(_alice, nonce));
        vm.expectEmit(address(dollar));
        emit IERC3009.AuthorizationUsed(_alice, nonce);
        vm.prank(submitter);
        _transfer(t, signature);
        vm.assertEq(dollar.balanceOf(SHOP), t.value);
        vm.assertTrue(dollar.authorizationState(_alice, nonce));

        vm.expectRevert(abi.encodeWithSelector(TransferAuthorization.AuthorizationSpent.selector, _alice, nonce));
        _transfer(t, signature);
        vm.expectRevert(abi.encodeWithSelector(TransferAuthorization.AuthorizationSpent.selector, _alice, nonce));
        _transferBytes(t, _pack(signature));
    }

    function test_a_signed_transfer_is_valid_strictly_between_its_times() public {
        Transfer memory t = _order(1, NONCE);
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        vm.warp(t.validAfter);
        vm.expectRevert(
            abi.encodeWithSelector(TransferAuthorization.AuthorizationNotYetValid.selector, t.validAfter, t.validAfter)
        );
        _transfer(t, signature);
        vm.warp(t.validBefore);
        vm.expectRevert(
            abi.encodeWithSelector(TransferAuthorization.AuthorizationExpired.selector, t.validBefore, t.validBefore)
        );
        _transfer(t, signature);
        vm.warp(t.validBefore - 1);
        _transfer(t, signature);
        vm.assertEq(dollar.balanceOf(SHOP), 1);
    }

    function test_another_signer_moves_nothing(uint256 key) public {
        key = key % type(uint128).max + 1;
        vm.assume(key != ALICE_KEY);
        Transfer memory t = _order(1, NONCE);
        Signature memory signature = _sign(key, _typehash, t);
        vm.expectRevert(_notSigned(t));
        _transfer(t, signature);
        vm.expectRevert(_notSigned(t));
        _transferBytes(t, _pack(signature));
    }

    function test_a_changed_transfer_is_not_signed(uint256 value, address to) public {
        vm.assume(value != 5 && to != SHOP);
        Transfer memory t = _order(5, NONCE);
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        t.value = value;
        vm.expectRevert(_notSigned(t));
        _transfer(t, signature);
        t.value = 5;
        t.to = to;
        vm.expectRevert(_notSigned(t));
        _transfer(t, signature);
    }

    function test_a_signature_of_another_chain_moves_nothing() public {
        Transfer memory t = _order(1, NONCE);
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(_notSigned(t));
        _transfer(t, signature);
    }

    function test_the_other_half_of_the_curve_is_refused() public {
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        Transfer memory t = _order(1, NONCE);
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        signature.s = bytes32(order - uint256(signature.s));
        signature.v = signature.v == 27 ? 28 : 27;
        vm.expectRevert(_notSigned(t));
        _transfer(t, signature);
    }

    function test_nobody_signs_for_the_zero_address() public {
        Transfer memory t = _order(0, NONCE);
        t.from = address(0);
        vm.expectRevert(_notSigned(t));
        _transfer(t, Signature(0, 0, 0));
    }

    function test_an_account_with_code_is_asked() public {
        Wallet wallet = new Wallet();
        vm.prank(_alice);
        assert(dollar.transfer(address(wallet), 10));
        Transfer memory t = _order(10, NONCE);
        t.from = address(wallet);
        vm.expectRevert(_notSigned(t));
        _transferBytes(t, hex"00");
        wallet.agree(_digest(_content(_typehash, t)));
        _transferBytes(t, hex"00");
        vm.assertEq(dollar.balanceOf(SHOP), 10);
    }

    function test_a_key_still_signs_for_an_account_with_delegated_code() public {
        vm.etch(_alice, type(Wallet).runtimeCode);
        Transfer memory t = _order(1, NONCE);
        _transfer(t, _sign(ALICE_KEY, _typehash, t));
        vm.assertEq(dollar.balanceOf(SHOP), 1);
    }

    function test_only_the_payee_receives(address caller) public {
        vm.assume(caller != SHOP);
        Transfer memory t = _order(3, NONCE);
        Signature memory signature = _sign(ALICE_KEY, dollar.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), t);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(TransferAuthorization.CallerNotPayee.selector, caller, SHOP));
        _receive(t, signature);
        vm.prank(SHOP);
        _receive(t, signature);
        vm.assertEq(dollar.balanceOf(SHOP), 3);
    }

    function test_a_receipt_is_not_a_transfer() public {
        Transfer memory t = _order(3, NONCE);
        Signature memory signature = _sign(ALICE_KEY, dollar.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(), t);
        vm.expectRevert(_notSigned(t));
        _transfer(t, signature);
    }

    function test_what_is_cancelled_is_never_paid() public {
        Transfer memory t = _order(3, NONCE);
        bytes32 cancellation = keccak256(abi.encode(dollar.CANCEL_AUTHORIZATION_TYPEHASH(), _alice, NONCE));
        Signature memory other = _signContent(MALLORY_KEY, cancellation);
        vm.expectRevert(
            abi.encodeWithSelector(TransferAuthorization.AuthorizationNotSigned.selector, _alice, _digest(cancellation))
        );
        dollar.cancelAuthorization(_alice, NONCE, other.v, other.r, other.s);

        Signature memory own = _signContent(ALICE_KEY, cancellation);
        vm.expectEmit(address(dollar));
        emit IERC3009Cancel.AuthorizationCanceled(_alice, NONCE);
        dollar.cancelAuthorization(_alice, NONCE, _pack(own));
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        vm.expectRevert(abi.encodeWithSelector(TransferAuthorization.AuthorizationSpent.selector, _alice, NONCE));
        _transfer(t, signature);
    }

    function test_a_transfer_beyond_the_balance_leaves_the_authorization_unused() public {
        Transfer memory t = _order(SUPPLY + 1, NONCE);
        Signature memory signature = _sign(ALICE_KEY, _typehash, t);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, _alice, SUPPLY, SUPPLY + 1)
        );
        _transfer(t, signature);
        vm.assertFalse(dollar.authorizationState(_alice, NONCE));
    }

    function test_a_permit_gives_an_allowance_once(uint256 value) public {
        bytes32 content = keccak256(abi.encode(PERMIT, _alice, SHOP, value, 0, NOW));
        Signature memory g = _signContent(ALICE_KEY, content);
        dollar.permit(_alice, SHOP, value, NOW, g.v, g.r, g.s);
        vm.assertEq(dollar.allowance(_alice, SHOP), value);
        vm.assertEq(dollar.nonces(_alice), 1);
        (bool again,) = address(dollar).call(abi.encodeCall(dollar.permit, (_alice, SHOP, value, NOW, g.v, g.r, g.s)));
        vm.assertFalse(again);
    }

    function test_a_late_or_foreign_permit_gives_nothing() public {
        bytes32 late = keccak256(abi.encode(PERMIT, _alice, SHOP, 1, 0, NOW - 1));
        Signature memory g = _signContent(ALICE_KEY, late);
        vm.expectRevert(abi.encodeWithSelector(TestDollar.PermitExpired.selector, NOW - 1, NOW));
        dollar.permit(_alice, SHOP, 1, NOW - 1, g.v, g.r, g.s);

        bytes32 foreign = keccak256(abi.encode(PERMIT, _alice, SHOP, 1, 0, NOW));
        g = _signContent(MALLORY_KEY, foreign);
        vm.expectRevert(abi.encodeWithSelector(TestDollar.PermitNotSigned.selector, _alice, vm.addr(MALLORY_KEY)));
        dollar.permit(_alice, SHOP, 1, NOW, g.v, g.r, g.s);
        vm.assertEq(dollar.nonces(_alice), 0);
    }

    function _order(uint256 value, bytes32 nonce) private view returns (Transfer memory) {
        return Transfer(_alice, SHOP, value, NOW - 60, NOW + 60, nonce);
    }

    function _content(bytes32 typehash, Transfer memory t) private pure returns (bytes32) {
        return keccak256(abi.encode(typehash, t.from, t.to, t.value, t.validAfter, t.validBefore, t.nonce));
    }

    function _notSigned(Transfer memory t) private view returns (bytes memory) {
        bytes32 digest = _digest(_content(_typehash, t));
        return abi.encodeWithSelector(TransferAuthorization.AuthorizationNotSigned.selector, t.from, digest);
    }
}
