//! `nubes node run`.

use crate::{
    cli::NodeRun,
    failure::Failure,
    node::{Node, config::NodeConfig, signal},
    output::Output,
};
use serde_json::json;

pub(super) async fn run(args: NodeRun, output: Output) -> Result<(), Failure> {
    let config = NodeConfig::read(&args.dir)?;
    let node = Node::start(&config, &args.names).await?;
    let peers = node.exchange_addresses();
    let ready = json!({
        "ready": true, "node": config.file.name, "rpc": config.file.rpc, "door": config.file.door,
        "exchange": peers,
    });
    let mut lines = vec![format!("{} is ready", config.file.name)];
    lines.extend(peers.iter().map(|address| format!("IPFS peers  {address}")));
    output.result(&lines.join("\n"), &ready);
    let mut node = node;
    let stopped = tokio::select! {
        () = signal::stop() => Ok(()),
        failure = node.failed() => Err(failure),
    };
    output.say("stopping");
    node.stop().await;
    stopped
}
