//! One file for each command; each does one thing and says what it did.

mod add;
mod deal;
mod deploy;
mod dev;
mod doctor;
mod fetch;
mod get;
mod invoke;
mod logs;
mod ls;
mod name;
mod network;
mod new;
mod node;
mod pin;
mod provider;
mod rollback;
mod status;
mod store;
mod text;

use crate::{
    cli::{Command, Deal, Name, Network, Node, Provider},
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
        Command::Rollback(args) => block_on(rollback::run(args, output)),
        Command::Status(args) => block_on(status::run(args, output)),
        Command::Logs(args) => block_on(logs::run(args, output)),
        Command::Open(args) => block_on(status::open(args, output)),
        Command::Add(args) => block_on(add::run(args, output)),
        Command::Fetch(args) => block_on(fetch::run(args, output)),
        Command::Pin(args) => block_on(pin::run(args, output)),
        Command::Store(args) => block_on(store::run(args, output)),
        Command::Get(args) => block_on(get::run(args, output)),
        Command::Invoke(args) => block_on(invoke::run(args, output)),
        Command::Ls(args) => block_on(ls::run(args, output)),
        Command::Deal(Deal::Make(args)) => block_on(deal::make(args, output)),
        Command::Deal(Deal::Show(args)) => block_on(deal::show(args, output)),
        Command::Deal(Deal::TopUp(args)) => block_on(deal::top_up(args, output)),
        Command::Deal(Deal::Renew(args)) => block_on(deal::renew(args, output)),
        Command::Deal(Deal::Withdraw(args)) => block_on(deal::withdraw(args, output)),
        Command::Provider(Provider::List(args)) => block_on(provider::list(args, output)),
        Command::Provider(Provider::Status(args)) => block_on(provider::status(args, output)),
        Command::Provider(Provider::Offer(args)) => block_on(provider::offer(args, output)),
        Command::Provider(Provider::Withdraw(args)) => block_on(provider::withdraw(args, output)),
        Command::Name(Name::Show(args)) => block_on(name::show(args, output)),
        Command::Name(Name::Renew(args)) => block_on(name::renew(args, output)),
        Command::Name(Name::Transfer(args)) => block_on(name::transfer(args, output)),
        Command::Name(Name::Set(args)) => block_on(name::set(args, output)),
        Command::Name(Name::Sub(args)) => block_on(name::sub(args, output)),
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
