//! `nubes deploy`: plan, ask, carry out.

use crate::{
    cli::Deploy,
    client::{Client, NodeInfo},
    command::status::site_url,
    deploy::{build, ledger, plan, plan::Plan, prepare, wallet::Wallet},
    failure::{Exit, Failure},
    manifest::Manifest,
    output::Output,
};
use serde_json::{Value, json};
use std::io::{BufRead, Write};

pub(super) async fn run(args: Deploy, output: Output) -> Result<(), Failure> {
    let manifest = Manifest::find(&args.app.dir)?;
    let client = Client::new(&args.app.door.node)?;
    let node = client.info().await?;
    let wallet = Wallet::open(args.key.key_file.as_deref(), &node)?;
    build::run(&manifest, output).await?;
    let prepared = prepare::prepare(&manifest)?;
    output.warn(&prepared.warnings);
    let plan = plan_for(&client, &node, &prepared.desired, &wallet).await?;
    if args.plan {
        output.result(&plan.text(), &plan.to_json());
        return Ok(());
    }
    if !plan.is_empty() && !args.yes {
        output.say(&plan.text());
        confirm("Deploy?", output)?;
    }
    let former = prepared.upload(&client, output).await?;
    let receipts = apply(&client, &node, &plan, &wallet).await?;
    former.release(&client).await?;
    let url = site_url(client.door(), &manifest);
    let words = if plan.is_empty() { "nothing to change" } else { "live at" };
    let value = json!({
        "url": url, "plan": plan.to_json(), "transactions": receipts,
        "record": prepared.desired.record_cid.to_string(), "warnings": prepared.warnings,
    });
    output.result(&format!("{}\n{words} {url}", plan.text()), &value);
    Ok(())
}

/// Compares what is wanted with what the ledger has.
pub(crate) async fn plan_for(
    client: &Client,
    node: &NodeInfo,
    desired: &plan::Desired,
    wallet: &Wallet,
) -> Result<Plan, Failure> {
    let codes: Vec<_> = desired.contracts.values().collect();
    let current = ledger::read(client, node, &desired.record.name, &codes).await?;
    plan::plan(desired, &current, wallet.address())
}

/// Sends the plan's transactions in order. Stopping in between is safe: what is final stays, and the next deployment
/// plans only the rest.
pub(crate) async fn apply(
    client: &Client,
    node: &NodeInfo,
    plan: &Plan,
    wallet: &Wallet,
) -> Result<Vec<Value>, Failure> {
    let mut receipts = Vec::new();
    for step in &plan.steps {
        let receipt = wallet.send(client, node, (step.to, step.data.clone())).await?;
        receipts.push(json!({
            "what": step.what,
            "hash": receipt.transaction_hash,
            "block": receipt.block_number.to::<u64>(),
            "gas": receipt.gas_used.to::<u64>(),
        }));
    }
    Ok(receipts)
}

/// Asks; without somebody to answer it is a no.
pub(crate) fn confirm(question: &str, output: Output) -> Result<(), Failure> {
    if !output.can_ask() {
        return Err(Failure::new(1020, Exit::Usage, "nothing was done: nobody is here to confirm it"));
    }
    let mut err = std::io::stderr().lock();
    let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let answered = asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    match answered {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new(1020, Exit::Failure, "nothing was done: not confirmed")),
    }
}
