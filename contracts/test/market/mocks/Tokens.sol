// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev Anybody mints; otherwise honest.
contract Coin is ERC20("", "") {
    function mint(address to, uint256 units) external {
        _mint(to, units);
    }
}

/// @dev Keeps one part in ten of every transfer.
contract FeeToken is Coin {
    function _update(address from, address to, uint256 units) internal override {
        super._update(from, to, units);
        if (from != address(0) && to != address(0)) super._update(to, address(0xfee), units / 10);
    }
}

/// @dev Says no instead of reverting.
contract FalseToken is Coin {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @dev Calls back during every transfer, as its attacker says.
contract ReentrantToken is Coin {
    address private _target;
    bytes private _call;
    uint256 public succeeded;
    uint256 public tried;

    function arm(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function _update(address from, address to, uint256 units) internal override {
        super._update(from, to, units);
        if (_target == address(0)) return;
        ++tried;
        (bool done,) = _target.call(_call);
        if (done) ++succeeded;
    }
}
