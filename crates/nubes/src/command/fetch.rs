//! `nubes fetch`: the node fetches content from IPFS peers and keeps it.

use crate::{
    cli::Fetch,
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use cid::Cid;
use futures_util::StreamExt;
use indicatif::ProgressBar;
use nubes_base::Code;
use serde_json::{Value, json};

/// A line of the node's report is shorter than this.
const LINE_BYTES_MAX: usize = 1 << 16;

pub(super) async fn run(args: Fetch, output: Output) -> Result<(), Failure> {
    let cid = args.cid.trim_start_matches("ipfs://").trim_start_matches("/ipfs/").trim_end_matches('/');
    Cid::try_from(cid)
        .map_err(|source| Failure::new(3001, Exit::Usage, format!("`{cid}` is no CID")).because(source))?;
    let client = Client::new(&args.door.node)?;
    if client.info().await?.exchange.is_none() {
        return Err(Failure::new(3034, Exit::Failure, format!("{} has no exchange", client.door())));
    }
    for address in &args.peers {
        let request = client.http().post(format!("{}/api/v1/peers", client.door()));
        client.send(request.json(&json!({ "address": address }))).await?;
    }
    let done = fetch(&client, cid, &output.progress(0, "fetching")).await?;
    let number = |name: &str| done.get(name).and_then(Value::as_u64).unwrap_or_default();
    let text = format!(
        "{cid}\n{} bytes in {} blocks, {} of them fetched",
        number("bytes"),
        number("blocks"),
        number("fetchedBlocks")
    );
    let value = json!({
        "cid": cid, "bytes": number("bytes"), "blocks": number("blocks"),
        "fetchedBytes": number("fetchedBytes"), "fetchedBlocks": number("fetchedBlocks"),
    });
    output.result(&text, &value);
    Ok(())
}

/// Follows the node's report to its last line.
async fn fetch(client: &Client, cid: &str, bar: &ProgressBar) -> Result<Value, Failure> {
    let answer = client.send(client.http().post(format!("{}/api/v1/fetch/{cid}", client.door()))).await?;
    let mut chunks = answer.bytes_stream();
    let mut rest = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|source| Failure::new(1015, Exit::Network, "the report broke off").because(source))?;
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line: Value = serde_json::from_slice(&line).unwrap_or_default();
            if let Some(error) = line.get("error") {
                return Err(failure(error));
            }
            if line.get("done").is_some() {
                bar.finish_and_clear();
                return Ok(line);
            }
            show(&line, bar);
        }
        if rest.len() > LINE_BYTES_MAX {
            return Err(Failure::new(1021, Exit::Failure, "the node's report has no line ends"));
        }
    }
    Err(Failure::new(1015, Exit::Network, "the report ended before the fetch"))
}

fn show(line: &Value, bar: &ProgressBar) {
    let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or_default();
    bar.set_length(number("bytesClaimed").max(number("bytes")));
    bar.set_position(number("bytes"));
}

fn failure(error: &Value) -> Failure {
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = field("code").parse::<Code>().map_or(1021, Code::number);
    let exit = if code == 3032 { Exit::NotFound } else { Exit::Failure };
    Failure::new(code, exit, format!("the node could not fetch it: {}", field("detail")))
}
