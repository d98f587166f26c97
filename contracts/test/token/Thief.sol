// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {vm} from "../Vm.sol";
import {Dollars} from "./Dollars.sol";

/// @dev Moves money honestly and keeps its own books; between that, tries everything that must not work.
contract Thief is Dollars {
    uint256 private constant PEOPLE = 3;
    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    bytes32 private immutable _typehash;
    bytes32 private immutable _receiveTypehash;
    uint256 private _orders;
    Transfer[] private _paid;
    Signature[] private _signatures;
    mapping(address person => uint256) private _books;
    string[] private _successes;

    constructor() {
        address[] memory holders = new address[](PEOPLE);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            holders[i] = person(i);
        }
        _genesis(holders);
        for (uint256 i = 0; i < PEOPLE; ++i) {
            _books[person(i)] = dollar.balanceOf(person(i));
        }
        _typehash = dollar.TRANSFER_WITH_AUTHORIZATION_TYPEHASH();
        _receiveTypehash = dollar.RECEIVE_WITH_AUTHORIZATION_TYPEHASH();
    }

    function pay(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        vm.prank(t.from);
        assert(dollar.transfer(t.to, t.value));
        _book(t);
    }

    function payBySignature(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        Signature memory signature = _sign(_key(from), _typehash, t);
        _transfer(t, signature);
        _book(t);
        _paid.push(t);
        _signatures.push(signature);
    }

    function payByReceipt(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        Signature memory signature = _sign(_key(from), _receiveTypehash, t);
        vm.prank(t.to);
        _receive(t, signature);
        _book(t);
    }

    function payByPermit(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        bytes32 content = keccak256(abi.encode(PERMIT, t.from, t.to, t.value, dollar.nonces(t.from), t.validBefore));
        Signature memory g = _signContent(_key(from), content);
        dollar.permit(t.from, t.to, t.value, t.validBefore, g.v, g.r, g.s);
        vm.prank(t.to);
        assert(dollar.transferFrom(t.from, t.to, t.value));
        _book(t);
    }

    function replay(uint256 which) external {
        if (_paid.length == 0) return;
        which = which % _paid.length;
        _try("replay", _paid[which], _signatures[which]);
    }

    function replayWithAnotherAmount(uint256 which, uint256 value) external {
        if (_paid.length == 0) return;
        which = which % _paid.length;
        Transfer memory t = _paid[which];
        t.value = value;
        _try("another amount", t, _signatures[which]);
    }

    function replayWithAnotherNonce(uint256 which, bytes32 nonce) external {
        if (_paid.length == 0) return;
        which = which % _paid.length;
        Transfer memory t = _paid[which];
        t.nonce = keccak256(abi.encode("fresh", nonce));
        _try("another nonce", t, _signatures[which]);
    }

    function signForAnother(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        _try("wrong signer", t, _sign(_key(_key(from)), _typehash, t));
    }

    function payLate(uint256 from, uint256 to, uint256 value, uint256 age) external {
        Transfer memory t = _order(from, to, value);
        t.validBefore = block.timestamp - age % block.timestamp;
        _try("expired", t, _sign(_key(from), _typehash, t));
    }

    function payEarly(uint256 from, uint256 to, uint256 value, uint256 wait) external {
        Transfer memory t = _order(from, to, value);
        t.validAfter = block.timestamp + wait % 1 days;
        _try("early", t, _sign(_key(from), _typehash, t));
    }

    function useReceiptAsTransfer(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        _try("receipt as transfer", t, _sign(_key(from), _receiveTypehash, t));
    }

    function overdraw(uint256 from, uint256 to, uint256 excess) external {
        Transfer memory t = _order(from, to, 0);
        t.value = _books[t.from] + 1 + excess % SUPPLY;
        _try("overdraft", t, _sign(_key(from), _typehash, t));
    }

    function cancelThenPay(uint256 from, uint256 to, uint256 value) external {
        Transfer memory t = _order(from, to, value);
        bytes32 cancellation = keccak256(abi.encode(dollar.CANCEL_AUTHORIZATION_TYPEHASH(), t.from, t.nonce));
        dollar.cancelAuthorization(t.from, t.nonce, _pack(_signContent(_key(from), cancellation)));
        _try("cancelled", t, _sign(_key(from), _typehash, t));
    }

    function person(uint256 number) public pure returns (address) {
        return vm.addr(_key(number));
    }

    function people() external pure returns (uint256) {
        return PEOPLE;
    }

    function booked(address who) external view returns (uint256) {
        return _books[who];
    }

    function successes() external view returns (string[] memory) {
        return _successes;
    }

    function _order(uint256 from, uint256 to, uint256 value) private returns (Transfer memory) {
        address payer = person(from);
        bytes32 nonce = keccak256(abi.encode("order", ++_orders));
        value = value % (_books[payer] + 1);
        return Transfer(payer, person(to), value, block.timestamp - 1, block.timestamp + 1, nonce);
    }

    function _try(string memory crime, Transfer memory t, Signature memory g) private {
        bool worked = _call(
            t,
            "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
            abi.encode(g.v, g.r, g.s)
        );
        // The offset of the only dynamic argument, its length and its bytes.
        bytes memory packed = _pack(g);
        worked = _call(
            t,
            "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
            abi.encodePacked(uint256(7 * 32), packed.length, packed, new bytes(31))
        ) || worked;
        if (worked) _successes.push(crime);
    }

    function _call(Transfer memory t, string memory method, bytes memory signature) private returns (bool worked) {
        bytes memory order = abi.encode(t.from, t.to, t.value, t.validAfter, t.validBefore, t.nonce);
        (worked,) = address(dollar).call(bytes.concat(bytes4(keccak256(bytes(method))), order, signature));
    }

    function _book(Transfer memory t) private {
        _books[t.from] -= t.value;
        _books[t.to] += t.value;
    }

    function _key(uint256 number) private pure returns (uint256) {
        return number % PEOPLE + 1;
    }
}
