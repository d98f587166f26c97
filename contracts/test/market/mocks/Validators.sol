// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IValidator} from "../../../src/market/rails/IValidator.sol";

/// @dev Answers as told, and misbehaves as told.
contract Judge is IValidator {
    enum Mode {
        Grant,
        Part,
        Less,
        TooMuch,
        BeforeFrom,
        AfterUntil,
        Revert,
        BurnGas,
        NoTimeButMoney
    }

    Mode public mode;

    function set(uint256 choice) external {
        mode = Mode(choice % 9);
    }

    function validatePayment(uint256, uint256 proposed, uint256 from, uint256 until, uint256 rate)
        external
        view
        returns (uint256 amount, uint256 settledUpTo, string memory note)
    {
        if (mode == Mode.Revert) revert("no");
        if (mode == Mode.BurnGas) while (gasleft() > 0) {}
        if (mode == Mode.Part) {
            uint256 half = from + (until - from) / 2;
            return (rate * (half - from), half, "half the time");
        }
        if (mode == Mode.Less) return (proposed / 3, until, "a third");
        if (mode == Mode.TooMuch) return (proposed + 1, until, "more");
        if (mode == Mode.BeforeFrom) return (0, from - 1, "back");
        if (mode == Mode.AfterUntil) return (proposed, until + 1, "ahead");
        if (mode == Mode.NoTimeButMoney) return (1, from, "gift");
        return (proposed, until, "");
    }
}

/// @dev Tries to change something while it is asked.
contract ReentrantJudge {
    address private _target;
    bytes private _call;

    function arm(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function validatePayment(uint256, uint256 proposed, uint256, uint256 until, uint256)
        external
        returns (uint256, uint256, string memory)
    {
        (bool done,) = _target.call(_call);
        require(!done, "re-entered");
        return (proposed, until, "");
    }
}
