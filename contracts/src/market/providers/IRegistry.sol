// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev What a provider asks for, and from whom it takes deals.
struct Offer {
    /// @dev Token units for 1 GiB during 30 days.
    uint128 pricePerGibMonth;
    uint64 durationMin;
    uint64 durationMax;
    uint64 pieceBytesMax;
    bool accepting;
}

struct Profile {
    /// @dev HTTP address or multiaddr.
    string uri;
    /// @dev Key of what the provider signs outside the chain, by the code of its multicodec: 0xed ed25519, 0xe7
    /// secp256k1.
    uint16 keyCodec;
    bytes key;
    uint128 capacityBytes;
    Offer offer;
}

struct Attribute {
    bytes32 key;
    bytes32 value;
}

struct Stake {
    /// @dev Token units; includes what is on its way out, which can still be slashed.
    uint256 units;
    uint256 exitingUnits;
    /// @dev When `exitingUnits` may be taken out; zero: no exit.
    uint64 exitAt;
    uint64 activeDeals;
}

interface IRegistry {
    function offerOf(address provider) external view returns (Offer memory);
    function takesDeals(address provider) external view returns (bool);
    function lock(address provider) external;
    function unlock(address provider) external;
    function slash(address provider, uint256 units, address to) external returns (uint256 slashed);
}
