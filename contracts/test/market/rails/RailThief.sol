// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Account} from "../../../src/market/rails/Lockup.sol";
import {PayRails} from "../../../src/market/rails/PayRails.sol";
import {Rail, Segment} from "../../../src/market/rails/Rail.sol";
import {vm} from "../../Vm.sol";
import {Coin, FalseToken, FeeToken, ReentrantToken} from "../mocks/Tokens.sol";
import {Judge} from "../mocks/Validators.sol";

/// @dev Owners, operators, receivers and a validator who do whatever they are let, with an honest token and three that
/// are not. What is refused is caught here; what the invariants look at is what was done.
contract RailThief {
    uint256 private constant PEOPLE = 3;
    uint256 private constant PARTS = 1e18;

    PayRails public immutable rails = new PayRails();
    Judge private immutable _judge = new Judge();
    Coin[4] private _tokens;
    /// @dev Per token, what left the rails with no withdrawal that says so.
    uint256 public reentries;
    uint256 public overpaid;

    constructor() {
        vm.warp(1_800_000_000);
        _tokens = [new Coin(), Coin(new FeeToken()), Coin(new FalseToken()), Coin(new ReentrantToken())];
        for (uint256 i = 0; i < PEOPLE; ++i) {
            for (uint256 k = 0; k < 4; ++k) {
                _tokens[k].mint(person(i), 1e12);
                vm.startPrank(person(i));
                _tokens[k].approve(address(rails), type(uint256).max);
                for (uint256 operator = 0; operator < PEOPLE; ++operator) {
                    rails.approveOperator(
                        address(_tokens[k]), person(operator), true, 1e6 * PARTS, 1e10 * PARTS, 5000
                    );
                }
                vm.stopPrank();
            }
        }
    }

    function deposit(uint256 token, uint256 who, uint256 units) external {
        _arm(who, token);
        _try(who, abi.encodeCall(rails.deposit, (_token(token), person(who), units % 1e9)));
    }

    function withdraw(uint256 token, uint256 who, uint256 units) external {
        _arm(who, token);
        Account memory account = rails.accountOf(_token(token), person(who));
        // Around the edge of what is free, on both sides.
        units = (account.funds - account.locked) / PARTS + units % 3;
        _try(who, abi.encodeCall(rails.withdraw, (_token(token), person(who), units == 0 ? 0 : units - 1)));
    }

    function create(uint256 token, uint256 from, uint256 to, uint256 operator, uint256 bps) external {
        address validator = bps % 3 == 0 ? address(0) : address(_judge);
        _try(
            operator,
            abi.encodeCall(
                rails.createRail,
                (_token(token), person(from), person(to), validator, uint16(bps % 11_000), person(bps))
            )
        );
    }

    function change(uint256 rail, uint256 rate, uint256 once) external {
        (uint256 railId, Rail memory r) = _rail(rail);
        if (r.token == address(0)) return;
        rate = rate % (3 * PARTS) * (rate % 5);
        once = once % 4 == 0 ? r.lockupFixed / 2 : once % 2;
        vm.prank(r.operator);
        _call(abi.encodeCall(rails.modifyRate, (railId, rate, once)));
    }

    function lock(uint256 rail, uint256 period, uint256 fixedParts) external {
        (uint256 railId, Rail memory r) = _rail(rail);
        if (r.token == address(0)) return;
        vm.prank(r.operator);
        _call(abi.encodeCall(rails.modifyLockup, (railId, period % 5500, fixedParts % (1e8 * PARTS))));
    }

    function end(uint256 rail, uint256 who) external {
        (uint256 railId, Rail memory r) = _rail(rail);
        if (r.token == address(0)) return;
        vm.prank(who % 2 == 0 ? r.from : r.operator);
        _call(abi.encodeCall(rails.terminate, (railId)));
    }

    function settle(uint256 rail, uint256 mode, uint256 back) external {
        (uint256 railId, Rail memory r) = _rail(rail);
        if (r.token == address(0)) return;
        _judge.set(mode);
        uint256 most = _owed(railId, r, block.timestamp);
        (bool done, bytes memory result) = address(rails).call{gas: 3_000_000}(
            abi.encodeCall(rails.settle, (railId, block.timestamp - back % 100))
        );
        if (!done) return;
        (uint256 paid,) = abi.decode(result, (uint256, uint256));
        if (most < paid) ++overpaid;
    }

    function escape(uint256 rail, uint256 who) external {
        (uint256 railId, Rail memory r) = _rail(rail);
        if (r.token == address(0)) return;
        vm.prank(who % 4 == 0 ? person(who) : r.from);
        _call(abi.encodeCall(rails.settleTerminatedRailWithoutValidation, (railId)));
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + time % 3000);
    }

    function tokenAt(uint256 i) external view returns (address) {
        return _token(i);
    }

    function person(uint256 number) public pure returns (address) {
        return address(uint160(0x1000 + number % PEOPLE));
    }

    function people() external pure returns (uint256) {
        return PEOPLE;
    }

    /// @dev Rate times time by rail and segments, written apart from the contract.
    function _owed(uint256 railId, Rail memory r, uint256 until) private view returns (uint256 most) {
        uint256 from = r.settledUpTo;
        Segment[] memory segments = rails.segmentsOf(railId);
        for (uint256 i = 0; i < segments.length; ++i) {
            most += segments[i].rate * (segments[i].until - from);
            from = segments[i].until;
        }
        if (from < until) most += r.rate * (until - from);
    }

    function _arm(uint256 who, uint256 token) private {
        if (token % 4 != 3) return;
        ReentrantToken(address(_tokens[3])).arm(
            address(rails), abi.encodeCall(rails.deposit, (_token(token), person(who), 0))
        );
        reentries = ReentrantToken(address(_tokens[3])).succeeded();
    }

    function _try(uint256 who, bytes memory data) private {
        vm.prank(person(who));
        _call(data);
    }

    function _call(bytes memory data) private {
        (bool done,) = address(rails).call(data);
        done;
    }

    function _rail(uint256 rail) private view returns (uint256 railId, Rail memory r) {
        uint256 count = rails.railCount();
        if (count == 0) return (0, r);
        return (rail % count, rails.railOf(rail % count));
    }

    function _token(uint256 token) private view returns (address) {
        return address(_tokens[token % 4]);
    }
}
