//! Waits for the person or the system to say stop.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at SIGINT or SIGTERM.
pub(crate) async fn stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the default action ends the process at the signal, which is what is waited for.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
