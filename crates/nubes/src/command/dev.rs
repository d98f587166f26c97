//! `nubes dev`: a whole network in one process, the app on it, and a watch on the app's files.
//!
//! The nodes are the ones of `nubes node run`, started side by side: own keys, own data, real sockets.

mod watch;

use crate::{
    account,
    cli::{Dev, Names},
    client::Client,
    command::{deploy, status::site_url},
    deploy::{build, prepare},
    failure::{Exit, Failure},
    manifest::{FILE_NAME, Manifest},
    node::{
        network::{Ports, Shape, init, keep_in},
        running::{Running, is_provider},
        signal,
    },
    output::Output,
};
use serde_json::json;
use std::path::PathBuf;
use tokio::task::JoinSet;

/// Local providers prove often, so that what they do can be watched.
const PERIOD_SECONDS: u64 = 60;
const DOLLARS_PER_GIB_MONTH: f64 = 0.01;

pub(super) async fn run(args: Dev, output: Output) -> Result<(), Failure> {
    if args.print_env {
        let text = environment(args.port_base)?;
        output.result(&text.join("\n"), &json!(text));
        return Ok(());
    }
    let manifest = find_app(&args)?;
    let data = data_dir(&args, manifest.as_ref())?;
    let dirs = network(&args, &data)?;
    if let (Some(engine), Some(first)) = (&args.storage, dirs.first()) {
        // The other validators keep no content.
        keep_in(first, engine)?;
    }
    let mut nodes = Vec::new();
    let mut providers = Providers::default();
    for dir in dirs {
        if is_provider(&dir)? {
            providers.start(dir, args.names.clone());
            continue;
        }
        match Running::start(&dir, &args.names).await {
            Ok(node) => nodes.push(node),
            Err(failure) => {
                stop(nodes).await;
                return Err(failure);
            }
        }
    }
    let served = serve(&args, manifest, &mut nodes, output).await;
    output.say("stopping");
    stop(providers.started().await).await;
    stop(nodes).await;
    served
}

/// Providers register on the ledger, which takes some blocks: nobody waits for them.
#[derive(Default)]
struct Providers(JoinSet<Option<Running>>);

impl Providers {
    fn start(&mut self, dir: PathBuf, names: Names) {
        self.0.spawn(async move {
            match Box::pin(Running::start(&dir, &names)).await {
                Ok(node) => Some(node),
                Err(failure) => {
                    tracing::error!(dir = %dir.display(), error = &failure as &dyn std::error::Error, "no provider");
                    None
                }
            }
        });
    }

    /// Those that run by now; those that still start are given up.
    async fn started(mut self) -> Vec<Running> {
        let mut nodes = Vec::new();
        while let Some(done) = self.0.try_join_next() {
            nodes.extend(done.ok().flatten());
        }
        self.0.shutdown().await;
        nodes
    }
}

/// Deploys, says ready, and redeploys until told to stop.
async fn serve(
    args: &Dev,
    manifest: Option<Manifest>,
    nodes: &mut [Running],
    output: Output,
) -> Result<(), Failure> {
    let client = Client::new(&format!("http://127.0.0.1:{}", args.port_base))?;
    let stopped = async {
        let failures = nodes.iter_mut().map(|node| Box::pin(node.failed()));
        tokio::select! {
            () = signal::stop() => Ok(()),
            (failure, _, _) = futures_util::future::select_all(failures) => Err(failure),
        }
    };
    let work = async {
        let Some(manifest) = &manifest else {
            ready(args, &client, None, output).await?;
            return std::future::pending().await;
        };
        redeploy(&client, manifest, output).await?;
        // Before ready is said: who sees it may change a file at once.
        let watch = watch::start(&manifest.dir)?;
        ready(args, &client, Some(manifest), output).await?;
        watch::run(watch, &client, output).await;
        Ok(())
    };
    tokio::select! {
        stopped = stopped => stopped,
        worked = work => worked,
    }
}

/// Builds and deploys whatever changed; returns what the plan said.
async fn redeploy(client: &Client, manifest: &Manifest, output: Output) -> Result<String, Failure> {
    build::run(manifest, output).await?;
    let node = client.info().await?;
    let account = account::open(None, &node).await?;
    let prepared = prepare::prepare(manifest)?;
    output.warn(&prepared.warnings);
    let plan = deploy::plan_for(client, &node, &prepared.desired, account.address()).await?;
    let former = prepared.upload(client, output).await?;
    deploy::apply(&plan, &account).await?;
    former.release(client).await?;
    Ok(plan.text())
}

async fn ready(
    args: &Dev,
    client: &Client,
    manifest: Option<&Manifest>,
    output: Output,
) -> Result<(), Failure> {
    let node = client.info().await?;
    let gateway = format!("http://localhost:{}", args.port_base);
    let mut lines = vec![
        format!("ready     {gateway}"),
        format!("RPC       {}  {}", node.rpc.http, node.rpc.ws),
        format!("gateway   {gateway}/ipfs/CID  http://CID.ipfs.localhost:{}", args.port_base),
        format!("API       {gateway}/api/v1/openapi.json"),
    ];
    let peers = node.exchange.as_ref().map(|exchange| exchange.addresses.clone()).unwrap_or_default();
    lines.extend(peers.iter().map(|address| format!("peers     {address}")));
    let mut value = json!({
        "ready": true, "gateway": gateway, "rpc": node.rpc.http, "ws": node.rpc.ws, "chainId": node.chain_id,
        "exchange": peers,
    });
    if let Some(manifest) = manifest {
        let site = site_url(&gateway, manifest);
        let current = crate::deploy::ledger::read(client, &node, &manifest.name, &[]).await?;
        let record = current.record.map(|(_, record)| record);
        lines.extend(
            manifest
                .functions
                .iter()
                .map(|(name, f)| format!("function  {name}  {}{}", site.trim_end_matches('/'), f.route)),
        );
        if let Some(record) = &record {
            lines.extend(
                record.contracts.iter().map(|(name, address)| format!("contract  {name}  {address}")),
            );
            value["contracts"] = json!(record.contracts);
        }
        lines.push(format!("app       {site}"));
        value["site"] = json!(site.trim_end_matches('/'));
    }
    output.result(&lines.join("\n"), &value);
    Ok(())
}

fn find_app(args: &Dev) -> Result<Option<Manifest>, Failure> {
    match &args.dir {
        Some(dir) => Manifest::find(dir).map(Some),
        None if PathBuf::from(FILE_NAME).is_file() => Manifest::find(".".as_ref()).map(Some),
        None => Ok(None),
    }
}

fn data_dir(args: &Dev, manifest: Option<&Manifest>) -> Result<PathBuf, Failure> {
    if let Some(dir) = &args.data_dir {
        return Ok(dir.clone());
    }
    if let Some(manifest) = manifest {
        return Ok(manifest.dir.join(".nubes"));
    }
    let folders = directories::ProjectDirs::from("", "", "nubes");
    let folders = folders
        .ok_or_else(|| Failure::new(1014, Exit::Failure, "no home folder; name one with --data-dir"))?;
    Ok(folders.data_dir().join("dev"))
}

/// The folders of the local network's nodes, made at the first run.
fn network(args: &Dev, data: &std::path::Path) -> Result<Vec<PathBuf>, Failure> {
    if crate::node::network::exists(data) {
        return crate::node::network::reopen(data, args.port_base);
    }
    let shape = Shape {
        validators: args.validators,
        providers: args.providers,
        period_seconds: PERIOD_SECONDS,
        dollars_per_gib_month: DOLLARS_PER_GIB_MONTH,
        ports: Ports::Development { base: args.port_base },
    };
    init(data, &shape)
}

async fn stop(nodes: Vec<Running>) {
    // In reverse order: the node with the front door was started first and is stopped last.
    for node in nodes.into_iter().rev() {
        node.stop().await;
    }
}

fn environment(base: u16) -> Result<Vec<String>, Failure> {
    let rpc = Ports::Development { base }.of(0)?.rpc;
    Ok(vec![
        format!("ETH_RPC_URL=http://127.0.0.1:{rpc}"),
        format!("IPFS_GATEWAY=http://127.0.0.1:{base}"),
        format!("NUBES_NODE=http://127.0.0.1:{base}"),
    ])
}
