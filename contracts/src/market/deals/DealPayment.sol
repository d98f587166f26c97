// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Wired} from "../Wired.sol";
import {IProofs} from "../proofs/IProofs.sol";
import {IValidator} from "../rails/IValidator.sol";
import {Deal, IDeals} from "./IDeals.sol";

/// @notice Keeps the deals, and tells the rails which seconds of a deal were deserved: those of proven periods.
abstract contract DealPayment is Wired, IDeals, IValidator {
    /// @dev Periods looked at in one settlement; the rest is settled by the next.
    uint256 private constant PERIODS_MAX = 64;

    Deal[] private _deals;
    mapping(uint256 railId => uint256) private _dealOfRail;
    mapping(address client => mapping(bytes32 group => uint256[])) private _groups;

    error DealUnknown(uint256 dealId);
    error RailNotOfDeal(uint256 railId);

    /// @notice Grants the seconds of `[from, until)` that lie in the deal and in proven periods. Stops at the first
    /// period that can still be proven.
    function validatePayment(uint256 railId, uint256, uint256 from, uint256 until, uint256 rate)
        external
        view
        returns (uint256 amount, uint256 settledUpTo, string memory note)
    {
        Deal storage deal = _deal(_dealOfRail[railId]);
        if (deal.railId != railId) revert RailNotOfDeal(railId);
        uint256 first = _later(from, deal.start);
        uint256 last = _earlier(until, deal.closedAt == 0 ? deal.end : _earlier(deal.end, deal.closedAt));
        // Before the first period and after the end, nothing is due and nothing is left to decide.
        if (last <= first) return (0, until, "");
        (uint256 proven, uint256 decided) = _provenSeconds(deal.terms.provider, first, last);
        return (rate * proven, decided == last ? until : decided, "");
    }

    function dealOf(uint256 dealId) external view returns (Deal memory) {
        return _deal(dealId);
    }

    function dealCount() external view returns (uint256) {
        return _deals.length;
    }

    function dealOfRail(uint256 railId) external view returns (uint256 dealId) {
        dealId = _dealOfRail[railId];
        if (_deal(dealId).railId != railId) revert RailNotOfDeal(railId);
    }

    /// @notice The deals of one object, `count` from `offset`; shorter at the end.
    function dealsOfGroup(address client, bytes32 group, uint256 offset, uint256 count)
        external
        view
        returns (uint256[] memory page)
    {
        uint256[] storage all = _groups[client][group];
        uint256 rest = offset < all.length ? all.length - offset : 0;
        page = new uint256[](_earlier(count, rest));
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = all[offset + i];
        }
    }

    function _deal(uint256 dealId) internal view returns (Deal storage) {
        if (_deals.length <= dealId) revert DealUnknown(dealId);
        return _deals[dealId];
    }

    function _keep(Deal memory deal) internal returns (uint256 dealId) {
        dealId = _deals.length;
        _deals.push(deal);
        _dealOfRail[deal.railId] = dealId;
        _groups[deal.client][deal.terms.group].push(dealId);
    }

    function _earlier(uint256 left, uint256 right) internal pure returns (uint256) {
        return left < right ? left : right;
    }

    function _later(uint256 left, uint256 right) internal pure returns (uint256) {
        return left < right ? right : left;
    }

    function _provenSeconds(address provider, uint256 from, uint256 until)
        private
        view
        returns (uint256 proven, uint256 decided)
    {
        IProofs proofs = _market.proofs;
        uint256 period = proofs.periodAt(provider, from);
        uint256 limit = period + PERIODS_MAX;
        for (decided = from; decided < until && period < limit; ++period) {
            uint256 end = proofs.periodStart(provider, period + 1);
            uint256 next = _earlier(end, until);
            if (proofs.isProven(provider, period)) proven += next - decided;
            else if (block.timestamp < end) break;
            decided = next;
        }
    }
}
