// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Attribute, Offer, Profile} from "./IRegistry.sol";
import {ProviderStake} from "./ProviderStake.sol";

/// @notice Who stores for others: where, at what price, with which key. An account is one provider.
/// @dev Nothing here is checked against the world; a client that wants more than stake believes auditors and proofs.
contract ProviderRegistry is ProviderStake {
    uint256 private constant URI_BYTES_MAX = 256;
    uint256 private constant KEY_BYTES_MAX = 66;
    uint256 private constant ATTRIBUTES_MAX = 16;
    uint256 private constant PAGE_MAX = 100;

    mapping(address provider => Profile) private _profiles;
    mapping(address provider => Attribute[]) private _attributes;
    address[] private _providers;

    event ProviderRegistered(address indexed provider, string uri);
    event ProviderUpdated(address indexed provider, string uri);
    event OfferChanged(address indexed provider, Offer offer);
    event AttributesChanged(address indexed provider, Attribute[] attributes);

    error NotRegistered(address provider);
    error UriOutOfRange(uint256 bytes_, uint256 max);
    error KeyOutOfRange(uint256 bytes_, uint256 max);
    error DurationsReversed(uint256 min, uint256 max);
    error TooManyAttributes(uint256 count, uint256 max);
    error PageTooLong(uint256 count, uint256 max);

    /// @notice Registers the caller, or replaces its profile.
    function register(Profile calldata profile) external {
        uint256 length = bytes(profile.uri).length;
        if (length == 0 || URI_BYTES_MAX < length) revert UriOutOfRange(length, URI_BYTES_MAX);
        if (KEY_BYTES_MAX < profile.key.length) revert KeyOutOfRange(profile.key.length, KEY_BYTES_MAX);
        _requireOffer(profile.offer);
        bool isNew = !_isRegistered(msg.sender);
        _profiles[msg.sender] = profile;
        if (isNew) {
            _providers.push(msg.sender);
            emit ProviderRegistered(msg.sender, profile.uri);
        } else {
            emit ProviderUpdated(msg.sender, profile.uri);
        }
    }

    /// @notice Changes the price or stops taking deals. Running deals keep their terms.
    function setOffer(Offer calldata offer) external {
        _requireRegistered(msg.sender);
        _requireOffer(offer);
        _profiles[msg.sender].offer = offer;
        emit OfferChanged(msg.sender, offer);
    }

    /// @notice Replaces all attributes: region, class and whatever a client filters by.
    function setAttributes(Attribute[] calldata attributes) external {
        _requireRegistered(msg.sender);
        if (ATTRIBUTES_MAX < attributes.length) revert TooManyAttributes(attributes.length, ATTRIBUTES_MAX);
        delete _attributes[msg.sender];
        for (uint256 i = 0; i < attributes.length; ++i) {
            _attributes[msg.sender].push(attributes[i]);
        }
        emit AttributesChanged(msg.sender, attributes);
    }

    function providerCount() external view returns (uint256) {
        return _providers.length;
    }

    /// @notice A page of providers in the order of their registration; shorter at the end.
    function providers(uint256 offset, uint256 count) external view returns (address[] memory page) {
        if (PAGE_MAX < count) revert PageTooLong(count, PAGE_MAX);
        uint256 rest = offset < _providers.length ? _providers.length - offset : 0;
        page = new address[](count < rest ? count : rest);
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = _providers[offset + i];
        }
    }

    function profileOf(address provider) external view returns (Profile memory) {
        return _profiles[provider];
    }

    function attributesOf(address provider) external view returns (Attribute[] memory) {
        return _attributes[provider];
    }

    function offerOf(address provider) external view returns (Offer memory) {
        return _profiles[provider].offer;
    }

    /// @notice Whether a deal with this provider can start now.
    function takesDeals(address provider) public view override returns (bool) {
        return _isRegistered(provider) && _profiles[provider].offer.accepting && super.takesDeals(provider);
    }

    function _isRegistered(address provider) private view returns (bool) {
        return bytes(_profiles[provider].uri).length != 0;
    }

    function _requireRegistered(address provider) private view {
        if (!_isRegistered(provider)) revert NotRegistered(provider);
    }

    function _requireOffer(Offer calldata offer) private pure {
        if (offer.durationMax < offer.durationMin) revert DurationsReversed(offer.durationMin, offer.durationMax);
    }
}
