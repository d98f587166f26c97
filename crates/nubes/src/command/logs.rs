//! `nubes logs`: what an app's functions print.

use crate::{
    cli::Logs,
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use futures_util::StreamExt;
use serde_json::Value;

/// A line longer than this is cut by the node; more without a line end is not a log.
const LINE_BYTES_MAX: usize = 1 << 20;

pub(super) async fn run(args: Logs, output: Output) -> Result<(), Failure> {
    let manifest = args.app.manifest()?;
    let client = Client::new(&args.app.door.node)?;
    let follow = u8::from(args.follow);
    let logs = format!("api/v1/apps/{}/logs?lines={}&follow={follow}", manifest.name, args.lines);
    let request = client.http().get(format!("{}/{logs}", client.door()));
    let mut chunks = client.send(request).await?.bytes_stream();
    let mut rest = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|source| Failure::new(1015, Exit::Network, "the log broke off").because(source))?;
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            print(&line, output);
        }
        if rest.len() > LINE_BYTES_MAX {
            return Err(Failure::new(1021, Exit::Failure, "the node's log has no line ends"));
        }
    }
    Ok(())
}

fn print(line: &[u8], output: Output) {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    output.result(&format!("{} {:<5} {}", field("function"), field("level"), field("text")), &value);
}
