//! `nubes ls`: what providers keep for an account, and how it is.

use crate::{
    cli::Ls,
    failure::Failure,
    market::{Customer, KeptObject, kept_objects},
    output::Output,
};
use nubes_market::Stage;
use serde_json::{Value, json};

pub(super) async fn run(args: Ls, output: Output) -> Result<(), Failure> {
    let customer = Customer::open(&args.door, &args.key).await?;
    let market = customer.market();
    let objects = kept_objects(&market, Some(customer.account.address())).await?;
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for object in objects.iter().filter(|object| object.end().is_some()) {
        let mut answering = None;
        if args.health {
            answering = Some(object.ask(&market).await?.into_values().filter(|answers| *answers).count());
        }
        lines.push(line(object, answering));
        values.push(value(object, answering));
    }
    if lines.is_empty() {
        lines.push("nothing is kept; `nubes deal make CID` has providers keep something".to_owned());
    }
    output.result(&lines.join("\n"), &json!({ "objects": values }));
    Ok(())
}

fn line(object: &KeptObject, answering: Option<usize>) -> String {
    let health = object.health();
    let cid = object.cid().map(|cid| cid.to_string()).unwrap_or_default();
    let answering = answering.map(|count| format!("  {count} answer")).unwrap_or_default();
    let stage = object.stage().map_or("", Stage::name);
    let (coding, bytes, end) = (object.layout.coding, object.layout.bytes, object.end().unwrap_or_default());
    format!(
        "{cid}  {coding}  {bytes} bytes  {}/{} healthy{answering}  {stage}  until {end}",
        health.healthy, health.total
    )
}

/// An object as programs read it.
pub(super) fn value(object: &KeptObject, answering: Option<usize>) -> Value {
    let health = object.health();
    json!({
        "cid": object.cid().map(|cid| cid.to_string()), "client": object.client,
        "product": object.layout.coding.to_string(), "bytes": object.layout.bytes,
        "healthy": health.healthy, "needed": health.needed, "total": health.total, "answering": answering,
        "stage": object.stage().map(Stage::name), "end": object.end(),
    })
}
