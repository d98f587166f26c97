//! `nubes node run`.

use crate::{
    cli::NodeRun,
    failure::Failure,
    node::{running::Running, signal},
    output::Output,
};

pub(super) async fn run(args: NodeRun, output: Output) -> Result<(), Failure> {
    let started = tokio::select! {
        // Waiting for a ledger can take long.
        () = signal::stop() => return Ok(()),
        started = Box::pin(Running::start(&args.dir, &args.names)) => started,
    };
    let mut node = started?;
    let (text, value) = node.ready();
    output.result(&text, &value);
    let stopped = tokio::select! {
        () = signal::stop() => Ok(()),
        failure = node.failed() => Err(failure),
    };
    output.say("stopping");
    node.stop().await;
    stopped
}
