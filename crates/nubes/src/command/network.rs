//! `nubes network init`.

use crate::{
    cli::NetworkInit,
    failure::Failure,
    node::network::{Ports, Shape, init as write_network},
    output::Output,
};
use serde_json::json;

pub(super) fn init(args: &NetworkInit, output: Output) -> Result<(), Failure> {
    let shape = Shape {
        validators: args.validators,
        providers: args.providers,
        period_seconds: args.period,
        dollars_per_gib_month: args.price,
        ports: Ports::Spread { base: args.port_base },
    };
    let nodes = write_network(&args.output, &shape)?;
    let mut lines = vec![format!(
        "made a network of {} validators and {} providers in {}",
        args.validators,
        args.providers,
        args.output.display()
    )];
    lines.extend(nodes.iter().map(|dir| format!("run: nubes node run {}", dir.display())));
    output.result(&lines.join("\n"), &json!({ "dir": args.output, "nodes": nodes }));
    Ok(())
}
