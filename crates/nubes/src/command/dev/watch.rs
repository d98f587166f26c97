//! Redeploys when the app's files change.
//!
//! Events come in bursts (an editor writes, renames, sets times); a burst is over when nothing came for [`QUIET`].
//! A failed build or deployment is told and forgotten: the app stays as it was until the next change.

use super::redeploy;
use crate::{
    client::Client,
    failure::{Exit, Failure},
    manifest::Manifest,
    output::Output,
};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, time};

const QUIET: Duration = Duration::from_millis(60);
/// Events beyond this many that nobody has read yet say nothing new: one is enough to redeploy.
const EVENTS_MAX: usize = 64;
/// Folders whose changes are results, not sources.
const IGNORED: &[&str] = &[".nubes", ".git", "node_modules", "target"];

/// Changes of an app's files since this was made.
pub(super) struct Watch {
    dir: PathBuf,
    changes: mpsc::Receiver<()>,
    // Dropping it ends the stream of changes.
    _watcher: RecommendedWatcher,
}

/// Starts to watch; what changes from now on is not missed.
pub(super) fn start(dir: &Path) -> Result<Watch, Failure> {
    let (sender, changes) = mpsc::channel(EVENTS_MAX);
    let root = dir.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let real = !matches!(event.kind, EventKind::Access(_))
            && event.paths.iter().any(|path| is_source(&root, path));
        if real {
            // A full queue already holds a reason to redeploy.
            let _ = sender.try_send(());
        }
    })
    .map_err(unwatchable)?;
    watcher.watch(dir, RecursiveMode::Recursive).map_err(unwatchable)?;
    Ok(Watch { dir: dir.to_owned(), changes, _watcher: watcher })
}

/// Redeploys after each burst of changes, until the process is told to stop.
pub(super) async fn run(watch: Watch, client: &Client, output: Output) {
    let Watch { dir, mut changes, _watcher } = watch;
    while changes.recv().await.is_some() {
        while time::timeout(QUIET, changes.recv()).await.is_ok_and(|event| event.is_some()) {}
        let started = time::Instant::now();
        let deployed = match Manifest::find(&dir) {
            Ok(manifest) => redeploy(client, &manifest, output).await,
            Err(failure) => Err(failure),
        };
        // Builds write into the app's folder; what they wrote is deployed already.
        while changes.try_recv().is_ok() {}
        match deployed {
            Ok(plan) => {
                let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                output
                    .result(&format!("{plan}\nlive after {ms} ms"), &json!({ "redeployed": true, "ms": ms }));
            }
            Err(failure) => output.failure(failure),
        }
    }
}

fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(root) else { return false };
    !inside.components().any(|part| IGNORED.iter().any(|ignored| part.as_os_str() == *ignored))
}

fn unwatchable(source: notify::Error) -> Failure {
    Failure::new(1030, Exit::Failure, "the app's folder cannot be watched").because(source)
}
