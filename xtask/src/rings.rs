//! The rings of tests, from the fast no to the slow yes.
//!
//! A ring that fails does not stop the others, so that one run shows everything; only what needs the built binary is
//! left out when there is none.

use crate::{
    cargo, repository, run as command, say,
    tools::{self, Tool},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fmt::Write,
    fs,
    path::Path,
    time::{Duration, Instant},
};

struct Ring {
    name: &'static str,
    needs: &'static [Tool],
    needs_build: bool,
    run: fn() -> Result<()>,
}

const RINGS: [Ring; 8] = [
    Ring { name: "fmt", needs: &[], needs_build: false, run: fmt },
    Ring { name: "clippy", needs: &[Tool::Compiler], needs_build: false, run: clippy },
    Ring { name: "build", needs: &[Tool::Compiler], needs_build: false, run: build },
    Ring {
        name: "rust",
        needs: &[Tool::Compiler, Tool::Nextest, Tool::ObjectServer],
        needs_build: true,
        run: rust,
    },
    Ring { name: "supply", needs: &[Tool::Deny, Tool::Shear], needs_build: false, run: supply },
    Ring { name: "contracts", needs: &[Tool::Node], needs_build: false, run: contracts },
    Ring { name: "clients", needs: &[Tool::Node], needs_build: true, run: clients },
    Ring { name: "browser", needs: &[Tool::Node, Tool::Chromium], needs_build: true, run: browser },
];
/// Test files of the `clients` ring, in `tests/js`.
const CLIENTS: [&str; 10] = [
    "function",
    "viem",
    "ethers",
    "cast-forge",
    "hardhat",
    "gateway",
    "conformance",
    "exchange",
    "kubo-rpc",
    "pinning",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    LeftOut,
}

/// Names of all rings, in their order.
pub(crate) fn names() -> Vec<&'static str> {
    RINGS.iter().map(|ring| ring.name).collect()
}

/// Runs the named rings, or all of them.
pub(crate) fn run(chosen: &[&str]) -> Result<()> {
    if let Some(unknown) = chosen.iter().find(|name| !names().contains(name)) {
        bail!("there is no ring `{unknown}`; there are {}", names().join(", "));
    }
    let rings: Vec<&Ring> =
        RINGS.iter().filter(|ring| chosen.is_empty() || chosen.contains(&ring.name)).collect();
    let needs: Vec<Tool> = rings.iter().flat_map(|ring| ring.needs).copied().collect();
    tools::provide(&needs)?;
    let mut results: Vec<(&str, Duration, Outcome)> = Vec::new();
    for ring in rings {
        let built = !results.iter().any(|(name, _, outcome)| *name == "build" && *outcome != Outcome::Passed);
        let (took, outcome) =
            if ring.needs_build && !built { (Duration::ZERO, Outcome::LeftOut) } else { one(ring) };
        results.push((ring.name, took, outcome));
    }
    say(&table(&results)?);
    let failed: Vec<&str> =
        results.iter().filter(|result| result.2 != Outcome::Passed).map(|result| result.0).collect();
    ensure!(failed.is_empty(), "not passed: {}", failed.join(", "));
    Ok(())
}

/// The long form of what has one: kill loops, random faults, providers that die. Prints the tests' own figures. What is run as a
/// program is the optimised one: an unoptimised provider takes minutes for a piece that it has to make again.
pub(crate) fn soak() -> Result<()> {
    tools::provide(&[Tool::Compiler, Tool::Nextest])?;
    cargo(&["build", "--release"])?;
    let binary = repository().join("target/release/nubes");
    let filter = "test(/providers::|kill::|faults::/)";
    let args = ["nextest", "run", "--workspace", "--profile", "soak", "--no-capture", "-E", filter];
    say(&format!("\n$ NUBES_SOAK=full cargo {}", args.join(" ")));
    let mut soak = std::process::Command::new(Tool::Nextest.program());
    let status = soak
        .args(args)
        .env("NUBES_SOAK", "full")
        .env("NUBES_BIN", binary)
        .current_dir(repository())
        .status()?;
    ensure!(status.success(), "the soak run failed: {status}");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a person reads these seconds; nothing is decided by them")]
fn one(ring: &Ring) -> (Duration, Outcome) {
    say(&format!("\n=== {}", ring.name));
    let start = Instant::now();
    let outcome = match (ring.run)() {
        Ok(()) => Outcome::Passed,
        Err(error) => {
            say(&format!("error: {error:#}"));
            Outcome::Failed
        }
    };
    (start.elapsed(), outcome)
}

fn table(results: &[(&str, Duration, Outcome)]) -> Result<String> {
    let mut text = String::from("\nring        seconds\n");
    for (name, took, outcome) in results {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::LeftOut => "left out: no build",
        };
        writeln!(text, "{name:<10} {:>8.1}  {outcome}", took.as_secs_f64())?;
    }
    let total: Duration = results.iter().map(|result| result.1).sum();
    write!(text, "{:<10} {:>8.1}", "total", total.as_secs_f64())?;
    Ok(text)
}

fn fmt() -> Result<()> {
    cargo(&["fmt", "--all", "--check", "--message-format", "short"])
}

fn clippy() -> Result<()> {
    cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}

fn build() -> Result<()> {
    cargo(&["build", "--locked", "--workspace", "--all-targets"])
}

fn rust() -> Result<()> {
    let args = ["nextest", "run", "--locked", "--workspace", "--profile", "ci"];
    command(Tool::Nextest.program(), &args, &repository())
}

fn supply() -> Result<()> {
    let deny = ["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    let denied = command(Tool::Deny.program(), &deny, &repository());
    let sheared = command(Tool::Shear.program(), &[], &repository());
    denied.and(sheared)
}

fn contracts() -> Result<()> {
    let dir = repository().join("contracts");
    packages(&dir)?;
    let tested = command("npm", &["test"], &dir);
    let fresh = command("npm", &["run", "check"], &dir).context("committed artifacts are stale");
    let gates =
        ["slither", "halmos", "coverage"].map(|gate| command("npm", &["run", gate], &dir).context(gate));
    gates.into_iter().fold(tested.and(fresh), Result::and)
}

/// Kubo is built from source, so it is asked where there is Go.
fn clients() -> Result<()> {
    let mut files = CLIENTS.to_vec();
    if tools::has_go() {
        files.push("kubo");
    } else {
        say("kubo: left out, there is no Go on this machine");
    }
    foreign(&files)
}

fn browser() -> Result<()> {
    foreign(&["browser"])
}

fn foreign(files: &[&str]) -> Result<()> {
    let dir = repository().join("tests/js");
    packages(&dir)?;
    let args: Vec<&str> = ["run.mjs"].into_iter().chain(files.iter().copied()).collect();
    command("node", &args, &dir)
}

/// Installs what the lock file says, unless that is what is there.
fn packages(dir: &Path) -> Result<()> {
    let changed = |file: &str| fs::metadata(dir.join(file)).and_then(|file| file.modified());
    let installed = changed("node_modules/.package-lock.json");
    if installed.is_ok_and(|installed| changed("package-lock.json").is_ok_and(|locked| locked <= installed)) {
        return Ok(());
    }
    command("npm", &["ci"], dir)
}
