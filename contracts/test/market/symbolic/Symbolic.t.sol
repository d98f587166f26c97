// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Market} from "../../../src/market/Wired.sol";
import {IDeals} from "../../../src/market/deals/IDeals.sol";
import {IProofs} from "../../../src/market/proofs/IProofs.sol";
import {IRegistry} from "../../../src/market/providers/IRegistry.sol";
import {ProviderRegistry} from "../../../src/market/providers/ProviderRegistry.sol";
import {Account, Lockup} from "../../../src/market/rails/Lockup.sol";
import {PayRails} from "../../../src/market/rails/PayRails.sol";
import {IPayRails, Rail} from "../../../src/market/rails/Rail.sol";
import {Settlement} from "../../../src/market/rails/Settlement.sol";
import {IRepairJobs} from "../../../src/market/repair/IRepairJobs.sol";
import {ISlashingHub} from "../../../src/market/slashing/ISlashingHub.sol";
import {vm} from "../../Vm.sol";
import {Coin} from "../mocks/Tokens.sol";

/// @dev Proved by halmos for every value of the arguments (`npm run halmos`); forge runs none of these. Where a product
/// of two unknowns is in it, the values are of fewer bits, so that the solver answers; a quotient of two is beyond it, so
/// the growth of a lock is left to the fuzz tests of `Lockup.t.sol`.
contract SymbolicSettlement {
    function check_what_passes_is_at_most_rate_times_time(
        uint64 rate,
        uint32 from,
        uint32 until,
        uint128 amount,
        uint40 settledUpTo
    ) public pure {
        Settlement.check(rate, from, until, amount, settledUpTo);
        assert(from <= settledUpTo && settledUpTo <= until);
        assert(amount <= uint256(rate) * (settledUpTo - from));
    }

    function check_the_broker_takes_at_most_the_payment(uint8 amount, uint16 bps) public pure {
        vm.assume(bps <= 10_000);
        assert(Settlement.brokerFee(amount, bps) <= amount);
    }

    function check_the_horizon_is_within_all_three(uint32 asked, uint32 time, uint32 covered) public pure {
        uint256 until = Settlement.horizon(asked, time, covered);
        assert(until <= asked && until <= time && until <= covered);
        assert(until == asked || until == time || until == covered);
    }

    function check_a_relock_is_paid_by_what_is_free(uint128 funds, uint128 locked, uint128 before, uint128 afterwards)
        public
        pure
    {
        vm.assume(locked <= funds && before <= locked);
        Account memory account = Account(funds, locked, 0, 5);
        Lockup.relock(account, before, afterwards, 5);
        assert(account.locked <= account.funds);
        assert(account.locked == uint256(locked) - before + afterwards);
    }
}

contract SymbolicRails {
    uint256 private constant PARTS = 1e18;
    address private constant OWNER = address(0x1001);
    address private constant OPERATOR = address(0x1002);
    address private constant PAYEE = address(0x1003);
    uint256 private constant FUNDS = 1000;

    PayRails private _rails;
    Coin private _coin;

    function setUp() public {
        vm.warp(1000);
        _rails = new PayRails();
        _coin = new Coin();
        _coin.mint(address(this), FUNDS);
        _coin.approve(address(_rails), FUNDS);
        _rails.deposit(address(_coin), OWNER, FUNDS);
        vm.prank(OWNER);
        _rails.approveOperator(address(_coin), OPERATOR, true, 1e30, 1e30, 1000);
        vm.prank(OPERATOR);
        _rails.createRail(address(_coin), OWNER, PAYEE, address(0), 0, address(0));
        vm.prank(OPERATOR);
        _rails.modifyLockup(0, 100, 300 * PARTS);
        vm.prank(OPERATOR);
        _rails.modifyRate(0, 2 * PARTS, 0);
    }

    /// @dev 300 fixed and 200 for the last period stay.
    function check_a_withdrawal_leaves_what_is_locked(uint256 units) public {
        vm.prank(OWNER);
        _rails.withdraw(address(_coin), OWNER, units);
        assert(units <= 500);
        assert(_coin.balanceOf(address(_rails)) == FUNDS - units);
    }

    function check_the_escape_opens_after_the_end(address caller, uint32 time) public {
        vm.prank(OWNER);
        _rails.terminate(0);
        vm.assume(1000 <= time);
        vm.warp(time);
        vm.prank(caller);
        _rails.settleTerminatedRailWithoutValidation(0);
        assert(caller == OWNER);
        assert(1100 <= time);
        assert(_rails.accountOf(address(_coin), PAYEE).funds == 200 * PARTS);
    }

    function check_a_running_rail_has_no_escape(address caller, uint32 time) public {
        vm.assume(1000 <= time);
        vm.warp(time);
        vm.prank(caller);
        (bool done,) = address(_rails).call(abi.encodeCall(_rails.settleTerminatedRailWithoutValidation, (0)));
        assert(!done);
    }

    function check_nobody_else_steers_a_rail(address caller, uint256 rate, uint256 once) public {
        vm.assume(caller != OPERATOR);
        vm.prank(caller);
        (bool done,) = address(_rails).call(abi.encodeCall(_rails.modifyRate, (0, rate, once)));
        assert(!done);
    }

    function check_one_time_payments_stay_within_the_fixed_lockup(uint256 once) public {
        vm.prank(OPERATOR);
        _rails.modifyRate(0, 2 * PARTS, once);
        assert(once <= 300 * PARTS);
        assert(_rails.accountOf(address(_coin), PAYEE).funds == once);
    }
}

contract SymbolicStake {
    address private constant PROVIDER = address(0x1001);
    address private constant HUB = address(0x1002);
    address private constant POOL = address(0x1003);
    uint256 private constant STAKE = 1000;

    ProviderRegistry private _registry;
    Coin private _coin;

    function setUp() public {
        _registry = new ProviderRegistry();
        _coin = new Coin();
        _registry.wire(_market(address(_coin)));
        _coin.mint(address(this), STAKE);
        _coin.approve(address(_registry), STAKE);
        _registry.depositStake(PROVIDER, STAKE);
    }

    function check_a_slash_takes_at_most_the_stake(uint256 units) public {
        vm.prank(HUB);
        uint256 slashed = _registry.slash(PROVIDER, units, POOL);
        assert(slashed <= STAKE && slashed <= units);
        assert(_registry.stakeOf(PROVIDER).units == STAKE - slashed);
        assert(_coin.balanceOf(POOL) == slashed);
    }

    function check_only_the_hub_slashes(address caller, uint256 units) public {
        vm.assume(caller != HUB);
        vm.prank(caller);
        (bool done,) = address(_registry).call(abi.encodeCall(_registry.slash, (PROVIDER, units, caller)));
        assert(!done);
    }

    function check_a_market_is_wired_once(address caller, address token) public {
        vm.prank(caller);
        (bool done,) = address(_registry).call(abi.encodeCall(_registry.wire, (_market(token))));
        assert(!done);
        assert(address(_registry.marketOf().token) == address(_coin));
    }

    function _market(address token) private pure returns (Market memory market) {
        market.token = IERC20(token);
        market.registry = IRegistry(address(1));
        market.rails = IPayRails(address(2));
        market.hub = ISlashingHub(HUB);
        market.proofs = IProofs(address(3));
        market.deals = IDeals(address(4));
        market.jobs = IRepairJobs(address(5));
    }
}
