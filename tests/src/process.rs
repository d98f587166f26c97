//! Processes of the built binary, each with its own folder and ports.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A debug build of the binary on a busy machine needs this long at worst.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// Ports that one cloud may take, counted from its base.
const PORTS_PER_CLOUD: u16 = 600;

/// Root of the checkout.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// The binary that `NUBES_BIN` names, else the one that the workspace build made, beside this test's own executable.
pub fn binary() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("NUBES_BIN") {
        return Ok(chosen.into());
    }
    let this = std::env::current_exe()?;
    let found = this.ancestors().map(|folder| folder.join("nubes")).find(|path| path.is_file());
    found.context("no nubes binary: build the workspace first")
}

/// Runs one command to its end.
pub async fn nubes(dir: &Path, args: &[&str]) -> Result<Output> {
    nubes_in(dir, args, &[]).await
}

/// The same with variables in its environment.
pub async fn nubes_in(dir: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command.envs(environment.iter().copied());
    let run = command.args(args).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(PATIENCE, run).await.context("the command did not end")?.context("the command did not start")
}

/// Runs one command that prints JSON, and expects it to do what it should.
pub async fn nubes_json(dir: &Path, args: &[&str]) -> Result<Value> {
    let output = nubes(dir, &[args, &["--json"]].concat()).await?;
    let error = || String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "nubes {}: {}", args.join(" "), error());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A range of ports that no other test of this process uses and that is free now.
pub fn free_port_base() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes of one test run start at different places, so that they do not race for the same ports.
    let offset = u16::try_from(std::process::id() % 20)? * PORTS_PER_CLOUD;
    for _ in 0..80 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) * PORTS_PER_CLOUD;
        // Below the ports that the system gives to clients: a killed node must find its own free again.
        let base = 20_000 + (offset + step) % 12_000;
        let ports = [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 40, 41, 50, 51, 52, 465];
        if ports.iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, base + port)).is_ok()) {
            return Ok(base);
        }
    }
    bail!("no free range of ports")
}

/// A running process that prints a ready line as JSON.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What the ready line said.
    pub ready: Value,
}

impl NodeProcess {
    /// Starts the binary and waits for its ready line.
    pub async fn start(dir: &Path, args: &[&str]) -> Result<Self> {
        Self::start_in(dir, args, &[]).await
    }

    /// The same with variables in its environment.
    pub async fn start_in(dir: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let mut process = Self::spawn(dir, args, environment)?;
        let ready = timeout(PATIENCE, ready_line(&mut process.lines)).await;
        process.ready = ready.context("not ready in time")??;
        Ok(process)
    }

    /// Starts the binary, which prints lines of JSON and has no ready line.
    pub fn follow(dir: &Path, args: &[&str]) -> Result<Self> {
        Self::spawn(dir, args, &[])
    }

    fn spawn(dir: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.envs(environment.iter().copied());
        command.args(args).arg("--json").current_dir(dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), ready: Value::Null })
    }

    /// The next line that the process prints, as JSON.
    pub async fn next_line(&mut self) -> Result<Value> {
        let line =
            timeout(PATIENCE, self.lines.next_line()).await.context("nothing was printed in time")??;
        Ok(serde_json::from_str(&line.context("the process closed its output")?)?)
    }

    /// Its number in the system, as long as it runs.
    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("the process has ended already")
    }

    /// `kill -9`: no handler runs, nothing is flushed.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill")
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        interrupt(&mut self.child).await
    }
}

/// Ctrl-C, and the wait for a good end.
pub(crate) async fn interrupt(child: &mut Child) -> Result<()> {
    let pid = child.id().context("the process has ended already")?;
    let asked = Command::new("kill").args(["-INT", &pid.to_string()]).status().await?;
    ensure!(asked.success(), "cannot signal {pid}");
    let status = timeout(STOP_TIMEOUT, child.wait()).await.context("did not stop in time")??;
    ensure!(status.success(), "stopped with {status}");
    Ok(())
}

async fn ready_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Value> {
    while let Some(line) = lines.next_line().await? {
        let value: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        if value["ready"] == true {
            return Ok(value);
        }
    }
    bail!("the process ended before it was ready")
}

/// `nubes dev` on a data folder of its own.
#[derive(Debug)]
pub struct Cloud {
    pub process: NodeProcess,
    pub port_base: u16,
}

impl Cloud {
    /// Starts `nubes dev APP`; `data` keeps the network between two starts.
    pub async fn start(app: Option<&Path>, data: &Path, port_base: u16) -> Result<Self> {
        let port = port_base.to_string();
        let data = data.to_str().context("paths of tests are UTF-8")?;
        let mut args = vec!["dev"];
        args.extend(app.and_then(Path::to_str));
        args.extend(["--port-base", &port, "--data-dir", data]);
        let process = NodeProcess::start(&repository(), &args).await?;
        Ok(Self { process, port_base })
    }

    /// Address of the front door, by number: names of apps go into the Host header.
    pub fn door(&self) -> String {
        format!("http://127.0.0.1:{}", self.port_base)
    }

    pub fn rpc(&self) -> Result<super::Rpc> {
        let url = self.process.ready["rpc"].as_str().context("the ready line names the RPC")?;
        Ok(super::Rpc::new(url))
    }
}
