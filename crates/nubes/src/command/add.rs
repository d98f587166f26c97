//! `nubes add`.

use crate::{
    cli::Add,
    client::Client,
    deploy::upload::{Source, send},
    failure::Failure,
    output::Output,
};
use nubes_storage::unixfs::Reason;
use serde_json::json;

pub(super) async fn run(args: Add, output: Output) -> Result<(), Failure> {
    let source = Source::at(&args.path)?;
    let client = Client::new(&args.door.node)?;
    let built = send(source, &client, output, "adding").await?;
    for skipped in &built.skipped {
        let why = match skipped.reason {
            Reason::Symlink => "a symbolic link",
            Reason::EmptyDirectory => "an empty folder",
            Reason::Special => "neither file nor folder",
        };
        output.say(&format!("left out {}: {why}", skipped.path.display()));
    }
    let skipped: Vec<_> = built.skipped.iter().map(|skipped| skipped.path.display().to_string()).collect();
    let value = json!({ "cid": built.cid.to_string(), "bytes": built.bytes, "files": built.files, "skipped": skipped });
    output.result(&built.cid.to_string(), &value);
    Ok(())
}
