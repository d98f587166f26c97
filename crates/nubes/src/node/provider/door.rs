//! A provider's HTTP API.
//!
//! | call | answer |
//! |---|---|
//! | `PUT /api/v1/pieces/ROOT?deal=N` | takes the piece of a deal that is proposed to this provider; `{deal, provider, signature}` is its stored-receipt |
//! | `GET /api/v1/pieces/ROOT/cells?from=A&to=B` | cells A to B without B, at most 64, each behind its path to the root |
//! | `GET /api/v1/pieces/ROOT` | `{root, bytes}`, or 404 |
//! | `GET /api/v1/node` | who this is and what it offers |
//! | `GET /healthz` | 204 |
//!
//! The deal on the ledger is the permission: only a piece for which somebody put money aside is taken. Pieces are public,
//! as all content of the open storage.

use super::pieces::KeptPieces;
use crate::node::problem::problem;
use alloy_primitives::{B256, U256, hex};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt;
use http::{StatusCode, header};
use nubes_contracts::{PROVIDER_REGISTRY, ProviderRegistry, STORAGE_DEALS, StorageDeals};
use nubes_market::{Account, Market, Stage, price_per_second, provider::Offer};
use nubes_storage::pieces::{Incoming, Label, LabelError, ReceiveError, Root, encode_cells};
use serde::Deserialize;
use serde_json::json;
use std::{io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// Pieces that are being taken at once; one more is refused with 503.
const UPLOADS_MAX: usize = 32;
/// Answers with cells that are made at once, of up to 4 MiB each; one more waits.
const READS_MAX: usize = 32;
/// Between two parts of an upload.
const UPLOAD_PAUSE_MAX: Duration = Duration::from_secs(30);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Door {
    account: Arc<Account>,
    market: Market,
    pieces: Arc<KeptPieces>,
    offer: Offer,
    uploads: Semaphore,
    reads: Semaphore,
}

/// Why a piece is not taken.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error("`{text}` is no root of a piece: 64 hex digits")]
    Root { text: String },
    #[error("deal {deal} is not a proposal to this provider for this piece")]
    NoDeal { deal: u64 },
    #[error("deal {deal} pays {pays} parts a second, this provider asks {asks}")]
    Price { deal: u64, pays: u128, asks: u128 },
    #[error("the deal does not say what the piece is")]
    Label(#[from] LabelError),
    #[error("the deal says {deal} bytes and its label {label}")]
    Length { deal: u64, label: u64 },
    #[error("{UPLOADS_MAX} pieces are being taken")]
    Busy,
    #[error("the store is full: {used} of {capacity} bytes are promised")]
    Full { used: u128, capacity: u128 },
    #[error("the piece is not taken")]
    Receive(#[from] ReceiveError),
    #[error("the upload broke off: {what}")]
    BrokenOff { what: String },
    #[error("the ledger cannot be read")]
    Read(#[from] nubes_market::ReadError),
    #[error("the receipt cannot be signed")]
    Sign(#[from] nubes_market::SendError),
    #[error("the store stopped")]
    Stopped(#[from] tokio::task::JoinError),
    #[error("the store cannot be read")]
    Disk(#[from] io::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForDeal {
    deal: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellRange {
    from: u64,
    to: u64,
}

impl Door {
    pub(super) fn new(account: Arc<Account>, pieces: Arc<KeptPieces>, offer: &Offer) -> Self {
        let market = Market::new(account.ledger().clone());
        Self {
            account,
            market,
            pieces,
            offer: offer.clone(),
            uploads: Semaphore::new(UPLOADS_MAX),
            reads: Semaphore::new(READS_MAX),
        }
    }

    /// Answers until `stop`; what has begun then may end, for a while.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let routes = Router::new()
            .route("/api/v1/pieces/{root}", get(about_piece).put(take))
            .route("/api/v1/pieces/{root}/cells", get(cells))
            .route("/api/v1/node", get(about))
            .route("/healthz", get(|| std::future::ready(StatusCode::NO_CONTENT)))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::new(self));
        let drained = stop.clone();
        let serve =
            axum::serve(listener, routes).with_graceful_shutdown(async move { drained.cancelled().await });
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            served = serve => if let Err(error) = served {
                tracing::error!(%error, "the provider's door stopped");
            },
            () = late => {}
        }
    }

    async fn take(&self, root: Root, deal: u64, body: Body) -> Result<Response, TakeError> {
        let _place = self.uploads.try_acquire().map_err(|_| TakeError::Busy)?;
        let bytes = self.admit(root, deal).await?;
        if !self.pieces.is_whole(&root) {
            self.check_room(bytes)?;
            let incoming = self.pieces.store().receive(root, bytes)?;
            let incoming = receive(incoming, body).await?;
            tokio::task::spawn_blocking(move || incoming.finish()).await??;
            self.pieces.note_whole(&root);
        }
        let digest = StorageDeals::receiptDigestCall { dealIds: vec![U256::from(deal)] };
        let digest = self.market.read(STORAGE_DEALS, &digest).await?;
        let signature = self.account.sign(&digest)?;
        let receipt = json!({ "deal": deal, "provider": self.account.address(), "signature": signature });
        Ok(Json(receipt).into_response())
    }

    /// Bytes of the piece, if the deal is a proposal that this provider would sign.
    async fn admit(&self, root: Root, id: u64) -> Result<u64, TakeError> {
        let deals = self.market.deals(&[id]).await?;
        let deal = deals.into_iter().next().map(|(_, deal)| deal).filter(|deal: &StorageDeals::Deal| {
            deal.terms.provider == self.account.address()
                && deal.terms.pieceRoot == B256::from(root)
                && Stage::of(deal.state) == Stage::Proposed
        });
        let terms = deal.ok_or(TakeError::NoDeal { deal: id })?.terms;
        let offer = ProviderRegistry::offerOfCall { provider: self.account.address() };
        let offer = self.market.read(PROVIDER_REGISTRY, &offer).await?;
        let asks = price_per_second(terms.leafCount, offer.pricePerGibMonth);
        if terms.pricePerSecond < asks {
            return Err(TakeError::Price { deal: id, pays: terms.pricePerSecond, asks });
        }
        let label = Label::from_bytes(&terms.class.0)?;
        let (said, bytes) = (terms.leafCount.saturating_mul(32), label.layout.piece_bytes());
        if said != bytes {
            return Err(TakeError::Length { deal: said, label: bytes });
        }
        Ok(bytes)
    }

    fn check_room(&self, bytes: u64) -> Result<(), TakeError> {
        let used = u128::from(self.pieces.store().stored_bytes()?) + u128::from(bytes);
        if self.offer.capacity_bytes < used {
            return Err(TakeError::Full { used, capacity: self.offer.capacity_bytes });
        }
        Ok(())
    }
}

/// Writes what comes, part by part.
async fn receive(mut incoming: Incoming, body: Body) -> Result<Incoming, TakeError> {
    let mut parts = body.into_data_stream();
    loop {
        let part = tokio::time::timeout(UPLOAD_PAUSE_MAX, parts.next()).await;
        let part = part.map_err(|_| TakeError::BrokenOff { what: "nothing came for a while".to_owned() })?;
        let Some(part) = part else { return Ok(incoming) };
        let part = part.map_err(|error| TakeError::BrokenOff { what: error.to_string() })?;
        incoming = tokio::task::spawn_blocking(move || incoming.write(&part).map(|()| incoming)).await??;
    }
}

fn parse_root(text: &str) -> Result<Root, TakeError> {
    let root = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    root.ok_or_else(|| TakeError::Root { text: text.chars().take(80).collect() })
}

async fn take(
    State(door): State<Arc<Door>>,
    Path(root): Path<String>,
    Query(ForDeal { deal }): Query<ForDeal>,
    body: Body,
) -> Response {
    let taken = match parse_root(&root) {
        Ok(root) => door.take(root, deal, body).await,
        Err(error) => Err(error),
    };
    taken.unwrap_or_else(|error| refusal(&error))
}

async fn about_piece(State(door): State<Arc<Door>>, Path(root): Path<String>) -> Response {
    let root = match parse_root(&root) {
        Ok(root) => root,
        Err(error) => return refusal(&error),
    };
    match door.pieces.store().length(&root) {
        Ok(bytes) if door.pieces.is_whole(&root) => {
            Json(json!({ "root": hex::encode(root), "bytes": bytes })).into_response()
        }
        Ok(_) => problem(StatusCode::NOT_FOUND, 6003, &io::Error::other("the piece is damaged")),
        Err(error) => problem(StatusCode::NOT_FOUND, 6003, &error),
    }
}

async fn cells(
    State(door): State<Arc<Door>>,
    Path(root): Path<String>,
    Query(CellRange { from, to }): Query<CellRange>,
) -> Response {
    let root = match parse_root(&root) {
        Ok(root) => root,
        Err(error) => return refusal(&error),
    };
    // The semaphore is never closed.
    let _place = door.reads.acquire().await;
    let store = door.pieces.store().clone();
    let read =
        tokio::task::spawn_blocking(move || store.cells(&root, from..to).map(|cells| encode_cells(&cells)));
    match read.await {
        Ok(Ok(wire)) => ([(header::CONTENT_TYPE, "application/vnd.nubes.cells")], wire).into_response(),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
            problem(StatusCode::RANGE_NOT_SATISFIABLE, 6003, &error)
        }
        Ok(Err(error)) => problem(StatusCode::NOT_FOUND, 6003, &error),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, 6003, &error),
    }
}

async fn about(State(door): State<Arc<Door>>) -> Response {
    let offer = &door.offer;
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"), "provider": door.account.address(), "uri": offer.uri,
        "region": offer.region, "operator": offer.operator,
        "periodSeconds": offer.period_seconds, "pieceBytesMax": offer.piece_bytes_max,
    }))
    .into_response()
}

fn refusal(error: &TakeError) -> Response {
    let (status, code) = match error {
        TakeError::NoDeal { .. }
        | TakeError::Price { .. }
        | TakeError::Label(_)
        | TakeError::Length { .. } => (StatusCode::FORBIDDEN, 6005),
        TakeError::Busy => (StatusCode::SERVICE_UNAVAILABLE, 6006),
        TakeError::Full { .. } => (StatusCode::INSUFFICIENT_STORAGE, 6006),
        TakeError::Receive(ReceiveError::Write { .. }) | TakeError::Disk(_) => {
            (StatusCode::INSUFFICIENT_STORAGE, 3017)
        }
        TakeError::Root { .. } | TakeError::Receive(_) | TakeError::BrokenOff { .. } => {
            (StatusCode::BAD_REQUEST, 6004)
        }
        TakeError::Read(_) | TakeError::Sign(_) | TakeError::Stopped(_) => (StatusCode::BAD_GATEWAY, 6002),
    };
    problem(status, code, error)
}
