//! Transactions between validators: batches, best effort. Consensus does not depend on them.

use crate::{application::blocking, machine::StateMachine};
use bytes::Bytes;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::Spawner;
use commonware_utils::channel::mpsc;
use std::sync::Arc;

/// Batches waiting to be sent.
pub(crate) const BATCHES_QUEUED_MAX: usize = 1_024;
/// Largest batch that is sent or taken.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;

/// Sends what the node hands in and gives the machine what peers send.
pub(crate) async fn run<E: Spawner, S: Sender, R: Receiver>(
    rt: E,
    machine: Arc<dyn StateMachine>,
    (mut sender, mut receiver): (S, R),
    mut outgoing: mpsc::Receiver<Bytes>,
) {
    loop {
        tokio::select! {
            batch = outgoing.recv() => {
                let Some(batch) = batch else { return };
                if batch.len() <= BATCH_BYTES_MAX {
                    sender.send(Recipients::All, batch, false);
                }
            }
            heard = receiver.recv() => {
                let Ok((_, message)) = heard else { return };
                if message.len() <= BATCH_BYTES_MAX {
                    let (machine, batch) = (Arc::clone(&machine), Bytes::copy_from_slice(message.as_ref()));
                    // Checking the signatures of a full batch takes too long for the threads that carry votes.
                    let () = blocking(&rt, move || machine.hear(batch)).await;
                }
            }
        }
    }
}
