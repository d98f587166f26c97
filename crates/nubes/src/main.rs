//! `nubes`: the composition root and the command line. Layers are put together in [`node`]; nothing else knows which
//! engine is behind a port.

mod account;
mod cli;
mod client;
mod command;
mod deploy;
mod failure;
mod manifest;
mod market;
mod names;
mod node;
mod output;
mod telemetry;

use clap::Parser;
use cli::Cli;
use mimalloc::MiMalloc;
use output::Output;
use std::process::ExitCode;

/// A request makes some forty small allocations on one thread and frees some of them on another, which the system's
/// allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.shared.json, cli.shared.quiet);
    telemetry::install(&cli.command, cli.shared.json);
    match command::run(cli.command, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let exit = failure.exit();
            output.failure(failure);
            ExitCode::from(exit as u8)
        }
    }
}
