// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev Where genesis places the resolver that everybody may use.
address constant PUBLIC_RESOLVER = 0x4E75626573000000000000000000000000000001;

/// @notice EIP-137: the Ethereum address of a name. Interface 0x3b3b57de.
interface IAddrResolver {
    event AddrChanged(bytes32 indexed node, address a);

    function addr(bytes32 node) external view returns (address payable);
}

/// @notice EIP-2304: addresses on other chains by SLIP-44 coin type. Interface 0xf1cb7e06.
interface IAddressResolver {
    event AddressChanged(bytes32 indexed node, uint256 coinType, bytes newAddress);

    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory);
}

/// @notice EIP-634: text records by key. Interface 0x59d1d43c.
interface ITextResolver {
    event TextChanged(bytes32 indexed node, string indexed indexedKey, string key, string value);

    function text(bytes32 node, string calldata key) external view returns (string memory);
}

/// @notice EIP-1577: what a browser shows at the name. Interface 0xbc1c58d1.
interface IContentHashResolver {
    event ContenthashChanged(bytes32 indexed node, bytes hash);

    function contenthash(bytes32 node) external view returns (bytes memory);
}

/// @notice As in ENS: the records of a name have a version, and only those of the newest are read.
/// Interface 0xd700ff33.
interface IVersionableResolver {
    event VersionChanged(bytes32 indexed node, uint64 newVersion);

    function recordVersions(bytes32 node) external view returns (uint64);
}
