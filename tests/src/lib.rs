//! Drive the built `nubes` binary as a person does: processes, ports, signals, HTTP. Depends on no Nubes crate.

mod process;
mod rpc;
mod wallet;

pub use process::{Cloud, NodeProcess, binary, free_port_base, nubes, repository};
pub use rpc::Rpc;
pub use wallet::Wallet;
