//! One file for each command; each does one thing and says what it did.

mod add;
mod deploy;
mod dev;
mod doctor;
mod fetch;
mod get;
mod invoke;
mod logs;
mod network;
mod new;
mod node;
mod status;
mod text;

use crate::{
    cli::{Command, Network, Node},
    failure::{Exit, Failure},
    output::Output,
};
use std::future::Future;

pub(crate) fn run(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::New(args) => new::run(&args, output),
        Command::Explain(args) => text::explain(&args, output),
        Command::Schema => {
            text::schema(output);
            Ok(())
        }
        Command::Completions(args) => {
            text::completions(&args);
            Ok(())
        }
        Command::Network(Network::Init(args)) => network::init(&args, output),
        Command::Dev(args) => block_on(dev::run(args, output)),
        Command::Node(Node::Run(args)) => block_on(node::run(args, output)),
        Command::Deploy(args) => block_on(deploy::run(args, output)),
        Command::Status(args) => block_on(status::run(args, output)),
        Command::Logs(args) => block_on(logs::run(args, output)),
        Command::Open(args) => block_on(status::open(args, output)),
        Command::Add(args) => block_on(add::run(args, output)),
        Command::Fetch(args) => block_on(fetch::run(args, output)),
        Command::Get(args) => block_on(get::run(args, output)),
        Command::Invoke(args) => block_on(invoke::run(args, output)),
        Command::Doctor(args) => block_on(doctor::run(args, output)),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|source| Failure::new(1024, Exit::Failure, "no runtime").because(source))?;
    // Boxed: a command's future holds a whole node and would not fit the main thread's stack.
    runtime.block_on(Box::pin(work))
}
