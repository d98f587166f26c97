//! The commands for names, as they are typed.

use super::{Door, Key};
use crate::{
    market::Span,
    names::{Label, LedgerName},
};
use alloy_primitives::Address;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Name {
    /// Show who has a name, until when, and what it says
    Show(NameShow),
    /// Keep a name for longer; anybody may
    Renew(NameRenew),
    /// Give a name to another account
    Transfer(NameTransfer),
    /// Write a text record of a name
    Set(NameSet),
    /// Give the name LABEL.NAME to an account
    Sub(NameSub),
}

#[derive(Debug, Args)]
pub(crate) struct NameShow {
    /// Such as shop or fix.shop.nubes
    pub(crate) name: LedgerName,
    /// Show this text record too; may be repeated
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct NameRenew {
    /// A name right below nubes
    pub(crate) name: LedgerName,
    /// How much longer
    #[arg(long = "for", value_name = "SPAN", default_value = "1y")]
    pub(crate) span: Span,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct NameTransfer {
    pub(crate) name: LedgerName,
    /// Who has it from then on
    pub(crate) address: Address,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct NameSet {
    pub(crate) name: LedgerName,
    /// Such as url or description (ENSIP-5)
    #[arg(value_name = "KEY")]
    pub(crate) key_of_text: String,
    /// An empty value removes the record
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct NameSub {
    pub(crate) name: LedgerName,
    pub(crate) label: Label,
    /// Who gets it [default: who signs]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<Address>,
    /// Do not ask before it is taken from whoever has it
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) key: Key,
    #[command(flatten)]
    pub(crate) door: Door,
}
