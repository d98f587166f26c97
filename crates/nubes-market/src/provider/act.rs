//! One duty, done.

use super::{book::Book, duty::Duty};
use crate::{
    account::{Account, SendError, reason},
    ledger::{DealId, Market, ReadError, number},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use nubes_base::port::{CallError, PieceError, Pieces};
use nubes_contracts::{
    MULTICALL3, Multicall3, PAY_RAILS, POSSESSION_PROOFS, PayRails, PossessionProofs, REPAIR_JOBS,
    RepairJobs, STORAGE_DEALS, StorageDeals, TEST_DOLLAR, TestDollar,
};

/// Leaves of one proof, as the contract has it.
const CHALLENGES: u64 = 5;

pub(super) struct Act<'a> {
    pub(super) account: &'a Account,
    pub(super) pieces: &'a dyn Pieces,
    pub(super) book: &'a Book,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    #[error("the transaction failed")]
    Send(#[from] SendError),
    #[error("the market cannot be read")]
    Read(#[from] ReadError),
    #[error("the ledger does not answer")]
    Ledger(#[from] CallError),
    #[error("a piece is missing or damaged")]
    Piece(#[from] PieceError),
    #[error("block {number} is not to be had")]
    NoBlock { number: u64 },
    #[error("deal {deal} is not known")]
    UnknownDeal { deal: DealId },
}

impl ActError {
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Send(SendError::Refused { .. } | SendError::Reverted { .. }))
    }
}

impl Act<'_> {
    pub(super) async fn perform(&self, duty: Duty) -> Result<(), ActError> {
        match duty {
            Duty::Open { .. } => {
                let provider = self.account.address();
                let call = PossessionProofs::nextProvingPeriodCall { provider };
                self.account.send(POSSESSION_PROOFS, &call).await?;
            }
            Duty::Prove { block, .. } => self.prove(block).await?,
            Duty::Accept { deal } => {
                let call = StorageDeals::acceptCall { dealIds: vec![U256::from(deal)] };
                self.account.send(STORAGE_DEALS, &call).await?;
            }
            Duty::Poke { deal } => {
                let call = StorageDeals::pokeCall { dealId: U256::from(deal) };
                self.account.send(STORAGE_DEALS, &call).await?;
            }
            Duty::Take { job } => self.take(job).await?,
            Duty::Complete { job, period } => {
                let call = RepairJobs::completeCall { dealId: U256::from(job), period: U256::from(period) };
                self.account.send(REPAIR_JOBS, &call).await?;
            }
            Duty::TimeOut { job } => {
                self.account.send(REPAIR_JOBS, &RepairJobs::timeOutCall { dealId: U256::from(job) }).await?;
            }
            Duty::Claim => {
                self.account.send(REPAIR_JOBS, &RepairJobs::claimCall {}).await?;
            }
            Duty::Settle { deal } => {
                let deal = self.book.deal(deal).ok_or(ActError::UnknownDeal { deal })?;
                let call = PayRails::settleCall { railId: deal.railId, until: U256::MAX };
                self.account.send(PAY_RAILS, &call).await?;
            }
            Duty::Erase { deal } => {
                let deal = self.book.deal(deal).ok_or(ActError::UnknownDeal { deal })?;
                self.pieces.erase(deal.terms.pieceRoot).await?;
            }
            // Not one transaction: the agent does it beside.
            Duty::Rebuild { .. } => {}
        }
        Ok(())
    }

    /// Records the seed of the challenge's block from its header and shows the leaves, in one transaction.
    async fn prove(&self, block: u64) -> Result<(), ActError> {
        let provider = self.account.address();
        let header = self.account.ledger().block(block).await?;
        let header = header.ok_or(ActError::NoBlock { number: block })?.header;
        let record = call(POSSESSION_PROOFS, true, &PossessionProofs::recordSeedOfCall { header });
        let mut proofs = Vec::new();
        for (root, leaf) in self.challenges(provider, &record).await? {
            let proof = self.pieces.prove(root, leaf).await?;
            proofs.push(PossessionProofs::Proof { leaf: proof.leaf, path: proof.path });
        }
        let prove = PossessionProofs::provePossessionCall { provider, proofs };
        let calls = vec![record, call(POSSESSION_PROOFS, false, &prove)];
        match self.account.send(MULTICALL3, &Multicall3::aggregate3Call { calls: calls.clone() }).await {
            Err(SendError::Refused { reason }) => Err(self.inner_reason(calls, reason).await.into()),
            sent => sent.map(|_| ()).map_err(ActError::from),
        }
    }

    /// Multicall3 keeps the inner refusal to itself; asked to go on after failures, it tells.
    async fn inner_reason(&self, mut calls: Vec<Multicall3::Call3>, outer: String) -> SendError {
        for call in &mut calls {
            call.allowFailure = true;
        }
        let market = Market::new(self.account.ledger().clone());
        let answers =
            market.read(MULTICALL3, &Multicall3::aggregate3Call { calls }).await.unwrap_or_default();
        let inner = answers.iter().rev().find(|answer| !answer.success);
        SendError::Refused { reason: inner.map_or(outer, |answer| reason(&answer.returnData)) }
    }

    /// What is asked for, as the contract itself says once the seed is recorded; here it is recorded for this call only.
    async fn challenges(
        &self,
        provider: Address,
        record: &Multicall3::Call3,
    ) -> Result<Vec<(B256, u64)>, ActError> {
        let mut calls = vec![record.clone()];
        calls.extend((0..CHALLENGES).map(|i| {
            call(POSSESSION_PROOFS, false, &PossessionProofs::challengeOfCall { provider, i: U256::from(i) })
        }));
        let market = Market::new(self.account.ledger().clone());
        let answers = market.read(MULTICALL3, &Multicall3::aggregate3Call { calls }).await?;
        let decode = |answer: &Multicall3::Result| {
            let challenge = PossessionProofs::challengeOfCall::abi_decode_returns(&answer.returnData);
            let challenge =
                challenge.map_err(|source| ReadError::Shape { contract: POSSESSION_PROOFS, source })?;
            Ok((challenge.pieceRoot, number(challenge.place)))
        };
        answers.iter().skip(1).map(decode).collect()
    }

    /// Takes a job; the deposit is a part of the bounty and comes back with it.
    async fn take(&self, job: DealId) -> Result<(), ActError> {
        let market = Market::new(self.account.ledger().clone());
        let (owner, spender) = (self.account.address(), REPAIR_JOBS);
        let allowed = market.read(TEST_DOLLAR, &TestDollar::allowanceCall { owner, spender }).await?;
        if allowed < U256::MAX >> 1 {
            // For good: the contract takes deposits of jobs that this account takes, and nothing else.
            self.account.send(TEST_DOLLAR, &TestDollar::approveCall { spender, value: U256::MAX }).await?;
        }
        self.account.send(REPAIR_JOBS, &RepairJobs::takeCall { dealId: U256::from(job) }).await?;
        Ok(())
    }
}

fn call<C: SolCall>(target: Address, allow_failure: bool, call: &C) -> Multicall3::Call3 {
    let data: Bytes = call.abi_encode().into();
    Multicall3::Call3 { target, allowFailure: allow_failure, callData: data }
}
