// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Account, Lockup} from "./Lockup.sol";

/// @notice Accounts per token and owner: money goes in for anybody and comes out for its owner, unless locked.
/// @dev Only deposits and withdrawals speak in token units. Everything inside is in parts, `PARTS` to a unit, so that
/// `rate * seconds` is exact and settling often or once gives the same sum.
abstract contract RailAccounts is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using Lockup for Account;

    uint256 public constant PARTS = 1e18;
    /// @dev Keeps `units * PARTS`, and the sum of all accounts of a token, far from overflow.
    uint256 private constant DEPOSIT_UNITS_MAX = type(uint128).max;

    mapping(address token => mapping(address owner => Account)) private _accounts;

    event Deposited(address indexed token, address indexed owner, address indexed payer, uint256 units);
    event Withdrawn(address indexed token, address indexed owner, address indexed receiver, uint256 units);

    /// @notice Too much at once, or nothing arrived.
    error DepositOutOfRange(uint256 units, uint256 max);

    /// @notice Adds to somebody's account. What counts is what arrives, so a token with a fee cannot make money.
    function deposit(address token, address owner, uint256 units) external nonReentrant {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), units);
        _credit(token, owner, msg.sender, before);
    }

    /// @notice As `deposit`, for a holder who signed a `ReceiveWithAuthorization` (ERC-3009) to this contract and sends
    /// no transaction. The money goes to the signer's own account, whoever submits.
    function depositWithAuthorization(
        address token,
        address owner,
        uint256 units,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC3009(token).receiveWithAuthorization(owner, address(this), units, validAfter, validBefore, nonce, v, r, s);
        _credit(token, owner, owner, before);
    }

    /// @notice Takes out what is not locked.
    function withdraw(address token, address receiver, uint256 units) external nonReentrant {
        Account memory account = _settledAccount(token, msg.sender);
        if (DEPOSIT_UNITS_MAX < units) revert DepositOutOfRange(units, DEPOSIT_UNITS_MAX);
        uint256 parts = units * PARTS;
        if (account.free() < parts) revert Lockup.FundsLocked(account.free(), parts);
        account.funds -= parts;
        _accounts[token][msg.sender] = account;
        IERC20(token).safeTransfer(receiver, units);
        emit Withdrawn(token, msg.sender, receiver, units);
    }

    /// @notice The account as it stands now.
    function accountOf(address token, address owner) external view returns (Account memory) {
        return _settledAccount(token, owner);
    }

    /// @notice Token units that the owner may take out now.
    function withdrawable(address token, address owner) external view returns (uint256) {
        return _settledAccount(token, owner).free() / PARTS;
    }

    function _settledAccount(address token, address owner) internal view returns (Account memory account) {
        account = _accounts[token][owner];
        // An account that was never touched starts now; it has no rate, so the past adds nothing.
        return account.settled(block.timestamp);
    }

    function _storedAccount(address token, address owner) internal view returns (Account memory) {
        return _accounts[token][owner];
    }

    function _store(address token, address owner, Account memory account) internal {
        // Solvency of the account: a lock never exceeds what is there.
        assert(account.locked <= account.funds);
        _accounts[token][owner] = account;
    }

    function _receive(address token, address owner, uint256 parts) internal {
        _accounts[token][owner].funds += parts;
    }

    function _credit(address token, address owner, address payer, uint256 before) private {
        uint256 units = IERC20(token).balanceOf(address(this)) - before;
        if (units == 0 || DEPOSIT_UNITS_MAX < units) revert DepositOutOfRange(units, DEPOSIT_UNITS_MAX);
        Account memory account = _accounts[token][owner];
        account.funds += units * PARTS;
        _accounts[token][owner] = account.settled(block.timestamp);
        emit Deposited(token, owner, payer, units);
    }
}
