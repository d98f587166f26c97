//! `nubes status` and `nubes open`.

use crate::{
    cli::OnApp,
    client::Client,
    deploy::ledger,
    failure::{Exit, Failure},
    manifest::Manifest,
    output::Output,
};
use alloy_primitives::U64;
use serde_json::json;

pub(super) async fn run(args: OnApp, output: Output) -> Result<(), Failure> {
    let manifest = args.manifest()?;
    let client = Client::new(&args.door.node)?;
    let node = client.info().await?;
    let head: U64 = client.rpc(&node.rpc.http, "eth_blockNumber", json!([])).await?;
    let current = ledger::read(&client, &node, &manifest.name, &[]).await?;
    let mut lines = vec![format!("node      {}  chain {}  block {head}", client.door(), node.chain_id)];
    let Some((cid, record)) = current.record else {
        lines.push(format!("app       {} is not deployed", manifest.name));
        let value = json!({ "node": node, "block": head.to::<u64>(), "name": manifest.name, "app": null });
        output.result(&lines.join("\n"), &value);
        return Ok(());
    };
    lines.push(format!("app       {}  {cid}", record.name));
    lines.push(format!("name      expires in {} days", current.seconds_left / 86_400));
    lines.extend(record.site.map(|site| format!("site      {}  {site}", site_url(client.door(), &manifest))));
    lines.extend(
        record.functions.iter().map(|(name, function)| format!("function  {name}  {}", function.route)),
    );
    lines.extend(record.contracts.iter().map(|(name, address)| format!("contract  {name}  {address}")));
    let value = json!({ "node": node, "block": head.to::<u64>(), "cid": cid.to_string(), "owner": current.owner, "secondsLeft": current.seconds_left, "app": record });
    output.result(&lines.join("\n"), &value);
    Ok(())
}

pub(super) async fn open(args: OnApp, output: Output) -> Result<(), Failure> {
    let manifest = args.manifest()?;
    let client = Client::new(&args.door.node)?;
    client.info().await?;
    let url = site_url(client.door(), &manifest);
    output.result(&url, &json!({ "url": url }));
    if output.can_ask() && webbrowser::open(&url).is_err() {
        return Err(
            Failure::new(1028, Exit::Failure, "no browser could be started").help(format!("open {url}"))
        );
    }
    Ok(())
}

/// The app's address at a front door: its name is a subdomain of `localhost`.
pub(crate) fn site_url(door: &str, manifest: &Manifest) -> String {
    let port = door.rsplit_once(':').map_or("", |(_, port)| port.trim_end_matches('/'));
    format!("http://{}.localhost:{port}/", manifest.name)
}
