// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {TypedDomain} from "../../token/TypedDomain.sol";
import {Offer} from "../providers/IRegistry.sol";
import {IPayRails} from "../rails/Rail.sol";
import {DealLife} from "./DealLife.sol";
import {DealTerms} from "./DealTerms.sol";
import {Deal, DealState, Terms} from "./IDeals.sol";

/// @notice Storage for money: a client proposes, a provider accepts by saying that it has the bytes, a rail pays for
/// every period that is proven.
/// @dev Operator and validator of its rails. Paid time starts with the first period that can be challenged.
contract StorageDeals is DealLife, TypedDomain {
    uint256 public constant BATCH_MAX = 20;
    bytes32 public constant STORED_RECEIPT_TYPEHASH =
        keccak256("StoredReceipt(uint256[] dealIds,bytes32[] pieceRoots)");

    event DealProposed(
        uint256 indexed dealId, address indexed client, address indexed provider, bytes32 pieceRoot, uint256 railId
    );
    event DealActivated(uint256 indexed dealId, uint256 start, uint256 end);

    error BatchOutOfRange(uint256 count, uint256 max);
    error NotProposed(uint256 dealId, DealState state);
    error NotProvider(uint256 dealId, address caller);
    error AcceptedLate(uint256 acceptBy, uint256 timestamp);
    error NotYetWithdrawable(uint256 dealId, uint256 acceptBy);
    error ReceiptNotSigned(address provider, bytes32 digest);
    error NoNewDeals(address provider);
    error NotLost(uint256 dealId, DealState state);
    error NothingRemains(uint256 end, uint256 timestamp);

    /// @notice Proposes deals and escrows, for each, what the provider would need to serve without further money.
    /// The caller must have approved this contract as operator of its rails.
    function propose(Terms[] calldata batch) external nonReentrant returns (uint256[] memory dealIds) {
        _requireBatch(batch.length);
        dealIds = new uint256[](batch.length);
        for (uint256 i = 0; i < batch.length; ++i) {
            Offer memory offer = _market.registry.offerOf(batch[i].provider);
            DealTerms.check(batch[i], offer, _market.proofs.periodSeconds(batch[i].provider));
            dealIds[i] = _propose(msg.sender, batch[i]);
        }
    }

    /// @notice The provider says that it has the pieces; the deals are active.
    function accept(uint256[] calldata dealIds) external nonReentrant {
        _requireBatch(dealIds.length);
        for (uint256 i = 0; i < dealIds.length; ++i) {
            _activate(dealIds[i], msg.sender);
        }
    }

    /// @notice As `accept`, by a receipt that the provider signed (EIP-712, or ERC-1271 for an account with code).
    function acceptSigned(address provider, uint256[] calldata dealIds, bytes calldata signature)
        external
        nonReentrant
    {
        _requireBatch(dealIds.length);
        bytes32 digest = receiptDigest(dealIds);
        if (!SignatureChecker.isValidSignatureNowCalldata(provider, digest, signature)) {
            revert ReceiptNotSigned(provider, digest);
        }
        for (uint256 i = 0; i < dealIds.length; ++i) {
            _activate(dealIds[i], provider);
        }
    }

    /// @notice Takes a proposal back: the client at any time, anybody once it is too late to accept.
    function withdrawProposal(uint256 dealId) external nonReentrant {
        Deal storage deal = _deal(dealId);
        if (deal.state != DealState.Proposed) revert NotProposed(dealId, deal.state);
        uint256 acceptBy = deal.terms.acceptBy;
        if (msg.sender != deal.client && block.timestamp <= acceptBy) revert NotYetWithdrawable(dealId, acceptBy);
        _close(dealId, deal, DealState.Ended);
    }

    function proposeReplacement(uint256 lostDealId, address provider, uint64 acceptBy)
        external
        nonReentrant
        returns (uint256 dealId)
    {
        _requirePart(address(_market.jobs));
        Deal storage lost = _deal(lostDealId);
        if (lost.state != DealState.Lost) revert NotLost(lostDealId, lost.state);
        if (lost.end <= block.timestamp) revert NothingRemains(lost.end, block.timestamp);
        Terms memory terms = lost.terms;
        // The client agreed to the price and the time of the lost deal, and to nothing more.
        terms.pricePerSecond =
            uint128(_earlier(terms.pricePerSecond, DealTerms.price(terms.leafCount, _market.registry.offerOf(provider))));
        terms.periodSeconds = uint32(_market.proofs.periodSeconds(provider));
        terms.duration = uint64(lost.end - block.timestamp);
        (terms.provider, terms.acceptBy) = (provider, acceptBy);
        return _propose(lost.client, terms);
    }

    function cancelReplacement(uint256 dealId) external nonReentrant {
        _requirePart(address(_market.jobs));
        Deal storage deal = _deal(dealId);
        if (deal.state == DealState.Proposed || _isRunning(deal.state)) _close(dealId, deal, DealState.Ended);
    }

    /// @notice What a provider signs to accept these deals.
    function receiptDigest(uint256[] calldata dealIds) public view returns (bytes32) {
        bytes32[] memory roots = new bytes32[](dealIds.length);
        for (uint256 i = 0; i < dealIds.length; ++i) {
            roots[i] = _deal(dealIds[i]).terms.pieceRoot;
        }
        bytes32 ids = keccak256(abi.encodePacked(dealIds));
        return _digest(keccak256(abi.encode(STORED_RECEIPT_TYPEHASH, ids, keccak256(abi.encodePacked(roots)))));
    }

    function _propose(address client, Terms memory terms) private returns (uint256 dealId) {
        if (!_market.registry.takesDeals(terms.provider)) revert NoNewDeals(terms.provider);
        IPayRails rails = _market.rails;
        uint256 railId =
            rails.createRail(address(_market.token), client, terms.provider, address(this), 0, address(0));
        Deal memory deal;
        (deal.terms, deal.client, deal.state, deal.railId) = (terms, client, DealState.Proposed, railId);
        dealId = _keep(deal);
        rails.modifyLockup(railId, 0, terms.pricePerSecond * DealTerms.lockupSeconds(terms));
        emit DealProposed(dealId, client, terms.provider, terms.pieceRoot, railId);
    }

    function _activate(uint256 dealId, address provider) private {
        Deal storage deal = _deal(dealId);
        Terms memory terms = deal.terms;
        if (provider != terms.provider) revert NotProvider(dealId, provider);
        if (deal.state != DealState.Proposed) revert NotProposed(dealId, deal.state);
        if (terms.acceptBy < block.timestamp) revert AcceptedLate(terms.acceptBy, block.timestamp);
        deal.state = DealState.Active;
        (uint256 pieceIndex, uint256 firstPeriod) = _market.proofs.add(provider, terms.pieceRoot, terms.leafCount);
        uint256 start = _market.proofs.periodStart(provider, firstPeriod);
        (deal.pieceIndex, deal.firstPeriod, deal.nextPeriod) = (pieceIndex, uint64(firstPeriod), uint64(firstPeriod));
        (deal.start, deal.end) = (uint64(start), uint64(start + terms.duration));
        _market.registry.lock(provider);
        _market.rails.modifyLockup(deal.railId, DealTerms.lockupSeconds(terms), 0);
        _market.rails.modifyRate(deal.railId, terms.pricePerSecond, 0);
        emit DealActivated(dealId, start, deal.end);
    }

    function _requireBatch(uint256 count) private pure {
        if (count == 0 || BATCH_MAX < count) revert BatchOutOfRange(count, BATCH_MAX);
    }

    function _domainName() internal pure override returns (string memory) {
        return "Nubes Storage Deals";
    }

    function _domainVersion() internal pure override returns (string memory) {
        return "1";
    }
}
