//! An object on the market: which deals keep it, how it is, and its bytes.

use super::{market, unread};
use crate::{
    client::Client,
    failure::{Exit, Failure},
    node::provider::HttpCells,
};
use alloy_primitives::{Address, B256, hex};
use bytes::Bytes;
use cid::Cid;
use futures_util::{StreamExt, stream};
use nubes_contracts::StorageDeals;
use nubes_market::{DealId, Market, Stage};
use nubes_storage::pieces::{Label, Layout, ObjectReader, Sibling};
use std::{collections::BTreeMap, sync::Arc};

/// Multihash code of SHA-256.
const SHA2_256: u64 = 0x12;
/// Providers that are asked at once whether they have a piece.
const ASKED_MAX: usize = 16;

/// What the ledger calls an object: the digest of its root.
pub(crate) fn group_of(cid: &Cid) -> Result<(B256, u16), Failure> {
    let digest = (cid.hash().code() == SHA2_256).then(|| B256::try_from(cid.hash().digest()).ok()).flatten();
    let codec = u16::try_from(cid.codec()).ok();
    digest.zip(codec).ok_or_else(|| {
        Failure::new(
            6012,
            Exit::Usage,
            format!("{cid} is not hashed with SHA-256: deals name objects by that"),
        )
    })
}

/// The CID that a group and a label's codec stand for.
pub(crate) fn cid_of(group: &B256, codec: u16) -> Option<Cid> {
    let hash = cid::multihash::Multihash::wrap(SHA2_256, group.as_slice()).ok()?;
    Some(Cid::new_v1(u64::from(codec), hash))
}

/// A piece of an object and the newest deal for it.
#[derive(Clone, Debug)]
pub(crate) struct PieceState {
    pub(crate) root: B256,
    pub(crate) deal: DealId,
    pub(crate) terms: StorageDeals::Terms,
    /// By the clock and the money.
    pub(crate) stage: Stage,
    /// As the ledger was told last.
    pub(crate) recorded: Stage,
    pub(crate) missed: u8,
    pub(crate) end: u64,
    pub(crate) rail: alloy_primitives::U256,
}

/// An object of one client, with its pieces by number: where several deals were made for one, the one that runs.
#[derive(Clone, Debug)]
pub(crate) struct KeptObject {
    pub(crate) group: B256,
    pub(crate) client: Address,
    pub(crate) layout: Layout,
    pub(crate) codec: u16,
    pub(crate) pieces: BTreeMap<u8, PieceState>,
}

/// How an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// Pieces that are there.
    pub(crate) healthy: usize,
    pub(crate) needed: usize,
    pub(crate) total: usize,
}

impl KeptObject {
    pub(crate) fn health(&self) -> Health {
        Health {
            healthy: self.pieces.values().filter(|piece| piece.stage.is_running()).count(),
            needed: self.layout.coding.data(),
            total: self.layout.coding.total(),
        }
    }

    /// Of two objects the one with more of it can rather be read.
    pub(crate) fn likelihood(&self) -> (bool, usize) {
        let Health { healthy, needed, .. } = self.health();
        (needed <= healthy, healthy)
    }

    pub(crate) fn cid(&self) -> Option<Cid> {
        cid_of(&self.group, self.codec)
    }

    /// When the first of the running deals ends.
    pub(crate) fn end(&self) -> Option<u64> {
        self.pieces.values().filter(|piece| piece.stage.is_running()).map(|piece| piece.end).min()
    }

    /// The worst stage of the deals that run.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.pieces.values().map(|piece| piece.stage).filter(|stage| stage.is_running()).max()
    }

    /// For each piece, whether its provider answers with it now.
    pub(crate) async fn ask(&self, market: &Market) -> Result<BTreeMap<u8, bool>, Failure> {
        let http = HttpCells::client()
            .map_err(|source| Failure::new(1015, Exit::Network, "no HTTP client").because(source))?;
        let uris = uris(market, self.pieces.values()).await?;
        let asked = self.pieces.iter().map(|(index, piece)| {
            let url = uris.get(&piece.terms.provider).map(|uri| {
                format!("{}/api/v1/pieces/{}", uri.trim_end_matches('/'), hex::encode(piece.root))
            });
            let http = &http;
            async move {
                let Some(url) = url else { return (*index, false) };
                let answer = http.get(url).send().await;
                (*index, answer.is_ok_and(|answer| answer.status().is_success()))
            }
        });
        Ok(stream::iter(asked).buffer_unordered(ASKED_MAX).collect().await)
    }
}

async fn uris<'a>(
    market: &Market,
    pieces: impl Iterator<Item = &'a PieceState>,
) -> Result<BTreeMap<Address, String>, Failure> {
    let providers: std::collections::BTreeSet<Address> = pieces.map(|piece| piece.terms.provider).collect();
    let providers: Vec<Address> = providers.into_iter().collect();
    let listings = market.listings_of(&providers).await.map_err(unread)?;
    Ok(listings.into_iter().map(|listing| (listing.provider, listing.uri)).collect())
}

/// The objects that a client has deals for; of all clients if none is named. Reads every deal on the ledger.
pub(crate) async fn kept_objects(
    market: &Market,
    client: Option<Address>,
) -> Result<Vec<KeptObject>, Failure> {
    let count = market.deal_count().await.map_err(unread)?;
    let ids: Vec<DealId> = (0..count).collect();
    let deals = market.deals(&ids).await.map_err(unread)?;
    let wanted = deals.into_iter().filter(|(_, deal)| client.is_none_or(|client| deal.client == client));
    Ok(gather(market, wanted.collect()).await?.into_values().collect())
}

/// Sorts deals into objects.
pub(crate) async fn gather(
    market: &Market,
    deals: Vec<(DealId, StorageDeals::Deal)>,
) -> Result<BTreeMap<(Address, B256, CutKey), KeptObject>, Failure> {
    let running: Vec<DealId> =
        deals.iter().filter(|(_, deal)| Stage::of(deal.state).is_running()).map(|(id, _)| *id).collect();
    let stages: BTreeMap<DealId, Stage> =
        market.stages(&running).await.map_err(unread)?.into_iter().collect();
    let mut objects = BTreeMap::new();
    for (id, deal) in deals {
        // Deals of other programs have other labels; they are not ours to show.
        let Ok(label) = Label::from_bytes(&deal.terms.class.0) else { continue };
        let stage = stages.get(&id).copied().unwrap_or_else(|| Stage::of(deal.state));
        let key = (deal.client, deal.terms.group, CutKey::of(&label));
        let object = objects.entry(key).or_insert_with(|| KeptObject {
            group: deal.terms.group,
            client: deal.client,
            layout: label.layout,
            codec: label.codec,
            pieces: BTreeMap::new(),
        });
        let state = PieceState {
            root: deal.terms.pieceRoot,
            deal: id,
            stage,
            recorded: Stage::of(deal.state),
            missed: deal.missed,
            end: deal.end,
            rail: deal.railId,
            terms: deal.terms,
        };
        let better = object.pieces.get(&label.index).is_none_or(|old| rank(old.stage) <= rank(stage));
        if better {
            object.pieces.insert(label.index, state);
        }
    }
    Ok(objects)
}

/// Deals of one object under two codings are two objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CutKey(usize, usize, u64);

impl CutKey {
    const fn of(label: &Label) -> Self {
        Self(label.layout.coding.data(), label.layout.coding.total(), label.layout.bytes)
    }
}

/// Which of two deals for one piece counts: one that runs before one that may, before one that did.
const fn rank(stage: Stage) -> u8 {
    match stage {
        Stage::Active | Stage::ReadOnly | Stage::Grace | Stage::Notice => 3,
        Stage::Proposed => 2,
        Stage::Lost => 1,
        Stage::None | Stage::Ended => 0,
    }
}

/// An object's bytes, from whoever has its pieces.
#[derive(Debug)]
pub(crate) struct StoredObject {
    reader: ObjectReader,
    bytes: u64,
}

impl StoredObject {
    /// Any client's object with this root.
    pub(crate) async fn find(client: &Client, root: &Cid) -> Result<Self, Failure> {
        let market = market(client).await?;
        let (group, _) = group_of(root)?;
        let objects = kept_objects(&market, None).await?;
        let found = objects.into_iter().filter(|object| object.group == group);
        let found = found.max_by_key(KeptObject::likelihood);
        let nowhere = || Failure::new(6011, Exit::NotFound, format!("no deal keeps {root}"));
        Self::open(&market, &found.ok_or_else(nowhere)?).await
    }

    pub(crate) async fn open(market: &Market, object: &KeptObject) -> Result<Self, Failure> {
        let http = HttpCells::client()
            .map_err(|source| Failure::new(1015, Exit::Network, "no HTTP client").because(source))?;
        let uris = uris(market, object.pieces.values()).await?;
        let siblings = object.pieces.iter().filter_map(|(index, piece)| {
            let uri = uris.get(&piece.terms.provider)?.clone();
            let source = Arc::new(HttpCells { client: http.clone(), uri });
            Some(Sibling { index: *index, root: piece.root.0, source })
        });
        let reader = ObjectReader::new(object.layout, siblings.collect());
        Ok(Self { reader, bytes: object.layout.bytes })
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.reader.next().await.map_err(|source| {
            Failure::new(6011, Exit::Failure, "the object cannot be read from its providers").because(source)
        })
    }
}
