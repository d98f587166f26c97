// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Wired} from "../Wired.sol";
import {Deal, DealState, Terms} from "../deals/IDeals.sol";
import {IRepairJobs} from "./IRepairJobs.sol";

enum JobState {
    None,
    Open,
    Taken,
    Done,
    Released
}

/// @dev The number of a job is that of the lost deal.
struct Job {
    JobState state;
    address taker;
    uint64 deadline;
    uint256 replacementId;
    /// @dev Token units for whoever repairs, or for the client if nobody does.
    uint256 bounty;
    uint256 deposit;
}

/// @notice Pays a provider for bringing back a lost piece: it takes the job with a deposit, becomes the provider of
/// what remains of the deal, and is paid once it has proven possession.
/// @dev Money leaves by `claim` only, and only what came in and is booked: `sum(bounty + deposit) + sum(claimable)` is
/// at most the balance. Who lost the piece cannot take the job; a second account of theirs can, and then gets back no
/// more than they lost.
contract RepairJobs is Wired, ReentrancyGuardTransient, IRepairJobs {
    using SafeERC20 for IERC20;

    /// @dev Part of the bounty that a taker deposits.
    uint256 private constant DEPOSIT_BPS = 2_000;
    uint256 private constant BPS = 10_000;
    /// @dev Proving periods of the taker: to fetch, to rebuild, to accept, and one whole to prove.
    uint256 private constant WINDOW_PERIODS = 6;

    mapping(uint256 dealId => Job) private _jobs;
    mapping(address owner => uint256) private _claimable;
    uint256 private _booked;

    event BountyAdded(uint256 indexed dealId, address indexed payer, uint256 units);
    event JobOpened(uint256 indexed dealId, uint256 bounty);
    event JobTaken(uint256 indexed dealId, address indexed taker, uint256 replacementId, uint256 deposit, uint256 deadline);
    event JobDone(uint256 indexed dealId, address indexed taker, uint256 units);
    event JobTimedOut(uint256 indexed dealId, address indexed taker, uint256 deposit);
    event JobReleased(uint256 indexed dealId, address indexed client, uint256 units);
    event Claimed(address indexed owner, uint256 units);

    error JobInState(uint256 dealId, JobState state);
    error TakerLostIt(address taker);
    error PeriodOutOfRange(uint256 periodSeconds, uint256 max);
    error DepositMissing(uint256 arrived, uint256 deposit);
    error NotRepaired(uint256 dealId, uint256 period);
    error DeadlineAhead(uint256 deadline, uint256 timestamp);
    error DeadlinePassed(uint256 deadline, uint256 timestamp);
    error DealNotOver(uint256 dealId, uint256 end);

    function fund(uint256 dealId, uint256 units) external {
        _requirePart(address(_market.deals));
        uint256 arrived = _market.token.balanceOf(address(this)) - _booked;
        units = units < arrived ? units : arrived;
        _booked += units;
        _jobs[dealId].bounty += units;
    }

    function open(uint256 dealId) external {
        _requirePart(address(_market.deals));
        Job storage job = _inState(dealId, JobState.None);
        job.state = JobState.Open;
        emit JobOpened(dealId, job.bounty);
    }

    function release(uint256 dealId) external {
        _requirePart(address(_market.deals));
        _release(dealId, _inState(dealId, JobState.None));
    }

    /// @notice Adds to the bounty of a deal, lost or not. The client gets it back if the deal ends well.
    function addBounty(uint256 dealId, uint256 units) external nonReentrant {
        Job storage job = _jobs[dealId];
        if (JobState.Taken < job.state) revert JobInState(dealId, job.state);
        DealState state = _market.deals.dealOf(dealId).state;
        if (state == DealState.Ended) revert DealNotOver(dealId, 0);
        uint256 arrived = _collect(units);
        job.bounty += arrived;
        emit BountyAdded(dealId, msg.sender, arrived);
    }

    /// @notice Takes a job: deposits a part of the bounty and proposes the replacement in the client's name.
    function take(uint256 dealId) external nonReentrant returns (uint256 replacementId) {
        Job storage job = _inState(dealId, JobState.Open);
        Terms memory lost = _market.deals.dealOf(dealId).terms;
        if (lost.provider == msg.sender) revert TakerLostIt(msg.sender);
        // Longer periods would prove less than the client agreed to, and keep the job from others for longer.
        uint256 period = _market.proofs.periodSeconds(msg.sender);
        if (period == 0 || lost.periodSeconds < period) revert PeriodOutOfRange(period, lost.periodSeconds);
        uint256 deposit = Math.ceilDiv(job.bounty * DEPOSIT_BPS, BPS);
        uint256 deadline = block.timestamp + WINDOW_PERIODS * period;
        (job.state, job.taker, job.deadline, job.deposit) = (JobState.Taken, msg.sender, uint64(deadline), deposit);
        uint256 arrived = _collect(deposit);
        if (arrived < deposit) revert DepositMissing(arrived, deposit);
        replacementId = _market.deals.proposeReplacement(dealId, msg.sender, uint64(deadline));
        job.replacementId = replacementId;
        emit JobTaken(dealId, msg.sender, replacementId, deposit, deadline);
    }

    /// @notice Pays the taker once the replacement runs and `period`, challenged with the piece in it, is proven.
    function complete(uint256 dealId, uint256 period) external nonReentrant {
        Job storage job = _inState(dealId, JobState.Taken);
        if (job.deadline < block.timestamp) revert DeadlinePassed(job.deadline, block.timestamp);
        Deal memory deal = _market.deals.dealOf(job.replacementId);
        bool isRunning = DealState.Active <= deal.state && deal.state <= DealState.Notice;
        if (!isRunning || period < deal.firstPeriod || !_market.proofs.isProven(job.taker, period)) {
            revert NotRepaired(dealId, period);
        }
        uint256 units = job.bounty + job.deposit;
        (job.state, job.bounty, job.deposit) = (JobState.Done, 0, 0);
        _claimable[job.taker] += units;
        emit JobDone(dealId, job.taker, units);
    }

    /// @notice After the deadline the deposit goes into the bounty and the job is open again.
    function timeOut(uint256 dealId) external nonReentrant {
        Job storage job = _inState(dealId, JobState.Taken);
        if (block.timestamp <= job.deadline) revert DeadlineAhead(job.deadline, block.timestamp);
        (address taker, uint256 deposit) = (job.taker, job.deposit);
        (job.state, job.taker, job.deposit) = (JobState.Open, address(0), 0);
        job.bounty += deposit;
        _market.deals.cancelReplacement(job.replacementId);
        emit JobTimedOut(dealId, taker, deposit);
    }

    /// @notice When the lost deal would have ended and nobody repaired it, the bounty is the client's.
    function close(uint256 dealId) external {
        Job storage job = _inState(dealId, JobState.Open);
        uint256 end = _market.deals.dealOf(dealId).end;
        if (block.timestamp < end) revert DealNotOver(dealId, end);
        _release(dealId, job);
    }

    /// @notice Takes out what the caller earned or got back.
    function claim() external nonReentrant returns (uint256 units) {
        units = _claimable[msg.sender];
        _claimable[msg.sender] = 0;
        _booked -= units;
        _market.token.safeTransfer(msg.sender, units);
        emit Claimed(msg.sender, units);
    }

    function jobOf(uint256 dealId) external view returns (Job memory) {
        return _jobs[dealId];
    }

    function claimableOf(address owner) external view returns (uint256) {
        return _claimable[owner];
    }

    /// @notice Token units of all bounties, deposits and claims together.
    function booked() external view returns (uint256) {
        return _booked;
    }

    function _release(uint256 dealId, Job storage job) private {
        address client = _market.deals.dealOf(dealId).client;
        uint256 units = job.bounty;
        (job.state, job.bounty) = (JobState.Released, 0);
        _claimable[client] += units;
        emit JobReleased(dealId, client, units);
    }

    function _collect(uint256 units) private returns (uint256 arrived) {
        uint256 before = _market.token.balanceOf(address(this));
        _market.token.safeTransferFrom(msg.sender, address(this), units);
        arrived = _market.token.balanceOf(address(this)) - before;
        _booked += arrived;
    }

    function _inState(uint256 dealId, JobState state) private view returns (Job storage job) {
        job = _jobs[dealId];
        if (job.state != state) revert JobInState(dealId, job.state);
    }
}
