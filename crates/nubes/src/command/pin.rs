//! `nubes pin`: what the node promises to keep.

use crate::{
    cli::{Pin, PinAdd, PinRm},
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use cid::Cid;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Pins {
    pins: Vec<Value>,
}

pub(super) async fn run(command: Pin, output: Output) -> Result<(), Failure> {
    match command {
        Pin::Add(args) => add(args, output).await,
        Pin::Ls(args) => list(&Client::new(&args.door.node)?, output).await,
        Pin::Rm(args) => remove(args, output).await,
    }
}

async fn add(args: PinAdd, output: Output) -> Result<(), Failure> {
    let cid = cid(&args.cid)?;
    let client = Client::new(&args.door.node)?;
    let request = client.http().post(url(&client));
    let pin: Value = client.json(request.json(&json!({ "cid": cid.to_string(), "name": args.name }))).await?;
    output.result(&line(&pin), &pin);
    if field(&pin, "status") == "queued" {
        output.say(
            "not all of it is here yet: the node fetches it from peers; `nubes pin ls` shows how far it is",
        );
    }
    Ok(())
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let Pins { pins } = client.json(client.http().get(url(client))).await?;
    let lines: Vec<String> = pins.iter().map(line).collect();
    output.result(&lines.join("\n"), &json!({ "pins": pins }));
    Ok(())
}

async fn remove(args: PinRm, output: Output) -> Result<(), Failure> {
    let cid = cid(&args.cid)?;
    let client = Client::new(&args.door.node)?;
    let removed: Value = client.json(client.http().delete(format!("{}/{cid}", url(&client)))).await?;
    output.result(&format!("{cid} is no longer kept"), &removed);
    Ok(())
}

fn url(client: &Client) -> String {
    format!("{}/api/v1/pins", client.door())
}

fn cid(text: &str) -> Result<Cid, Failure> {
    let text = text.trim_start_matches("ipfs://").trim_start_matches("/ipfs/").trim_end_matches('/');
    Cid::try_from(text)
        .map_err(|source| Failure::new(3001, Exit::Usage, format!("`{text}` is no CID")).because(source))
}

fn line(pin: &Value) -> String {
    let [cid, status, mode, name] = ["cid", "status", "mode", "name"].map(|name| field(pin, name));
    let details = field(pin, "details");
    let mode = if mode == "direct" { "  (block alone)" } else { "" };
    let name = if name.is_empty() { String::new() } else { format!("  {name}") };
    let details = if details.is_empty() { String::new() } else { format!("\n    {details}") };
    format!("{status:<8}  {cid}{name}{mode}{details}")
}

fn field<'a>(pin: &'a Value, name: &str) -> &'a str {
    pin.get(name).and_then(Value::as_str).unwrap_or_default()
}
