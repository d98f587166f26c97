// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Offer} from "../providers/IRegistry.sol";
import {Terms} from "./IDeals.sol";

/// @dev What terms may say, and the sums that follow from them.
library DealTerms {
    uint256 internal constant PARTS = 1e18;
    uint256 internal constant LEAF_BYTES = 32;
    /// @dev Lost stake for one missed proof, in periods of the deal's price.
    uint256 internal constant SLASH_PERIODS = 10;
    /// @dev Small, so that a test network can run on a compressed clock; the client sees what it agrees to.
    uint256 internal constant STAGE_SECONDS_MIN = 10;
    uint256 internal constant STAGE_SECONDS_MAX = 365 days;
    uint256 internal constant DURATION_MAX = 3650 days;
    uint256 private constant GIB_MONTH = 2 ** 30 * 30 days;

    error StageOutOfRange(uint256 seconds_, uint256 min, uint256 max);
    error DurationOutOfRange(uint256 duration, uint256 min, uint256 max);
    error PieceTooLarge(uint256 bytes_, uint256 max);
    error PriceAboveOffer(uint256 pricePerSecond, uint256 ceiling);
    error PeriodNotOfProvider(uint256 periodSeconds, uint256 expected);

    function check(Terms memory terms, Offer memory offer, uint256 periodSeconds) internal pure {
        _checkStage(terms.readOnlySeconds);
        _checkStage(terms.graceSeconds);
        _checkStage(terms.noticeSeconds);
        checkDuration(terms.duration, offer);
        if (offer.pieceBytesMax < terms.leafCount * LEAF_BYTES) {
            revert PieceTooLarge(terms.leafCount * LEAF_BYTES, offer.pieceBytesMax);
        }
        uint256 ceiling = price(terms.leafCount, offer);
        if (ceiling < terms.pricePerSecond) revert PriceAboveOffer(terms.pricePerSecond, ceiling);
        if (terms.periodSeconds != periodSeconds) revert PeriodNotOfProvider(terms.periodSeconds, periodSeconds);
    }

    function checkDuration(uint256 duration, Offer memory offer) internal pure {
        uint256 max = offer.durationMax < DURATION_MAX ? offer.durationMax : DURATION_MAX;
        if (duration == 0 || duration < offer.durationMin || max < duration) {
            revert DurationOutOfRange(duration, offer.durationMin, max);
        }
    }

    /// @notice Parts per second for a piece at an offer's price, rounded up: the provider never gets less than it asks.
    function price(uint256 leafCount, Offer memory offer) internal pure returns (uint256) {
        return Math.mulDiv(leafCount * LEAF_BYTES, offer.pricePerGibMonth * PARTS, GIB_MONTH, Math.Rounding.Ceil);
    }

    /// @notice How long the provider serves without money; paid from the rail's lockup.
    function lockupSeconds(Terms memory terms) internal pure returns (uint256) {
        return uint256(terms.readOnlySeconds) + terms.graceSeconds + terms.noticeSeconds;
    }

    /// @notice Token units that one missed proof costs, rounded up.
    function slashUnits(Terms memory terms) internal pure returns (uint256) {
        return Math.ceilDiv(uint256(terms.pricePerSecond) * terms.periodSeconds * SLASH_PERIODS, PARTS);
    }

    function _checkStage(uint256 seconds_) private pure {
        if (seconds_ < STAGE_SECONDS_MIN || STAGE_SECONDS_MAX < seconds_) {
            revert StageOutOfRange(seconds_, STAGE_SECONDS_MIN, STAGE_SECONDS_MAX);
        }
    }
}
