//! Which app a name is, as the ledger says, kept at hand until the ledger says otherwise.
//!
//! Resolving: the registry gives the name's resolver, the resolver the text record `nubes.app`, that is the
//! CID of an [`AppRecord`], which storage gives. Everybody who asks for a name while it is being resolved
//! waits for the same answer.
//!
//! Following: [`Names::follow`] reads final blocks. A block that changes a name's resolver or record drops
//! what is known of it ([`table::Table`] decides). An answer that was on its way at that moment is given to
//! those who had asked before, and not kept. A name that becomes an app, or another version of it, is
//! resolved at once and its functions are prepared, so that the first visitor waits for neither.
//!
//! What can go wrong: while the stream of blocks is not attached nothing is kept, every request asks the
//! ledger.

mod record;
pub(crate) mod table;

use self::table::{Announcement, Effect, Event, Slot, Table};
use crate::route::{RouteError, Routes};
use cid::Cid;
use futures_util::StreamExt;
use nubes_base::{
    AppName, AppRecord, Clock, Timestamp,
    port::{Blobs, CallError, GetError, Ledger, Runner},
};
use parking_lot::Mutex;
use std::{error::Error, num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Apps kept at hand.
pub const APPS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// Names kept at hand that are no app, or are being resolved. Apart from the apps, so that a flood of
/// invented names displaces none of them.
pub const OTHERS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// Announced apps that are prepared at once; others are prepared when somebody asks for them.
pub const PREPARING_MAX: usize = 8;
const FOLLOW_PAUSE: Duration = Duration::from_millis(500);

/// An app as it is served.
#[derive(Debug)]
pub struct App {
    pub name: AppName,
    pub record: AppRecord,
    pub record_cid: Cid,
    pub routes: Routes,
    /// Rises with each answer of the ledger; tells two versions of an app apart.
    pub generation: u64,
}

/// Why a name has no app to serve.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nobody has deployed it. Stays so until a transaction changes it.
    #[error("there is no app {name}")]
    Unknown { name: AppName },
    /// Ask again.
    #[error("the ledger cannot be asked for app {name}")]
    Ledger {
        name: AppName,
        #[source]
        source: CallError,
    },
    /// The name's resolver is no resolver.
    #[error("the resolver of app {name} does not answer as one")]
    Resolver {
        name: AppName,
        #[source]
        source: alloy_sol_types::Error,
    },
    /// The owner has written something else into the record. Deploy again.
    #[error("the record of app {name} is `{text}`, not a CID")]
    RecordCid {
        name: AppName,
        text: String,
        #[source]
        source: cid::Error,
    },
    /// It may still arrive. Ask again, or upload it.
    #[error("the record of app {name} is not in storage")]
    RecordMissing {
        name: AppName,
        #[source]
        source: Box<GetError>,
    },
    /// Deploy again.
    #[error("the record of app {name} cannot be read")]
    RecordJson {
        name: AppName,
        #[source]
        source: serde_json::Error,
    },
    /// A newer version of Nubes wrote it. Upgrade this node.
    #[error(
        "the record of app {name} has version {version}, this node reads {}",
        nubes_base::app::RECORD_VERSION
    )]
    RecordVersion { name: AppName, version: u32 },
    /// Deploy again.
    #[error("the record of app {name} is that of app {found}")]
    RecordName { name: AppName, found: AppName },
    /// Mend the routes and deploy again.
    #[error("app {name} cannot be served")]
    Route {
        name: AppName,
        #[source]
        source: RouteError,
    },
}

impl ResolveError {
    /// Whether only a transaction can change the answer.
    pub const fn is_lasting(&self) -> bool {
        !matches!(self, Self::Ledger { .. } | Self::Resolver { .. } | Self::RecordMissing { .. })
    }
}

pub(crate) type Outcome = Result<Arc<App>, Arc<ResolveError>>;

/// The newest final block that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// None: no block yet since the stream is attached.
    pub number: Option<u64>,
    pub moved_at: Timestamp,
}

/// Resolves names.
#[derive(Debug)]
pub struct Names {
    ledger: Arc<dyn Ledger>,
    blobs: Arc<dyn Blobs>,
    runner: Arc<dyn Runner>,
    clock: Arc<dyn Clock>,
    // A lock because each request looks up one name: a task would cost it two hops. Held for a map operation.
    table: Mutex<Table>,
    tasks: TaskTracker,
    preparing: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Names {
    /// Knows nothing yet, and keeps nothing until it follows the ledger.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        blobs: Arc<dyn Blobs>,
        runner: Arc<dyn Runner>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            blobs,
            runner,
            clock,
            table: Mutex::new(Table::new(APPS_MAX, OTHERS_MAX)),
            tasks: TaskTracker::new(),
            preparing: Arc::new(Semaphore::new(PREPARING_MAX)),
            closing: CancellationToken::new(),
        })
    }

    /// The app of this name as of the newest final block that was seen, or a later one.
    pub async fn resolve(self: &Arc<Self>, name: &AppName) -> Result<Arc<App>, Arc<ResolveError>> {
        let slot = self.table.lock().slot(name);
        if let Some(outcome) = slot.outcome.get() {
            return outcome.clone();
        }
        slot.outcome.get_or_init(|| self.answer(name, &slot)).await.clone()
    }

    /// The head of the ledger; none while the stream of blocks is not attached.
    pub fn head(&self) -> Option<Head> {
        self.table.lock().head()
    }

    /// Apps that are kept at hand.
    pub fn apps_known(&self) -> usize {
        self.table.lock().apps_known()
    }

    /// Follows the ledger until `stop`, then waits for what runs in the background.
    pub async fn follow(self: &Arc<Self>, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let mut blocks = self.ledger.follow();
            self.step(&Event::Attached);
            while let Some(block) =
                tokio::select! { biased; () = stop.cancelled() => None, block = blocks.next() => block }
            {
                self.step(&Event::Block(block));
            }
            self.step(&Event::Detached);
            if !stop.is_cancelled() {
                tracing::warn!("the ledger ended its stream of blocks; following it again");
                tokio::select! { () = stop.cancelled() => {} () = tokio::time::sleep(FOLLOW_PAUSE) => {} }
            }
        }
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn answer(self: &Arc<Self>, name: &AppName, slot: &Arc<Slot>) -> Outcome {
        let outcome = record::load(self.ledger.as_ref(), self.blobs.as_ref(), name, slot).await;
        let outcome = outcome.map(Arc::new).map_err(Arc::new);
        let is_kept = self.table.lock().settle(name, slot, &outcome);
        if let (Ok(app), true) = (&outcome, is_kept) {
            let (record, generation) = (app.record_cid, app.generation);
            tracing::info!(app = %name, %record, generation, "serving a version of an app");
            let app = Arc::clone(app);
            self.background(move |names| async move { names.prepare(&app).await });
        }
        outcome
    }

    fn step(self: &Arc<Self>, event: &Event) {
        let effects = self.table.lock().step(self.clock.now(), event);
        for effect in effects {
            match effect {
                Effect::Resolve(name) => self.background(move |names| async move {
                    // Whoever asks for the app is told what is wrong with it.
                    let _ = names.resolve(&name).await;
                }),
                Effect::Meet(announcement) => self.meet(announcement),
            }
        }
    }

    fn meet(self: &Arc<Self>, announcement: Announcement) {
        let Ok(permit) = Arc::clone(&self.preparing).try_acquire_owned() else { return };
        self.background(move |names| async move {
            let _permit = permit;
            if let Some(name) = record::name_of(names.blobs.as_ref(), &announcement).await {
                let _ = names.resolve(&name).await;
            }
        });
    }

    async fn prepare(&self, app: &App) {
        for function in app.routes.functions() {
            if let Err(error) = self.runner.prepare(function).await {
                let (app, function) = (&app.name, &function.name);
                tracing::warn!(%app, function, error = &error as &dyn Error, "a function cannot be prepared");
            }
        }
    }

    fn background<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F,
    ) {
        let closing = self.closing.clone();
        let work = work(Arc::clone(self));
        self.tasks.spawn(async move {
            tokio::select! { () = closing.cancelled() => {} () = work => {} }
        });
    }
}
