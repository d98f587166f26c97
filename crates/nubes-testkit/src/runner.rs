//! A runner whose functions are closures.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use nubes_base::port::{Body, Function, RunError, Runner};
use parking_lot::Mutex;
use std::{fmt, sync::Arc};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, watch};

type Answered = Result<Response<Body>, RunError>;
type Answer = dyn Fn(&Function, Request<Bytes>) -> Answered + Send + Sync;

/// Reads the whole request, then lets a closure answer. A body that breaks off stops the function, as it
/// would stop a guest that does not expect it.
pub struct FakeRunner {
    answer: Box<Answer>,
    // A lock because the port takes `&self`; held for a push.
    prepared: Mutex<Vec<Function>>,
    taken: watch::Sender<usize>,
    gate: Arc<RwLock<()>>,
}

impl fmt::Debug for FakeRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeRunner").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

impl FakeRunner {
    /// `answer` answers every request.
    pub fn new(answer: impl Fn(&Function, Request<Bytes>) -> Answered + Send + Sync + 'static) -> Self {
        Self {
            answer: Box::new(answer),
            prepared: Mutex::default(),
            taken: watch::Sender::new(0),
            gate: Arc::default(),
        }
    }

    /// What was prepared, in order.
    pub fn prepared(&self) -> Vec<Function> {
        self.prepared.lock().clone()
    }

    /// Waits until it has taken so many requests since it was made.
    pub async fn has_taken(&self, requests: usize) {
        // The sender is here, so waiting cannot fail.
        let _ = self.taken.subscribe().wait_for(|taken| *taken >= requests).await;
    }

    /// Until the guard is dropped, requests are taken but not answered.
    pub async fn hold_requests(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }
}

#[async_trait]
impl Runner for FakeRunner {
    async fn prepare(&self, function: &Function) -> Result<(), RunError> {
        self.prepared.lock().push(function.clone());
        Ok(())
    }

    async fn run(&self, function: &Function, request: Request<Body>) -> Result<Response<Body>, RunError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| RunError::Trapped {
            function: function.name.clone(),
            what: format!("the request body broke off: {error}"),
        })?;
        self.taken.send_modify(|taken| *taken = taken.saturating_add(1));
        drop(self.gate.read().await);
        (self.answer)(function, Request::from_parts(head, body.to_bytes()))
    }
}
