// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {TransferAuthorization} from "./TransferAuthorization.sol";

/// @notice Money without value, to try payments with: ERC-20, ERC-2612 and ERC-3009, as wallets and x402 expect.
/// @dev Nobody can mint or burn. Genesis writes the supply into storage: `_balances` is slot 0 and `_totalSupply`
/// slot 2 (OpenZeppelin's ERC20 comes first in the layout). The constructor leaves no trace: empty strings are empty
/// slots, and `name` and `symbol` are constants.
contract TestDollar is TransferAuthorization, IERC20Permit, Nonces {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    /// @notice Too late. Ask for a new permit.
    error PermitExpired(uint256 deadline, uint256 timestamp);
    /// @notice Not signed by `owner` for this token, chain, nonce and content.
    error PermitNotSigned(address owner, address signer);

    constructor() ERC20("", "") {}

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        if (deadline < block.timestamp) revert PermitExpired(deadline, block.timestamp);
        bytes32 content = keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, _useNonce(owner), deadline));
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(_digest(content), v, r, s);
        if (problem != ECDSA.RecoverError.NoError || signer != owner) revert PermitNotSigned(owner, signer);
        _approve(owner, spender, value);
    }

    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparator();
    }

    function version() external pure returns (string memory) {
        return _domainVersion();
    }

    function nonces(address owner) public view override(IERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function name() public pure override returns (string memory) {
        return "Test Dollar";
    }

    function symbol() public pure override returns (string memory) {
        return "TUSD";
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function _domainName() internal pure override returns (string memory) {
        return name();
    }

    function _domainVersion() internal pure override returns (string memory) {
        return "1";
    }
}
