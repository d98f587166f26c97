//! `nubes deploy`: plan, ask, carry out.

use crate::{
    account::{self, unsent},
    cli::Deploy,
    client::{Client, NodeInfo},
    command::status::site_url,
    deploy::{
        build, ledger, plan,
        plan::Plan,
        prepare::{self, Former},
    },
    failure::{Exit, Failure},
    manifest::Manifest,
    output::Output,
};
use alloy_primitives::Address;
use nubes_market::Account;
use serde_json::{Value, json};
use std::io::{BufRead, Write};

pub(super) async fn run(args: Deploy, output: Output) -> Result<(), Failure> {
    let manifest = args.app.manifest()?;
    let client = Client::new(&args.app.door.node)?;
    let node = client.info().await?;
    let account = account::open(args.key.key_file.as_deref(), &node).await?;
    if args.remove {
        return take_down(&args, &manifest, (&client, &node, &account), output).await;
    }
    build::run(&manifest, output).await?;
    let prepared = prepare::prepare(&manifest)?;
    output.warn(&prepared.warnings);
    let plan = plan_for(&client, &node, &prepared.desired, account.address()).await?;
    if args.plan {
        output.result(&plan.text(), &plan.to_json());
        return Ok(());
    }
    if !plan.is_empty() && !args.yes {
        output.say(&plan.text());
        confirm("Deploy?", output)?;
    }
    let former = prepared.upload(&client, output).await?;
    let receipts = apply(&plan, &account).await?;
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

/// Takes a preview down: first the ledger does not name it any more, then the node lets go of what it was.
async fn take_down(
    args: &Deploy,
    manifest: &Manifest,
    (client, node, account): (&Client, &NodeInfo, &Account),
    output: Output,
) -> Result<(), Failure> {
    let name = &manifest.name;
    let current = ledger::read(client, node, name, &[]).await?;
    let plan = plan::take_down(name, &current, account.address())?;
    let former = Former::of(client, name).await?;
    // What was stopped between the two goes on.
    if plan.is_empty() && former.is_empty() {
        return Err(Failure::new(1037, Exit::NotFound, format!("there is no preview {name}")));
    }
    if args.plan {
        output.result(&plan.text(), &plan.to_json());
        return Ok(());
    }
    if !args.yes {
        output.say(&plan.text());
        confirm("Remove?", output)?;
    }
    let receipts = apply(&plan, account).await?;
    former.release(client).await?;
    let value = json!({ "removed": name, "plan": plan.to_json(), "transactions": receipts });
    output.result(&format!("{}\nremoved {name}", plan.text()), &value);
    Ok(())
}

/// Compares what is wanted with what the ledger has.
pub(crate) async fn plan_for(
    client: &Client,
    node: &NodeInfo,
    desired: &plan::Desired,
    signer: Address,
) -> Result<Plan, Failure> {
    let codes: Vec<_> = desired.contracts.values().collect();
    let current = ledger::read(client, node, &desired.record.name, &codes).await?;
    plan::plan(desired, &current, signer)
}

/// Sends the plan's transactions in order. Stopping in between is safe: what is final stays, and the next deployment
/// plans only the rest.
pub(crate) async fn apply(plan: &Plan, account: &Account) -> Result<Vec<Value>, Failure> {
    let mut receipts = Vec::new();
    for step in &plan.steps {
        let sent = account.send_data(step.to, step.data.clone()).await;
        let receipt = sent.map_err(|source| unsent(&step.what, source))?;
        receipts.push(json!({
            "what": step.what,
            "hash": receipt.transaction,
            "block": receipt.block,
            "gas": receipt.gas_used,
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
