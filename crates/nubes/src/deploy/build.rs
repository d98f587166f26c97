//! Runs the `build` commands of a manifest.

use crate::{
    failure::{Exit, Failure},
    manifest::Manifest,
    output::Output,
};
use tokio::process::Command;

/// Runs every build command in the app's folder, one after the other, in the order of the file's sections.
pub(crate) async fn run(manifest: &Manifest, output: Output) -> Result<(), Failure> {
    let functions =
        manifest.functions.iter().map(|(name, function)| (format!("function {name}"), &function.build));
    let contracts =
        manifest.contracts.iter().map(|(name, contract)| (format!("contract {name}"), &contract.build));
    let site = manifest.site.iter().map(|site| ("site".to_owned(), &site.build));
    for (what, command) in functions.chain(contracts).chain(site) {
        let Some(command) = command else { continue };
        output.say(&format!("building {what}: {command}"));
        build(manifest, &what, command).await?;
    }
    Ok(())
}

async fn build(manifest: &Manifest, what: &str, command: &str) -> Result<(), Failure> {
    // Its output goes to the person as it is; standard output is for results only.
    let child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(&manifest.dir)
        .stdin(std::process::Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .status();
    let status = child.await.map_err(|source| {
        Failure::new(1016, Exit::Failure, format!("the build of {what} cannot be started")).because(source)
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(1016, Exit::Failure, format!("the build of {what} failed ({status}): {command}")))
}
