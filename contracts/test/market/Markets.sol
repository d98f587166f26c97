// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Market} from "../../src/market/Wired.sol";
import {Deal, DealState, Terms} from "../../src/market/deals/IDeals.sol";
import {StorageDeals} from "../../src/market/deals/StorageDeals.sol";
import {DataSet} from "../../src/market/proofs/DataSets.sol";
import {PossessionProofs} from "../../src/market/proofs/PossessionProofs.sol";
import {Offer, Profile} from "../../src/market/providers/IRegistry.sol";
import {ProviderRegistry} from "../../src/market/providers/ProviderRegistry.sol";
import {PayRails} from "../../src/market/rails/PayRails.sol";
import {RepairJobs} from "../../src/market/repair/RepairJobs.sol";
import {SlashingHub} from "../../src/market/slashing/SlashingHub.sol";
import {vm} from "../Vm.sol";
import {Dollars} from "../token/Dollars.sol";
import {Pieces} from "./Pieces.sol";

/// @dev The market as genesis leaves it: code placed, no constructor run, the wiring written as slots 0 to 11. On a
/// compressed clock: proving periods of 100 s, stages of 200 s.
abstract contract Markets is Dollars {
    uint256 internal constant PARTS = 1e18;
    uint32 internal constant PERIOD = 100;
    uint32 internal constant STAGE = 200;
    uint64 internal constant LEAVES = 13;
    uint128 internal constant PRICE = 1000 * 1e18;
    uint256 internal constant STAKE_MIN = 1000e6;
    uint256 internal constant STAKE = 20_000e6;
    uint256 internal constant PROVIDER_KEY = 0x9105;

    address internal constant CLIENT = address(0xc11e47);
    address internal constant MALLORY = address(0xbad);
    address internal immutable PROVIDER = vm.addr(PROVIDER_KEY);
    address internal constant OTHER = address(0x07e5);

    ProviderRegistry internal constant registry = ProviderRegistry(0x4e75626573000000000000000000000000000004);
    PayRails internal constant rails = PayRails(0x4E75626573000000000000000000000000000005);
    SlashingHub internal constant hub = SlashingHub(0x4e75626573000000000000000000000000000006);
    PossessionProofs internal constant proofs = PossessionProofs(0x4E75626573000000000000000000000000000007);
    StorageDeals internal constant deals = StorageDeals(0x4e75626573000000000000000000000000000008);
    RepairJobs internal constant jobs = RepairJobs(0x4e75626573000000000000000000000000000009);

    function _place() internal {
        address[] memory holders = new address[](4);
        (holders[0], holders[1], holders[2], holders[3]) = (CLIENT, PROVIDER, OTHER, MALLORY);
        _genesis(holders);
        vm.etch(address(registry), type(ProviderRegistry).runtimeCode);
        vm.etch(address(rails), type(PayRails).runtimeCode);
        vm.etch(address(hub), type(SlashingHub).runtimeCode);
        vm.etch(address(proofs), type(PossessionProofs).runtimeCode);
        vm.etch(address(deals), type(StorageDeals).runtimeCode);
        vm.etch(address(jobs), type(RepairJobs).runtimeCode);
        _wire(address(registry));
        _wire(address(hub));
        _wire(address(proofs));
        _wire(address(deals));
        _wire(address(jobs));
        vm.roll(1000);
    }

    function _wire(address part) private {
        address[8] memory parts = [
            address(dollar),
            address(registry),
            address(rails),
            address(hub),
            address(proofs),
            address(deals),
            address(jobs),
            address(deals)
        ];
        for (uint256 slot = 0; slot < 8; ++slot) {
            vm.store(part, bytes32(slot), bytes32(uint256(uint160(parts[slot]))));
        }
        vm.store(part, bytes32(uint256(11)), bytes32(STAKE_MIN));
    }

    function _offer() internal pure returns (Offer memory) {
        return Offer(type(uint128).max, 1, 365 days, type(uint64).max, true);
    }

    function _join(address provider) internal {
        vm.startPrank(provider);
        registry.register(Profile("https://provider.example", 0xed, hex"01", 1 << 50, _offer()));
        dollar.approve(address(registry), type(uint256).max);
        registry.depositStake(provider, STAKE);
        proofs.openDataSet(PERIOD);
        vm.stopPrank();
    }

    function _fund(address client, uint256 units) internal {
        vm.startPrank(client);
        dollar.approve(address(rails), type(uint256).max);
        rails.deposit(address(dollar), client, units);
        rails.approveOperator(
            address(dollar), address(deals), true, type(uint256).max, type(uint256).max, type(uint64).max
        );
        vm.stopPrank();
    }

    function _terms(address provider, bytes32 content) internal view returns (Terms memory terms) {
        terms.provider = provider;
        terms.pieceRoot = Pieces.root(content, LEAVES);
        terms.leafCount = LEAVES;
        terms.duration = 100 * PERIOD;
        terms.acceptBy = uint64(block.timestamp + 1 days);
        terms.periodSeconds = PERIOD;
        (terms.readOnlySeconds, terms.graceSeconds, terms.noticeSeconds) = (STAGE, STAGE, STAGE);
        terms.pricePerSecond = PRICE;
        terms.group = "object";
    }

    function _one(Terms memory terms) internal pure returns (Terms[] memory batch) {
        batch = new Terms[](1);
        batch[0] = terms;
    }

    function _one(uint256 dealId) internal pure returns (uint256[] memory ids) {
        ids = new uint256[](1);
        ids[0] = dealId;
    }

    function _propose(Terms memory terms) internal returns (uint256) {
        vm.prank(CLIENT);
        return deals.propose(_one(terms))[0];
    }

    function _start(address provider, bytes32 content) internal returns (uint256 dealId) {
        dealId = _propose(_terms(provider, content));
        vm.prank(provider);
        deals.accept(_one(dealId));
    }

    /// @dev Goes to the start of the next period of a provider, and opens it.
    function _nextPeriod(address provider) internal returns (uint256 period) {
        period = proofs.periodAt(provider, block.timestamp) + 1;
        vm.warp(proofs.periodStart(provider, period));
        proofs.nextProvingPeriod(provider);
    }

    /// @dev Lets the challenge block come, with a value that nobody knew, and records it.
    function _seed(address provider, bytes32 value) internal {
        (DataSet memory set,,) = proofs.dataSetOf(provider);
        vm.roll(set.challengeBlock);
        vm.prevrandao(value);
        proofs.recordSeed();
    }

    /// @dev A proof by somebody who has the whole of every piece; `contents` in the order of the data set.
    function _proof(address provider, bytes32[] memory contents)
        internal
        view
        returns (PossessionProofs.Proof[] memory proof)
    {
        proof = new PossessionProofs.Proof[](5);
        for (uint256 i = 0; i < 5; ++i) {
            (bytes32 root, uint256 place) = proofs.challengeOf(provider, i);
            for (uint256 k = 0; k < contents.length; ++k) {
                if (Pieces.root(contents[k], LEAVES) != root) continue;
                proof[i].leaf = Pieces.leaf(contents[k], place);
                proof[i].path = Pieces.path(contents[k], LEAVES, place);
            }
        }
    }

    function _proof(address provider, bytes32 content) internal view returns (PossessionProofs.Proof[] memory) {
        bytes32[] memory contents = new bytes32[](1);
        contents[0] = content;
        return _proof(provider, contents);
    }

    /// @dev The next period, proven as it should be.
    function _prove(address provider, bytes32 content) internal returns (uint256 period) {
        period = _nextPeriod(provider);
        _seed(provider, keccak256(abi.encode("seed", period)));
        proofs.provePossession(provider, _proof(provider, content));
    }

    function _assertState(uint256 dealId, DealState state) internal view {
        vm.assertEq(uint256(deals.dealOf(dealId).state), uint256(state));
    }

    function _earned(address provider) internal view returns (uint256) {
        return rails.withdrawable(address(dollar), provider);
    }

    function _settle(uint256 dealId) internal returns (uint256 paid) {
        (paid,) = rails.settle(deals.dealOf(dealId).railId, type(uint256).max);
    }
}
