//! Logs to stderr, filtered by `RUST_LOG`; a command that runs a node says more than one that asks it something.

use crate::cli::{Command, Node};
use tracing_subscriber::{EnvFilter, fmt};

/// Quiet libraries, readable nodes.
const NODE_FILTER: &str = "warn,nubes=info,nubes_ledger=info,nubes_storage=info,nubes_compute=info,nubes_dapi=info,nubes_exchange=info";
const COMMAND_FILTER: &str = "error";

pub(crate) fn install(command: &Command, json: bool) {
    let default = match command {
        Command::Node(Node::Run(_)) => NODE_FILTER,
        Command::Dev(_) => {
            "error,nubes=warn,nubes_ledger=warn,nubes_storage=warn,nubes_compute=warn,nubes_dapi=warn,nubes_exchange=warn"
        }
        _ => COMMAND_FILTER,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber is refused only if somebody installed one before; then theirs is used.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
