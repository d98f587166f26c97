//! Works off the pins that wait.

use super::schedule::Schedule;
use super::walk::survey_up_to;
use super::{FetchError, Mode, Peers, Pin, PinError, PinId, Pins, Status, Wish, survey};
use crate::store::Store;
use cid::Cid;
use futures_util::{StreamExt, future, stream::FuturesUnordered};
use nubes_base::{Clock, chain};
use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};
use tokio::time;

/// Pins that are fetched at the same time.
pub const PINNING_MAX: usize = 4;
/// Whoever makes a pin waits for a look at so many blocks; a larger DAG is looked at when its turn comes.
const FIRST_LOOK_BLOCKS_MAX: usize = 10_000;
/// How often what is still missing after a fetch is asked for.
const ROUNDS_MAX: usize = 64;
/// For how long the origins of a pin may let us wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// So that a table that cannot be read is not read without end.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Of an error, as many characters are kept with the pin.
const DETAILS_CHARS_MAX: usize = 500;

/// Keeps promises: makes pins, and fetches what they lack.
#[derive(Clone)]
pub struct Pinner {
    pins: Pins,
    store: Store,
    peers: Arc<dyn Peers>,
    clock: Arc<dyn Clock>,
}

/// What became of one attempt.
enum Outcome {
    /// And the table says so.
    Pinned,
    Failed {
        why: String,
    },
    NotFound {
        why: String,
    },
    /// Somebody removed the pin meanwhile.
    Gone,
}

impl Pinner {
    pub fn new(pins: Pins, store: Store, peers: Arc<dyn Peers>, clock: Arc<dyn Clock>) -> Self {
        Self { pins, store, peers, clock }
    }

    pub const fn pins(&self) -> &Pins {
        &self.pins
    }

    pub const fn store(&self) -> &Store {
        &self.store
    }

    pub fn peers(&self) -> &dyn Peers {
        &*self.peers
    }

    /// Makes a pin of `wish`: pinned if all of it is here, else queued. Durable on return.
    pub async fn promise(&self, wish: Wish) -> Result<Pin, PinError> {
        let _adding = self.pins.adding().await;
        let status = self.first_status(&wish).await;
        self.pins.add(wish, status)
    }

    /// As [`Pinner::promise`], but a pin of the same kind that is there is kept, see [`Pins::ensure`].
    pub async fn promise_once(&self, wish: Wish) -> Result<Pin, PinError> {
        let _adding = self.pins.adding().await;
        let status = self.first_status(&wish).await;
        self.pins.ensure(wish, status)
    }

    /// As [`Pinner::promise`], in place of the pin `id`. None: there is no pin `id`.
    pub async fn promise_instead(&self, id: PinId, wish: Wish) -> Result<Option<Pin>, PinError> {
        let _adding = self.pins.adding().await;
        let status = self.first_status(&wish).await;
        self.pins.replace(id, wish, status)
    }

    async fn first_status(&self, wish: &Wish) -> Status {
        match survey_up_to(FIRST_LOOK_BLOCKS_MAX, &self.store, wish.cid(), wish.mode()).await {
            Ok(survey) if survey.is_complete() => Status::Pinned,
            // What is wrong is found again, and noted, when its turn comes.
            _ => Status::Queued,
        }
    }

    /// Tries waiting pins until `stop`. Those that are being fetched then wait for the next start.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (mut stop, this) = (pin!(stop), &self);
        let (mut schedule, mut running) = (Schedule::default(), FuturesUnordered::new());
        let mut changes = self.pins.changes();
        loop {
            for id in self.next(&mut schedule) {
                schedule.begin(id);
                running.push(async move { (id, this.attempt(id).await) });
            }
            // Without room nothing can be begun; the end of one that runs is what to wait for.
            let has_room = schedule.running() < PINNING_MAX;
            let pause = schedule.next_due(self.clock.now()).filter(|_| has_room);
            let due = async {
                match pause {
                    Some(pause) => time::sleep(pause.max(PAUSE_MIN)).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = &mut stop => return,
                Some((id, outcome)) = running.next() => self.settle(&mut schedule, id, outcome),
                // The sender lives as long as the pins.
                _ = changes.changed() => {}
                () = due => {}
            }
        }
    }

    fn next(&self, schedule: &mut Schedule) -> Vec<PinId> {
        let (now, room) = (self.clock.now(), PINNING_MAX.saturating_sub(schedule.running()));
        schedule.forget(now, |id| self.pins.get(id).map_or(true, |pin| pin.is_some()));
        match self.pins.waiting(room, |id| schedule.is_free(id, now)) {
            Ok(ids) => ids,
            Err(error) => {
                report(&error);
                Vec::new()
            }
        }
    }

    async fn attempt(&self, id: PinId) -> Outcome {
        let pin = match self.pins.get(id) {
            Ok(Some(pin)) => pin,
            Ok(None) => return Outcome::Gone,
            Err(error) => return Outcome::NotFound { why: chain(&error) },
        };
        tokio::select! {
            outcome = self.bring(&pin) => outcome,
            () = self.gone(id) => Outcome::Gone,
        }
    }

    async fn bring(&self, pin: &Pin) -> Outcome {
        let (cid, mode) = (pin.wish.cid(), pin.wish.mode());
        match survey(&self.store, cid, mode).await {
            Ok(survey) if survey.is_complete() => {}
            Ok(_) => {
                if let Err(error) = self.pins.settle(pin.id, Status::Pinning, pin.details.clone()) {
                    report(&error);
                }
                self.meet(pin.wish.origins()).await;
            }
            Err(error) => return Outcome::Failed { why: chain(&error) },
        }
        let settled = self.complete(cid, mode, || self.pins.settle(pin.id, Status::Pinned, None)).await;
        let Err(error) = settled else { return Outcome::Pinned };
        let why = chain(&error);
        match error {
            KeepError::Fetch(FetchError::NotFound { .. })
            | KeepError::Incomplete { .. }
            | KeepError::Pin(_) => Outcome::NotFound { why },
            KeepError::Fetch(FetchError::Refused { .. } | FetchError::Alone { .. }) | KeepError::Walk(_) => {
                Outcome::Failed { why }
            }
        }
    }

    /// Fetches until nothing is missing, and then does `seal`, while nobody collects what was found.
    async fn complete<T>(
        &self,
        cid: &Cid,
        mode: Mode,
        seal: impl FnOnce() -> Result<T, PinError>,
    ) -> Result<T, KeepError> {
        let mut still_missing = 0;
        for round in 0..ROUNDS_MAX {
            let missing = {
                let _adding = self.pins.adding().await;
                let missing = survey(&self.store, cid, mode).await?.missing;
                if missing.is_empty() {
                    return Ok(seal()?);
                }
                missing
            };
            still_missing = missing.len();
            if round == 0 {
                self.peers.fetch(cid, mode).await?;
                continue;
            }
            // Peers may not follow the links of every codec, so what they left out is asked for by its own CID.
            for below in &missing {
                self.peers.fetch(below, mode).await?;
            }
        }
        Err(KeepError::Incomplete { cid: *cid, missing: still_missing })
    }

    /// Connects to those who are said to have the content.
    async fn meet(&self, origins: &[String]) {
        let dials = origins.iter().map(|origin| time::timeout(CONNECT_TIMEOUT, self.peers.connect(origin)));
        for answer in future::join_all(dials).await {
            if let Ok(Err(error)) = answer {
                tracing::debug!(error = chain(&error), "an origin of a pin is not reached");
            }
        }
    }

    async fn gone(&self, id: PinId) {
        let mut changes = self.pins.changes();
        while self.pins.get(id).map_or(true, |pin| pin.is_some()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn settle(&self, schedule: &mut Schedule, id: PinId, outcome: Outcome) {
        let (status, details) = match outcome {
            Outcome::Gone | Outcome::Pinned => return schedule.end(id),
            Outcome::NotFound { why } if schedule.pause(id, self.clock.now()) => (Status::Queued, why),
            Outcome::NotFound { why } | Outcome::Failed { why } => (Status::Failed, why),
        };
        if status == Status::Failed {
            schedule.end(id);
        }
        let details = details.chars().take(DETAILS_CHARS_MAX).collect();
        if let Err(error) = self.pins.settle(id, status, Some(details)) {
            report(&error);
        }
    }

    /// Has everything of `wish` here and then promises to keep it; durable on return.
    pub(crate) async fn keep(&self, wish: Wish) -> Result<Pin, KeepError> {
        let _shelter = self.pins.shelter(*wish.cid()).await;
        let (cid, mode) = (*wish.cid(), wish.mode());
        self.complete(&cid, mode, || self.pins.ensure(wish, Status::Pinned)).await
    }

    /// Promises to keep what is below the wish's CID, if all of it is here. To be called while [`Pins::adding`] is held.
    pub(crate) async fn keep_local(&self, wish: Wish) -> Result<Pin, KeepError> {
        self.expect_whole(&wish).await?;
        Ok(self.pins.ensure(wish, Status::Pinned)?)
    }

    /// As `keep_local`, with a pin of its own beside those of other names.
    pub(crate) async fn keep_named(&self, wish: Wish) -> Result<Pin, KeepError> {
        self.expect_whole(&wish).await?;
        Ok(self.pins.ensure_named(wish, Status::Pinned)?)
    }

    async fn expect_whole(&self, wish: &Wish) -> Result<(), KeepError> {
        let missing = survey(&self.store, wish.cid(), wish.mode()).await?.missing.len();
        if missing > 0 {
            return Err(KeepError::Incomplete { cid: *wish.cid(), missing });
        }
        Ok(())
    }
}

/// Why content is not pinned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(transparent)]
    Walk(#[from] super::WalkError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{missing} or more blocks below {cid} are missing")]
    Incomplete { cid: Cid, missing: usize },
    #[error(transparent)]
    Pin(#[from] PinError),
}

fn report(error: &PinError) {
    tracing::error!(error = chain(error), "storage.pins");
}

impl fmt::Debug for Pinner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinner").field("peers", &self.peers).finish_non_exhaustive()
    }
}
