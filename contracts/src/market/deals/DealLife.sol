// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IProofs} from "../proofs/IProofs.sol";
import {Offer} from "../providers/IRegistry.sol";
import {Rail} from "../rails/Rail.sol";
import {FaultKind} from "../slashing/ISlashingHub.sol";
import {DealPayment} from "./DealPayment.sol";
import {DealTerms} from "./DealTerms.sol";
import {Deal, DealState, Terms} from "./IDeals.sol";

/// @notice What happens to a running deal: proofs are judged, money runs out or comes back, it is renewed, it ends.
/// @dev Every stage follows from the clock and the rail, so anybody can `poke` and nobody can choose. A provider may
/// delete once the deal is `Ended` here; until somebody poked it there, a deposit revives the deal.
abstract contract DealLife is DealPayment, ReentrancyGuardTransient {
    uint256 public constant MISSES_MAX = 3;
    uint256 private constant JUDGED_MAX = 32;

    event ProofMissed(uint256 indexed dealId, address indexed provider, uint256 period, uint256 missed, uint256 slashed);
    event DealStateChanged(uint256 indexed dealId, DealState state);
    event DealRenewed(uint256 indexed dealId, uint256 end);

    error NotRunning(uint256 dealId, DealState state);
    error NotActive(uint256 dealId, DealState state);
    error NotClient(uint256 dealId, address caller);
    error OfferAbovePrice(uint256 asked, uint256 pricePerSecond);
    error NoRenewal(address provider);

    /// @notice Judges past periods and moves the deal to the state that clock and money give it.
    function poke(uint256 dealId) external nonReentrant returns (DealState) {
        return _poke(dealId);
    }

    /// @notice `poke` after a deposit; fails if the deal is not active again.
    function revive(uint256 dealId) external nonReentrant {
        DealState state = _poke(dealId);
        if (state != DealState.Active) revert NotActive(dealId, state);
    }

    /// @notice Extends an active deal at its price, if the provider's offer still takes that.
    function renew(uint256 dealId, uint64 seconds_) external nonReentrant {
        Deal storage deal = _deal(dealId);
        Terms memory terms = deal.terms;
        if (msg.sender != deal.client) revert NotClient(dealId, msg.sender);
        DealState state = stateOf(dealId);
        if (state != DealState.Active) revert NotActive(dealId, state);
        if (!_market.registry.takesDeals(terms.provider)) revert NoRenewal(terms.provider);
        Offer memory offer = _market.registry.offerOf(terms.provider);
        uint256 asked = DealTerms.price(terms.leafCount, offer);
        if (terms.pricePerSecond < asked) revert OfferAbovePrice(asked, terms.pricePerSecond);
        uint256 end = uint256(deal.end) + seconds_;
        DealTerms.checkDuration(end - block.timestamp, offer);
        deal.end = uint64(end);
        emit DealRenewed(dealId, end);
    }

    /// @notice The state by clock and money, also when nobody poked; missed proofs that were not judged do not count.
    function stateOf(uint256 dealId) public view returns (DealState) {
        Deal storage deal = _deal(dealId);
        if (!_isRunning(deal.state)) return deal.state;
        if (deal.end <= block.timestamp) return DealState.Ended;
        (uint256 funded, bool isTerminated) = _funding(deal);
        if (isTerminated) return funded <= block.timestamp ? DealState.Ended : DealState.Notice;
        if (block.timestamp <= funded) return DealState.Active;
        uint256 late = block.timestamp - funded;
        uint256 stage = deal.terms.readOnlySeconds;
        if (late < stage) return DealState.ReadOnly;
        stage += deal.terms.graceSeconds;
        if (late < stage) return DealState.Grace;
        stage += deal.terms.noticeSeconds;
        return late < stage ? DealState.Notice : DealState.Ended;
    }

    function _poke(uint256 dealId) private returns (DealState state) {
        Deal storage deal = _deal(dealId);
        if (!_isRunning(deal.state)) revert NotRunning(dealId, deal.state);
        bool isJudged = _judge(dealId, deal);
        if (MISSES_MAX <= deal.missed) {
            _close(dealId, deal, DealState.Lost);
            return DealState.Lost;
        }
        state = stateOf(dealId);
        // What is still to be judged must not be lost by an end.
        if (!isJudged || state == deal.state) return deal.state;
        if (state == DealState.Ended) {
            _close(dealId, deal, state);
            return state;
        }
        deal.state = state;
        emit DealStateChanged(dealId, state);
    }

    /// @dev Judges whole periods in which the provider was obliged; says whether it reached the present.
    function _judge(uint256 dealId, Deal storage deal) private returns (bool) {
        Terms memory terms = deal.terms;
        IProofs proofs = _market.proofs;
        uint256 until = _earlier(_obligedUntil(deal), block.timestamp);
        for (uint256 i = 0; i < JUDGED_MAX; ++i) {
            uint256 period = deal.nextPeriod;
            uint256 end = proofs.periodStart(terms.provider, period + 1);
            if (until < end || deal.missed == MISSES_MAX) return true;
            deal.nextPeriod = uint64(period + 1);
            if (proofs.isProven(terms.provider, period)) {
                (deal.missed, deal.lastProven) = (0, uint64(end));
            } else {
                ++deal.missed;
                _slash(dealId, terms, period, deal.missed);
            }
        }
        return false;
    }

    function _slash(uint256 dealId, Terms memory terms, uint256 period, uint256 missed) private {
        address pool = address(_market.jobs);
        uint256 units = DealTerms.slashUnits(terms);
        uint256 slashed =
            _market.hub.report(terms.provider, dealId, FaultKind.ProofMissed, period, units, pool);
        _market.jobs.fund(dealId, slashed);
        emit ProofMissed(dealId, terms.provider, period, missed, slashed);
    }

    function _close(uint256 dealId, Deal storage deal, DealState state) internal {
        bool wasRunning = _isRunning(deal.state);
        (deal.state, deal.closedAt) = (state, uint64(block.timestamp));
        emit DealStateChanged(dealId, state);
        if (wasRunning) {
            _market.registry.unlock(deal.terms.provider);
            _market.proofs.remove(deal.terms.provider, deal.pieceIndex);
        }
        _stopRail(deal.railId);
        if (state == DealState.Lost) _market.jobs.open(dealId);
        else _market.jobs.release(dealId);
    }

    /// @dev A payer with funds gets the lockup back at once. One in debt has it used up by the time served on credit.
    function _stopRail(uint256 railId) private {
        Rail memory rail = _market.rails.railOf(railId);
        if (rail.endsAt != 0) return;
        if (rail.rate == 0) {
            _market.rails.modifyLockup(railId, rail.lockupPeriod, 0);
        } else if (block.timestamp <= _market.rails.fundedUntil(railId)) {
            _market.rails.modifyRate(railId, 0, 0);
            _market.rails.modifyLockup(railId, 0, 0);
        }
        _market.rails.terminate(railId);
    }

    function _funding(Deal storage deal) private view returns (uint256 until, bool isTerminated) {
        return (_market.rails.fundedUntil(deal.railId), _market.rails.railOf(deal.railId).endsAt != 0);
    }

    function _obligedUntil(Deal storage deal) private view returns (uint256) {
        (uint256 until, bool isTerminated) = _funding(deal);
        if (!isTerminated) until += DealTerms.lockupSeconds(deal.terms);
        return _earlier(until, deal.end);
    }

    function _isRunning(DealState state) internal pure returns (bool) {
        return DealState.Active <= state && state <= DealState.Notice;
    }
}
