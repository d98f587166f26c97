// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Terms} from "../../src/market/deals/IDeals.sol";
import {vm} from "../Vm.sol";
import {Markets} from "./Markets.sol";

/// @dev Clients and providers who do everything that contracts let them, honest or not, in any order.
contract MarketThief is Markets {
    address[3] public people;

    constructor() {
        _place();
        people = [PROVIDER, OTHER, CLIENT];
        _join(PROVIDER);
        _join(OTHER);
        _fund(CLIENT, 100_000_000);
        for (uint256 i = 0; i < 3; ++i) {
            vm.startPrank(people[i]);
            dollar.approve(address(jobs), type(uint256).max);
            dollar.approve(address(registry), type(uint256).max);
            vm.stopPrank();
        }
    }

    function propose(uint256 provider, uint256 duration) external {
        Terms memory terms = _terms(people[provider % 2], "piece");
        terms.duration = uint64(duration % 2000 + 1);
        _try(CLIENT, address(deals), abi.encodeCall(deals.propose, (_one(terms))));
    }

    function accept(uint256 deal, uint256 provider) external {
        _try(people[provider % 2], address(deals), abi.encodeCall(deals.accept, (_one(_deal(deal)))));
    }

    function withdrawProposal(uint256 deal, uint256 who) external {
        _try(people[who % 3], address(deals), abi.encodeCall(deals.withdrawProposal, (_deal(deal))));
    }

    function prove(uint256 provider) external {
        address who = people[provider % 2];
        vm.warp(proofs.periodStart(who, proofs.periodAt(who, block.timestamp) + 1));
        (bool isOpened,) = address(proofs).call(abi.encodeCall(proofs.nextProvingPeriod, (who)));
        if (!isOpened) return;
        _seed(who, keccak256(abi.encode(block.timestamp)));
        proofs.provePossession(who, _proof(who, "piece"));
    }

    function poke(uint256 deal) external {
        _try(CLIENT, address(deals), abi.encodeCall(deals.poke, (_deal(deal))));
    }

    function settle(uint256 deal) external {
        if (deals.dealCount() == 0) return;
        _settle(_deal(deal));
    }

    function take(uint256 deal, uint256 who) external {
        _try(people[who % 3], address(jobs), abi.encodeCall(jobs.take, (_deal(deal))));
    }

    function complete(uint256 deal, uint256 period) external {
        _try(CLIENT, address(jobs), abi.encodeCall(jobs.complete, (_deal(deal), period % 50)));
    }

    function timeOut(uint256 deal) external {
        _try(CLIENT, address(jobs), abi.encodeCall(jobs.timeOut, (_deal(deal))));
        _try(CLIENT, address(jobs), abi.encodeCall(jobs.close, (_deal(deal))));
    }

    function addBounty(uint256 deal, uint256 who, uint256 units) external {
        _try(people[who % 3], address(jobs), abi.encodeCall(jobs.addBounty, (_deal(deal), units % 1000)));
    }

    function claim(uint256 who) external {
        _try(people[who % 3], address(jobs), abi.encodeCall(jobs.claim, ()));
    }

    function moveStake(uint256 who, uint256 units, uint256 kind) external {
        address whose = people[who % 3];
        units = units % 1e9;
        if (kind % 4 == 0) _try(whose, address(registry), abi.encodeCall(registry.depositStake, (whose, units)));
        if (kind % 4 == 1) _try(whose, address(registry), abi.encodeCall(registry.beginExit, (units)));
        if (kind % 4 == 2) _try(whose, address(registry), abi.encodeCall(registry.finalizeExit, ()));
        if (kind % 4 == 3) _try(whose, address(registry), abi.encodeCall(registry.cancelExit, ()));
    }

    function moveFunds(uint256 units, uint256 kind) external {
        units = units % 5e6;
        bytes memory data = kind % 2 == 0
            ? abi.encodeCall(rails.deposit, (address(dollar), CLIENT, units))
            : abi.encodeCall(rails.withdraw, (address(dollar), CLIENT, rails.withdrawable(address(dollar), CLIENT)));
        _try(CLIENT, address(rails), data);
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + time % 400);
        vm.roll(block.number + 1);
    }

    function waitLong() external {
        vm.warp(block.timestamp + 3 days);
    }

    function _deal(uint256 deal) private view returns (uint256) {
        uint256 count = deals.dealCount();
        return count == 0 ? 0 : deal % count;
    }

    function _try(address who, address target, bytes memory data) private {
        vm.prank(who);
        (bool done,) = target.call(data);
        done;
    }
}
