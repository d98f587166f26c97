//! `nubes doctor`: checks what commonly goes wrong, each with its cure.

use crate::{
    cli::Doctor,
    client::Client,
    failure::{Exit, Failure},
    output::Output,
};
use alloy_primitives::U64;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// One finding.
struct Check {
    name: &'static str,
    /// None: fine. Otherwise what is wrong and what to do.
    trouble: Option<String>,
    detail: String,
}

pub(super) async fn run(args: Doctor, output: Output) -> Result<(), Failure> {
    let client = Client::new(&args.door.node)?;
    let mut checks = vec![localhost_names(), open_files()];
    match client.info().await {
        Ok(node) => {
            let detail =
                format!("{} answers, chain {}, version {}", client.door(), node.chain_id, node.version);
            checks.push(Check { name: "node", trouble: None, detail });
            checks.push(ledger(&client, &node.rpc.http).await);
        }
        Err(failure) => {
            let trouble = Some("start one with `nubes dev`, or name one with --node".to_owned());
            checks.push(Check { name: "node", trouble, detail: failure.to_string() });
            checks.push(port(args.door.node.as_str()));
        }
    }
    let rows = checks.iter().map(|check| {
        let mark = if check.trouble.is_some() { "!" } else { "ok" };
        let cure = check.trouble.as_ref().map(|text| format!("\n     {text}")).unwrap_or_default();
        format!("{mark:<3}{:<12}{}{cure}", check.name, check.detail)
    });
    let value: Vec<Value> = checks
        .iter()
        .map(|check| json!({ "check": check.name, "ok": check.trouble.is_none(), "detail": check.detail, "fix": check.trouble }))
        .collect();
    output.result(&rows.collect::<Vec<_>>().join("\n"), &json!({ "checks": value }));
    let troubles = checks.iter().filter(|check| check.trouble.is_some()).count();
    if troubles == 0 {
        return Ok(());
    }
    Err(Failure::new(1029, Exit::Failure, format!("{troubles} of {} checks found trouble", checks.len())))
}

/// Sites live at `NAME.localhost`; most resolvers know that name (RFC 6761), some do not.
fn localhost_names() -> Check {
    use std::net::ToSocketAddrs;
    let resolved = ("nubes-doctor.localhost", 80).to_socket_addrs();
    let loopback = resolved.is_ok_and(|mut found| found.any(|address| address.ip().is_loopback()));
    let trouble = (!loopback).then(|| {
        "browsers resolve it themselves; for other tools send the header `Host: NAME.localhost` to 127.0.0.1".to_owned()
    });
    let detail =
        if loopback { "*.localhost resolves to loopback" } else { "*.localhost does not resolve here" };
    Check { name: "names", trouble, detail: detail.to_owned() }
}

/// Every connection and segment takes a file descriptor.
fn open_files() -> Check {
    const OPEN_FILES_MIN: u64 = 1_024;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = soft.and_then(|line| line.split_whitespace().nth(3)).and_then(|text| text.parse::<u64>().ok());
    let trouble =
        soft.filter(|limit| *limit < OPEN_FILES_MIN).map(|_| format!("raise it: ulimit -n {OPEN_FILES_MIN}"));
    let detail =
        soft.map_or_else(|| "limit not known on this system".to_owned(), |limit| format!("{limit} allowed"));
    Check { name: "open files", trouble, detail }
}

fn port(door: &str) -> Check {
    let port = door.rsplit_once(':').and_then(|(_, port)| port.trim_end_matches('/').parse::<u16>().ok());
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.unwrap_or(8080));
    let free = TcpListener::bind(address).is_ok();
    let trouble = (!free).then(|| "another program holds it: stop that, or use --port-base".to_owned());
    Check { name: "port", trouble, detail: format!("{address} is {}", if free { "free" } else { "taken" }) }
}

async fn ledger(client: &Client, url: &str) -> Check {
    match client.rpc::<U64>(url, "eth_blockNumber", json!([])).await {
        Ok(head) => Check { name: "ledger", trouble: None, detail: format!("{url} is at block {head}") },
        Err(failure) => {
            let trouble = Some("see the node's log; with four validators three must run".to_owned());
            Check { name: "ledger", trouble, detail: failure.to_string() }
        }
    }
}
