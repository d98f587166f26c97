//! `nubes network init`.

use crate::{
    cli::NetworkInit,
    failure::Failure,
    node::network::{Ports, init as write_network},
    output::Output,
};
use serde_json::json;

pub(super) fn init(args: &NetworkInit, output: Output) -> Result<(), Failure> {
    let ports = Ports::Spread { base: args.port_base };
    let nodes = write_network(&args.output, args.validators, ports)?;
    let mut lines =
        vec![format!("made a network of {} validators in {}", nodes.len(), args.output.display())];
    lines.extend(nodes.iter().map(|dir| format!("run: nubes node run {}", dir.display())));
    output.result(&lines.join("\n"), &json!({ "dir": args.output, "nodes": nodes }));
    Ok(())
}
