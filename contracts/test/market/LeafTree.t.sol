// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {LeafTree} from "../../src/market/proofs/LeafTree.sol";
import {vm} from "../Vm.sol";

contract LeafTreeTest {
    using LeafTree for LeafTree.Tree;

    LeafTree.Tree private _tree;
    uint256[] private _model;

    function test_it_finds_what_a_walk_finds(uint16[40] calldata values, uint8[12] calldata removed, uint256 leaf)
        public
    {
        for (uint256 i = 0; i < values.length; ++i) {
            vm.assertEq(_tree.append(values[i]), i);
            _model.push(values[i]);
            if (i % 3 == 0) _check(uint256(keccak256(abi.encode(leaf, i))));
        }
        for (uint256 i = 0; i < removed.length; ++i) {
            uint256 index = removed[i] % _model.length;
            _tree.subtract(index, _model[index]);
            _model[index] = 0;
            _check(uint256(keccak256(abi.encode(leaf, i, "removed"))));
        }
        _model.push(7);
        _tree.append(7);
        _check(leaf);
        _check(_tree.total - 1);
        _check(0);
    }

    function test_no_leaf_lies_beyond_the_total() public {
        _tree.append(5);
        this.find(4);
        vm.expectRevert(abi.encodeWithSelector(LeafTree.LeafOutOfRange.selector, 5, 5));
        this.find(5);
    }

    function find(uint256 leaf) external view returns (uint256 index, uint256 offset) {
        return _tree.find(leaf);
    }

    function _check(uint256 leaf) private view {
        uint256 total = 0;
        for (uint256 i = 0; i < _model.length; ++i) {
            total += _model[i];
        }
        vm.assertEq(_tree.total, total);
        if (total == 0) return;
        leaf = leaf % total;
        (uint256 index, uint256 offset) = _tree.find(leaf);
        uint256 walked = 0;
        while (_model[walked] <= leaf) leaf -= _model[walked++];
        vm.assertEq(index, walked);
        vm.assertEq(offset, leaf);
    }
}
