//! `nubes rollback`: makes an app again what a former deployment made it.

use super::deploy::{apply, confirm};
use crate::{
    account,
    cli::Rollback,
    client::Client,
    command::status::site_url,
    deploy::{ledger, plan::roll_back},
    failure::{Exit, Failure},
    output::Output,
};
use cid::Cid;
use nubes_base::app::AppRecord;
use serde_json::json;

pub(super) async fn run(args: Rollback, output: Output) -> Result<(), Failure> {
    let manifest = args.app.manifest()?;
    let client = Client::new(&args.app.door.node)?;
    let node = client.info().await?;
    let account = account::open(args.key.key_file.as_deref(), &node).await?;
    let current = ledger::read(&client, &node, &manifest.name, &[]).await?;
    let target = match &args.to {
        Some(text) => Cid::try_from(text.as_str()).map_err(|source| {
            Failure::new(3001, Exit::Usage, format!("`{text}` is no CID")).because(source)
        })?,
        None => *current.history.first().ok_or_else(|| {
            Failure::new(1034, Exit::NotFound, format!("{} has no former deployment", manifest.name))
        })?,
    };
    let record = former_record(&client, &target).await?;
    let plan = roll_back(&manifest.name, (&target, &record), &current, account.address())?;
    if !args.yes {
        output.say(&plan.text());
        confirm("Roll back?", output)?;
    }
    let receipts = apply(&plan, &account).await?;
    let url = site_url(client.door(), &manifest);
    let value =
        json!({ "url": url, "record": target.to_string(), "plan": plan.to_json(), "transactions": receipts });
    output.result(&format!("{}\nlive at {url}", plan.text()), &value);
    Ok(())
}

/// The record, if what it names is still there: a name that leads to nothing helps nobody.
async fn former_record(client: &Client, cid: &Cid) -> Result<AppRecord, Failure> {
    let gone = |what: String| Failure::new(1034, Exit::NotFound, what);
    let record = ledger::fetch_record(client, cid).await;
    let record =
        record.map_err(|source| gone(format!("the record {cid} is not to be had")).because(source))?;
    let code = record.functions.values().map(|function| *function.code.cid());
    let contents: Vec<Cid> = record.site.into_iter().chain(code).collect();
    let missing = client.missing(&contents).await?;
    if let Some(missing) = missing.first() {
        return Err(gone(format!("{missing}, a part of that deployment, is not kept any more")));
    }
    Ok(record)
}
