//! Addresses everything a manifest names: what the deployment wants to be true.

use super::{
    artifact::creation_code,
    plan::{Desired, contract_address},
    upload::{Source, keep, send},
};
use crate::{
    client::Client,
    failure::{Exit, Failure},
    manifest::{Function, Manifest},
    output::Output,
};
use bytes::Bytes;
use cid::Cid;
use nubes_base::app::{AppName, AppRecord, FunctionCode, FunctionRecord, RECORD_VERSION};
use nubes_storage::gateway::headers;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// What to deploy and where its content is.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) desired: Desired,
    /// What of the app will not be as its author may think.
    pub(crate) warnings: Vec<String>,
    contents: Vec<Content>,
}

#[derive(Debug)]
struct Content {
    source: Source,
    cid: Cid,
    blocks: Vec<Cid>,
    what: String,
}

/// Reads and addresses; changes nothing anywhere.
pub(crate) fn prepare(manifest: &Manifest) -> Result<Prepared, Failure> {
    let mut contents = Vec::new();
    let mut add = |source: Source, what: String| {
        let (built, blocks) = source.address()?;
        contents.push(Content { source, cid: built.cid, blocks, what });
        Ok::<_, Failure>((built.cid, built.bytes))
    };
    let (mut site, mut warnings) = (None, Vec::new());
    if let Some(input) = manifest.site.as_ref().map(|site| &site.dir) {
        let dir = manifest.input(input)?;
        warnings = headers_warnings(&dir);
        site = Some(add(Source::Directory(dir), "site".to_owned())?);
    }
    let mut functions = BTreeMap::new();
    for (name, function) in &manifest.functions {
        let path = manifest.input(&function.source)?;
        let (cid, _) = add(Source::File(path.clone()), format!("function {name}"))?;
        functions.insert(name.clone(), record(function, code(&path, cid)?));
    }
    let mut contracts = BTreeMap::new();
    for (name, contract) in &manifest.contracts {
        contracts.insert(name.clone(), creation_code(&manifest.input(&contract.artifact)?)?);
    }
    let record = AppRecord {
        version: RECORD_VERSION,
        name: manifest.name.clone(),
        site: site.map(|(cid, _)| cid),
        functions,
        contracts: contracts.iter().map(|(name, code)| (name.clone(), contract_address(code))).collect(),
    };
    let json = serde_json::to_vec(&record).map_err(|source| {
        Failure::new(1031, Exit::Failure, "the app's record cannot be written").because(source)
    })?;
    let (record_cid, _) = add(Source::Bytes(Bytes::from(json)), "record".to_owned())?;
    let site_bytes = site.map_or(0, |(_, bytes)| bytes);
    Ok(Prepared { desired: Desired { record, record_cid, contracts, site_bytes }, warnings, contents })
}

/// The lines of the site's `_headers` that do not count.
fn headers_warnings(site: &Path) -> Vec<String> {
    let path = site.join(headers::FILE);
    // One that cannot be read fails where the site is read.
    let Ok(bytes) = std::fs::read(&path) else { return Vec::new() };
    headers::check(&bytes).iter().map(|fault| format!("{}: {fault}", path.display())).collect()
}

fn code(path: &Path, cid: Cid) -> Result<FunctionCode, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("wasm") => Ok(FunctionCode::Component { cid }),
        Some("js" | "mjs") => Ok(FunctionCode::JavaScript { cid }),
        _ => {
            let what = format!("{} is neither .wasm nor .js", path.display());
            Err(Failure::new(1003, Exit::Failure, what)
                .help("a function is a wasi:http component or a JavaScript file"))
        }
    }
}

fn record(function: &Function, code: FunctionCode) -> FunctionRecord {
    FunctionRecord {
        code,
        route: function.route.clone(),
        state: function.state,
        limits: function.limits,
        config: function.config.clone(),
    }
}

/// What an app consisted of and does not any more.
#[derive(Debug)]
#[must_use]
pub(crate) struct Former {
    name: String,
    cids: BTreeSet<Cid>,
}

impl Former {
    /// All that the node keeps as this app's.
    pub(crate) async fn of(client: &Client, app: &AppName) -> Result<Self, Failure> {
        let name = format!("app:{app}");
        let cids = client.pinned(&name).await?.into_iter().collect();
        Ok(Self { name, cids })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cids.is_empty()
    }

    /// To be called when the ledger names what the app is now.
    pub(crate) async fn release(self, client: &Client) -> Result<(), Failure> {
        for cid in &self.cids {
            match client.unpin(cid, &self.name).await {
                // Another deployment of the app was faster.
                Err(failure) if failure.exit() == Exit::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }
}

/// CIDs in one question to the node.
const CIDS_PER_QUESTION_MAX: usize = 10_000;

impl Prepared {
    /// Sends the content that the node lacks and has it kept as the app's, beside what the app was before: that is live
    /// until the ledger says otherwise, and may go then, see [`Former::release`].
    pub(crate) async fn upload(&self, client: &Client, output: Output) -> Result<Former, Failure> {
        let mut former = Former::of(client, &self.desired.record.name).await?;
        let roots: Vec<Cid> = self.contents.iter().map(|content| content.cid).collect();
        keep(client, &former.name, async || {
            self.send(client, output).await?;
            Ok((roots.clone(), ()))
        })
        .await?;
        former.cids.retain(|cid| !roots.contains(cid));
        Ok(former)
    }

    async fn send(&self, client: &Client, output: Output) -> Result<(), Failure> {
        for content in &self.contents {
            let mut complete = true;
            for cids in content.blocks.chunks(CIDS_PER_QUESTION_MAX) {
                complete &= client.missing(cids).await?.is_empty();
            }
            if complete {
                continue;
            }
            let sent = send(content.source.clone(), client, output, &content.what).await?;
            if sent.cid != content.cid {
                let what = format!("{} changed while it was deployed", content.what);
                return Err(Failure::new(1032, Exit::Failure, what));
            }
        }
        Ok(())
    }
}
