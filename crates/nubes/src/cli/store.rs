//! `nubes store`, as it is typed.

use super::Door;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Print what the store holds and what it may hold
    Status(OnStore),
    /// Remove what no pin keeps and give its room back
    Collect(OnStore),
    /// Read every block and compare it with its CID
    Check(OnStore),
    /// Copy the blocks, the pins and the records of names into a new folder
    Backup(StoreBackup),
}

#[derive(Debug, Args)]
pub(crate) struct OnStore {
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct StoreBackup {
    /// Folder on the node's machine; it has to be empty or not there
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) door: Door,
}
