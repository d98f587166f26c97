//! Drive the built `nubes` binary as a person does: processes, ports, signals, HTTP. Depends on no Nubes crate.

pub mod guide;
pub mod market;
mod process;
mod rpc;
mod shell;
mod wallet;

pub use market::{Ledger, Storage, is_soak};
pub use process::{Cloud, NodeProcess, binary, free_port_base, nubes, nubes_in, nubes_json, repository};
pub use rpc::Rpc;
pub use shell::Shell;
pub use wallet::Wallet;
