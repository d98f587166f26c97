//! The pieces of this node behind the market's port, with the other providers as sources for what is lost.

use alloy_primitives::B256;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use nubes_base::port::{LeafProof, MissingPiece, PieceAt, PieceError, Pieces};
use nubes_storage::pieces::{
    CellSource, CheckError, Label, ObjectReader, PieceStore, Root, Sibling, SourceError, leaf_root,
};
use parking_lot::Mutex;
use std::{collections::BTreeSet, io, ops::Range, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// A provider that does not send anything for so long is left for another one.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest answer with cells: 64 of 64 KiB, and their paths.
const CELLS_BYTES_MAX: usize = 8 << 20;

/// Pieces on this disk.
#[derive(Debug)]
pub(super) struct KeptPieces {
    store: PieceStore,
    // Found damaged by a reader or the scrubber, and not made again yet. A lock because proofs, uploads and the scrubber
    // meet here; held for a set operation.
    damaged: Mutex<BTreeSet<Root>>,
    look: Notify,
}

impl KeptPieces {
    pub(super) fn new(store: PieceStore) -> Self {
        Self { store, damaged: Mutex::new(BTreeSet::new()), look: Notify::new() }
    }

    pub(super) const fn store(&self) -> &PieceStore {
        &self.store
    }

    pub(super) fn is_whole(&self, root: &Root) -> bool {
        !self.damaged.lock().contains(root) && self.store.has(root)
    }

    /// A new copy was checked when it came.
    pub(super) fn note_whole(&self, root: &Root) {
        self.damaged.lock().remove(root);
    }

    fn note_damaged(&self, root: Root) {
        if self.damaged.lock().insert(root) {
            tracing::warn!(root = %B256::from(root), "a piece is damaged");
        }
    }

    /// Reads all pieces at the start, then every `period`, and marks the damaged ones. A piece whose proof went wrong is
    /// looked at at once.
    pub(super) async fn scrub(self: Arc<Self>, period: Duration, stop: CancellationToken) {
        let mut ticks = interval(period.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.look.notified() => {}
            }
            let roots = self.store.list().unwrap_or_default();
            for root in roots {
                if stop.is_cancelled() {
                    return;
                }
                let (store, stop) = (self.store.clone(), stop.clone());
                let check = move || store.check(&root, &|| !stop.is_cancelled());
                let checked = tokio::task::spawn_blocking(check).await;
                match checked {
                    Ok(Err(CheckError::Damaged { .. } | CheckError::Read { .. })) => self.note_damaged(root),
                    Ok(Ok(()) | Err(CheckError::Missing)) | Err(_) => {}
                }
            }
        }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&PieceStore) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Pieces for KeptPieces {
    async fn has(&self, root: B256) -> bool {
        self.is_whole(&root.0)
    }

    async fn prove(&self, root: B256, leaf: u64) -> Result<LeafProof, PieceError> {
        let proof = self.on_disk(move |store| store.prove(&root.0, leaf)).await;
        match proof {
            Ok(proof) if leaf_root(&proof, leaf) == root.0 => Ok(LeafProof {
                leaf: proof.leaf.into(),
                path: proof.path.into_iter().map(B256::from).collect(),
            }),
            Ok(_) => {
                self.note_damaged(root.0);
                self.look.notify_one();
                Err(PieceError::NotFound { root })
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => Err(PieceError::NotFound { root }),
            Err(source) => {
                self.note_damaged(root.0);
                Err(PieceError::Disk { source })
            }
        }
    }

    async fn erase(&self, root: B256) -> Result<(), PieceError> {
        self.on_disk(move |store| store.erase(&root.0))
            .await
            .map_err(|source| PieceError::Disk { source })?;
        self.note_whole(&root.0);
        Ok(())
    }

    async fn rebuild(&self, piece: MissingPiece) -> Result<(), PieceError> {
        let root = piece.root;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| PieceError::Rebuild { root, source };
        let label = Label::from_bytes(&piece.label.0).map_err(|source| failed(source.into()))?;
        let client = HttpCells::client().map_err(|source| failed(source.into()))?;
        let siblings = piece.siblings.iter().filter_map(|at| sibling(&client, at, &label)).collect();
        let mut reader = ObjectReader::new(label.layout, siblings);
        let mut incoming =
            self.store.receive(root.0, label.layout.piece_bytes()).map_err(|source| failed(source.into()))?;
        while let Some(cells) =
            reader.next_of_piece(label.index).await.map_err(|source| failed(source.into()))?
        {
            let written =
                tokio::task::spawn_blocking(move || incoming.write(&cells).map(|()| incoming)).await;
            let written = written.map_err(|source| failed(source.into()))?;
            incoming = written.map_err(|source| failed(source.into()))?;
        }
        let kept = tokio::task::spawn_blocking(move || incoming.finish()).await;
        kept.map_err(|source| failed(source.into()))?.map_err(|source| failed(source.into()))?;
        self.note_whole(&root.0);
        Ok(())
    }
}

/// A piece of the same object under the same coding, or nothing.
fn sibling(client: &reqwest::Client, at: &PieceAt, of: &Label) -> Option<Sibling> {
    let label = Label::from_bytes(&at.label.0).ok().filter(|label| label.layout == of.layout)?;
    let source = Arc::new(HttpCells { client: client.clone(), uri: at.uri.clone() });
    Some(Sibling { index: label.index, root: at.root.0, source })
}

/// A provider's pieces, over its HTTP API.
#[derive(Clone, Debug)]
pub(crate) struct HttpCells {
    pub(crate) client: reqwest::Client,
    pub(crate) uri: String,
}

impl HttpCells {
    pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(READ_TIMEOUT).no_proxy().build()
    }

    async fn get(&self, root: &Root, range: Range<u64>) -> Result<Bytes, anyhow::Error> {
        let uri = self.uri.trim_end_matches('/');
        let root = alloy_primitives::hex::encode(root);
        let url = format!("{uri}/api/v1/pieces/{root}/cells?from={}&to={}", range.start, range.end);
        let mut answer = self.client.get(url).send().await?.error_for_status()?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes.extend_from_slice(&chunk);
            anyhow::ensure!(bytes.len() <= CELLS_BYTES_MAX, "more than {CELLS_BYTES_MAX} bytes came");
        }
        Ok(bytes.freeze())
    }
}

#[async_trait]
impl CellSource for HttpCells {
    async fn cells(&self, root: &Root, range: Range<u64>) -> Result<Bytes, SourceError> {
        let answer = self.get(root, range).boxed().await;
        answer.map_err(|error| SourceError { what: format!("{error:#}") })
    }
}
