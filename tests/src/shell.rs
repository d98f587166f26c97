//! A person's shell: one command after the other, in the folder and with the variables that the former ones left.

use crate::process::{PATIENCE, binary, interrupt};
use anyhow::{Context, Result, bail};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Goes where the last command was. `$1` is the folder of what is remembered, `$2` the command.
const ENTER: &str = r#". "$1/variables" && cd "$(cat "$1/folder")" || exit 125"#;
/// Types the command and remembers folder and variables, whatever became of it.
const RUN: &str = r#"eval "$2"; left=$?; pwd >"$1/folder"; export -p >"$1/variables"; exit "$left""#;
/// The process is the command itself, so that signals reach it. That takes one program without `&&`, `|` or `;`.
const STAY: &str = r#"eval "exec $2""#;

/// Where commands are typed. Knows nothing of the variables of whoever runs the test.
#[derive(Debug)]
pub struct Shell {
    home: PathBuf,
    memory: PathBuf,
    path: OsString,
    /// Their output is kept open: who writes into a closed one ends.
    staying: Vec<(Child, BufReader<ChildStdout>)>,
}

impl Shell {
    /// A shell in `dir`, with a home folder there, variables, and the built binary as `nubes`.
    pub fn open(dir: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        let (home, memory) = (dir.join("home"), dir.join("memory"));
        std::fs::create_dir_all(&home)?;
        std::fs::create_dir_all(&memory)?;
        std::fs::write(memory.join("folder"), home.to_str().context("paths of tests are UTF-8")?)?;
        let lines = variables.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
        std::fs::write(memory.join("variables"), lines.collect::<String>())?;
        let built = binary()?.parent().context("it is in a folder")?.to_owned();
        let own = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(built).chain(std::env::split_paths(&own)))?;
        Ok(Self { home, memory, path, staying: Vec::new() })
    }

    /// Where the first command is typed.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Types a command and waits for its end.
    pub async fn run(&self, command: &str) -> Result<Output> {
        let run = self.command(RUN, command).output();
        timeout(PATIENCE, run).await.context("the command did not end")?.context("the shell did not start")
    }

    /// Types a command that does not end, and returns what it printed until a line begins with `ready`.
    pub async fn stay(&mut self, command: &str, ready: &str) -> Result<String> {
        let mut child = self.command(STAY, command).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut printed = String::new();
        let wait = async {
            loop {
                let begin = printed.len();
                if output.read_line(&mut printed).await? == 0 {
                    let status = child.wait().await?;
                    bail!("it ended with {status} after\n{printed}");
                }
                if printed[begin..].starts_with(ready) {
                    return Ok(());
                }
            }
        };
        timeout(PATIENCE, wait).await.with_context(|| format!("never printed `{ready}`"))??;
        self.staying.push((child, output));
        Ok(printed)
    }

    /// Ends what stayed, the last first, and expects it to end well.
    pub async fn close(self) -> Result<()> {
        for (mut child, output) in self.staying.into_iter().rev() {
            interrupt(&mut child).await?;
            drop(output);
        }
        Ok(())
    }

    fn command(&self, script: &str, typed: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{ENTER}\n{script}")).arg("guide").arg(&self.memory).arg(typed);
        shell.env_clear().env("PATH", &self.path).env("HOME", &self.home);
        shell.stdin(Stdio::null()).kill_on_drop(true);
        shell
    }
}
