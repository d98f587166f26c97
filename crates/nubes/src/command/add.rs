//! `nubes add`.

use crate::{
    cli::Add,
    client::Client,
    deploy::upload::{Source, keep, send},
    failure::Failure,
    output::Output,
};
use nubes_storage::unixfs::Reason;
use serde_json::json;
use std::path::Path;

pub(super) async fn run(args: Add, output: Output) -> Result<(), Failure> {
    let source = Source::at(&args.path)?;
    let client = Client::new(&args.door.node)?;
    let built = if args.no_pin {
        send(source, &client, output, "adding").await?
    } else {
        keep(&client, &pin_name(&args.path), async || {
            let built = send(source.clone(), &client, output, "adding").await?;
            Ok((vec![built.cid], built))
        })
        .await?
    };
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

/// What a file or folder is called; `.` and `/` have a name only when they are resolved, if at all.
fn pin_name(path: &Path) -> String {
    let name = path.file_name().map(std::ffi::OsStr::to_owned);
    let name = name.or_else(|| path.canonicalize().ok()?.file_name().map(std::ffi::OsStr::to_owned));
    name.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
