//! Chores of the repository, in Rust, so that they need nothing but cargo to begin with.
//!
//! `rings` is the order of the tests, `tools` what they need besides Rust, `tidy` the rules that no compiler checks.

mod rings;
#[cfg(test)]
mod tidy;
mod tools;

use anyhow::{Context, Result, bail};
use std::{
    ffi::OsStr,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const USAGE: &str = "\
cargo xtask test [RING...]   run all tests, or the named rings of them
cargo xtask soak             the long form of the tests that have one; takes about half an hour
cargo xtask tidy             check the rules that no compiler checks";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", names @ ..] => rings::run(names),
        ["soak"] => rings::soak(),
        ["tidy"] => cargo(&["test", "--package", "xtask"]),
        _ => {
            say(&format!("{USAGE}\n\nrings: {}", rings::names().join(" ")));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The checkout that this program was built in.
fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

fn cargo(args: &[&str]) -> Result<()> {
    run("cargo", args, &repository())
}

/// Runs a command to its end, and shows it first so that a person can repeat it.
fn run<P: AsRef<OsStr>>(program: P, args: &[&str], dir: &Path) -> Result<()> {
    let program = program.as_ref();
    let shown = format!("{} {}", program.display(), args.join(" "));
    say(&format!("\n$ {shown}"));
    let status = Command::new(program).args(args).current_dir(dir).status();
    let status = status.with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Talks to the person; a closed standard error is no reason to stop the tests.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
