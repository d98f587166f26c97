//! `nubes store`: what the node's block store holds, and having it collected, checked and copied.

use crate::{
    cli::{Door, Store, StoreBackup},
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use serde_json::{Value, json};

pub(super) async fn run(command: Store, output: Output) -> Result<(), Failure> {
    match command {
        Store::Status(args) => status(&args.door, output).await,
        Store::Collect(args) => collect(&args.door, output).await,
        Store::Check(args) => check(&args.door, output).await,
        Store::Backup(args) => backup(args, output).await,
    }
}

async fn status(door: &Door, output: Output) -> Result<(), Failure> {
    let client = Client::new(&door.node)?;
    let status: Value = client.json(client.http().get(format!("{}/api/v1/store", client.door()))).await?;
    let quota = status.get("bytesMax").and_then(Value::as_u64);
    let quota = quota.map_or_else(|| "no quota".to_owned(), |bytes| format!("quota {bytes} bytes"));
    let checked = match status.get("lastCheck").filter(|check| !check.is_null()) {
        Some(check) => format!("{} of {} damaged", number(check, "damagedBlocks"), number(check, "blocks")),
        None => "not since the start".to_owned(),
    };
    let place = if status.get("engine").and_then(Value::as_str) == Some("bucket") {
        format!("bucket    {} bytes; its server has limits of its own", number(&status, "storedBytes"))
    } else {
        format!(
            "on disk   {} bytes in {} segments, {} bytes of them without use, {quota}\n\
             reserve   {} bytes of the disk stay free",
            number(&status, "storedBytes"),
            number(&status, "segments"),
            number(&status, "unusedBytes"),
            number(&status, "freeBytesMin"),
        )
    };
    let text = format!(
        "blocks    {}, {} bytes\n{place}\npins      {}\nchecked   {checked}",
        number(&status, "blocks"),
        number(&status, "bytes"),
        number(&status, "pins"),
    );
    output.result(&text, &status);
    Ok(())
}

async fn collect(door: &Door, output: Output) -> Result<(), Failure> {
    output.say("collecting what no pin keeps");
    let freed = post(&Client::new(&door.node)?, "collect", None).await?;
    let text = format!(
        "{} blocks removed, {} bytes freed; the store takes {} bytes, {} of them without use\n\
         (a segment is rewritten when less than half of it is kept)",
        number(&freed, "removedBlocks"),
        number(&freed, "freedBytes"),
        number(&freed, "storedBytes"),
        number(&freed, "unusedBytes"),
    );
    output.result(&text, &freed);
    Ok(())
}

/// Damage is a failure, so that whoever runs it by a timer hears of it; the report comes first.
async fn check(door: &Door, output: Output) -> Result<(), Failure> {
    output.say("reading every block");
    let check = post(&Client::new(&door.node)?, "check", None).await?;
    let damaged = number(&check, "damagedBlocks");
    let named = check.get("damaged").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = named.iter().map(|damage| format!("\n  {}  {}", text(damage, "cid"), text(damage, "what")));
    let line = format!(
        "{} blocks read, {} bytes; {damaged} damaged{}",
        number(&check, "blocks"),
        number(&check, "bytes"),
        named.collect::<String>(),
    );
    output.result(&line, &check);
    if damaged > 0 {
        return Err(Failure::new(3005, Exit::Failure, format!("{damaged} blocks are damaged")));
    }
    Ok(())
}

async fn backup(args: StoreBackup, output: Output) -> Result<(), Failure> {
    let dir = std::path::absolute(&args.dir).map_err(|source| {
        Failure::new(3053, Exit::Usage, format!("cannot use {}", args.dir.display())).because(source)
    })?;
    output.say("copying blocks, pins and records of names");
    let copy = post(&Client::new(&args.door.node)?, "backup", Some(&json!({ "dir": dir }))).await?;
    let text = format!(
        "{}\n{} blocks in {} segments, {} bytes",
        dir.display(),
        number(&copy, "blocks"),
        number(&copy, "segments"),
        number(&copy, "bytes"),
    );
    output.result(&text, &copy);
    Ok(())
}

async fn post(client: &Client, call: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let request = client.http().post(format!("{}/api/v1/store/{call}", client.door()));
    client.json(if let Some(body) = body { request.json(body) } else { request }).await
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
