//! The block that consensus passes around: an Ethereum block and the consensus context it was proposed in.
//!
//! The digest is the Ethereum block hash. It commits to everything: to the transactions by the header's transactions
//! root, and to the context by the header's `parentBeaconBlockRoot`, which is the SHA-256 of the encoded context.
//! Decoding checks both, so that a digest can never come with another body or another context.

use crate::machine::EthBlock;
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, proofs};
use alloy_primitives::B256;
use alloy_rlp::{Decodable as _, Encodable as _};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, Encode, EncodeSize, Error, RangeCfg, Read, ReadExt, Write};
use commonware_consensus::{
    CertifiableBlock, Heightable,
    simplex::types::Context,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digest as _, Digestible, Hasher, Sha256, ed25519::PublicKey, sha256::Digest};
use std::sync::Arc;

/// Largest RLP encoding of a block. The consensus context comes on top.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;

pub(crate) type BlockContext = Context<Digest, PublicKey>;

/// A proposed, voted or final block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    context: BlockContext,
    eth: Arc<EthBlock>,
    hash: B256,
}

impl Block {
    /// A block that this validator's machine built in `context`.
    pub(crate) fn new(context: BlockContext, eth: EthBlock) -> Self {
        let hash = eth.header.hash_slow();
        Self { context, eth: Arc::new(eth), hash }
    }

    /// Block 0. Its header commits to no context, because the header is given before there are validators; decoding
    /// demands the fixed round and parent instead.
    pub(crate) fn genesis(eth: EthBlock, leader: PublicKey) -> Self {
        let round = Round::new(Epoch::zero(), View::zero());
        Self::new(BlockContext { round, leader, parent: (View::zero(), Digest::EMPTY) }, eth)
    }

    pub(crate) const fn eth(&self) -> &Arc<EthBlock> {
        &self.eth
    }

    pub(crate) const fn context_ref(&self) -> &BlockContext {
        &self.context
    }

    pub(crate) fn rlp_bytes(&self) -> usize {
        self.eth.length()
    }

    pub(crate) const fn hash(&self) -> B256 {
        self.hash
    }
}

/// What a header's `parentBeaconBlockRoot` holds.
pub(crate) fn commitment(context: &BlockContext) -> B256 {
    B256::from(Sha256::hash(&[&context.encode()]).0)
}

pub(crate) const fn digest_of(hash: B256) -> Digest {
    Digest(hash.0)
}

pub(crate) const fn hash_of(digest: &Digest) -> B256 {
    B256::new(digest.0)
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Block {}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.context.write(buf);
        let mut rlp = Vec::with_capacity(self.eth.length());
        self.eth.encode(&mut rlp);
        Bytes::from(rlp).write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        let rlp = self.eth.length();
        self.context.encode_size() + rlp.encode_size() + rlp
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let context = BlockContext::read(buf)?;
        let rlp = Bytes::read_cfg(buf, &RangeCfg::from(..=BLOCK_BYTES_MAX))?;
        let mut rest = rlp.as_ref();
        let eth = EthBlock::decode(&mut rest).map_err(|_| Error::Invalid("block", "not an RLP block"))?;
        if !rest.is_empty() {
            return Err(Error::Invalid("block", "bytes after the block"));
        }
        let block = Self::new(context, eth);
        block.check()?;
        Ok(block)
    }
}

impl Block {
    /// The header commits to all that came with it.
    fn check(&self) -> Result<(), Error> {
        let EthBlock { header, body } = self.eth.as_ref();
        if header.number == 0 {
            return self.check_genesis();
        }
        if header.parent_beacon_block_root != Some(commitment(&self.context)) {
            return Err(Error::Invalid("block", "the header does not commit to the context"));
        }
        if header.parent_hash != hash_of(&self.context.parent.1) {
            return Err(Error::Invalid("block", "the header has another parent than the context"));
        }
        if header.transactions_root != proofs::calculate_transaction_root(&body.transactions) {
            return Err(Error::Invalid("block", "the header does not commit to the transactions"));
        }
        self.check_empty()
    }

    fn check_genesis(&self) -> Result<(), Error> {
        let Context { round, parent, .. } = &self.context;
        if *round != Round::new(Epoch::zero(), View::zero()) || *parent != (View::zero(), Digest::EMPTY) {
            return Err(Error::Invalid("block", "the first block in another context than the first"));
        }
        if !self.eth.body.transactions.is_empty() {
            return Err(Error::Invalid("block", "transactions in the first block"));
        }
        self.check_empty()
    }

    /// What no block of ours has.
    fn check_empty(&self) -> Result<(), Error> {
        let EthBlock { header, body } = self.eth.as_ref();
        if !body.ommers.is_empty() || header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
            return Err(Error::Invalid("block", "ommers"));
        }
        if body.withdrawals.as_ref().is_none_or(|withdrawals| !withdrawals.is_empty()) {
            return Err(Error::Invalid("block", "withdrawals"));
        }
        Ok(())
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        digest_of(self.hash)
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.eth.header.number)
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> Digest {
        digest_of(self.eth.header.parent_hash)
    }
}

impl CertifiableBlock for Block {
    type Context = BlockContext;

    fn context(&self) -> BlockContext {
        self.context.clone()
    }
}

#[cfg(test)]
mod tests;
