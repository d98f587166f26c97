//! The command line as it is typed. Parsed once; nobody looks at flags again.

mod market;
mod name;
mod store;

use crate::{failure::Failure, manifest::Manifest, node::storage::Engine};
use clap::{Args, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Parser)]
#[command(
    name = "nubes",
    version,
    about = "The whole cloud in one binary: ledger, storage, functions, sites",
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shared {
    /// Print results, progress and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new app in a folder
    New(New),
    /// Run the whole cloud here and the app on it; rebuild and redeploy on change
    Dev(Dev),
    /// Show what would change on the network, then change it
    Deploy(Deploy),
    /// Make the app again what it was before the last deployment
    Rollback(Rollback),
    /// Show what the app is made of and whether its network is healthy
    Status(OnApp),
    /// Print what the app's functions say
    Logs(Logs),
    /// Open the app in the browser
    Open(OnApp),
    /// Store a file or folder and print its CID
    Add(Add),
    /// Fetch a CID and check it
    Get(Get),
    /// Have the node fetch a CID from IPFS peers; `nubes pin add` has it kept
    Fetch(Fetch),
    /// List what providers keep for this account
    Ls(Ls),
    /// Have providers keep content, for money
    #[command(subcommand)]
    Deal(Deal),
    /// See and change what names on the ledger say
    #[command(subcommand)]
    Name(Name),
    /// See who sells storage, and sell it
    #[command(subcommand)]
    Provider(Provider),
    /// Say what the node keeps
    #[command(subcommand)]
    Pin(Pin),
    /// Look after the node's block store
    #[command(subcommand)]
    Store(Store),
    /// Send one request to a function
    Invoke(Invoke),
    /// Check this machine and the node on it
    Doctor(Doctor),
    /// Explain an error code
    Explain(Explain),
    /// Print the JSON Schema of nubes.toml
    Schema,
    /// Print shell completions
    Completions(Completions),
    /// Make networks
    #[command(subcommand)]
    Network(Network),
    /// Run nodes
    #[command(subcommand)]
    Node(Node),
}

/// Where the node answers.
#[derive(Clone, Debug, Args)]
pub(crate) struct Door {
    /// Front door of the node to talk to
    #[arg(long, env = "NUBES_NODE", default_value = "http://127.0.0.1:8080", value_hint = ValueHint::Url)]
    pub(crate) node: String,
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// Folder to make; its name becomes the app's name
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// What to start from
    #[arg(long, value_enum, default_value_t = Template::Fullstack)]
    pub(crate) template: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Template {
    /// A site and a JavaScript function with state
    Fullstack,
    /// A site alone
    Static,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Folder of the app; without one the cloud runs empty
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// First of the ports: the front door; the others keep their distance from it
    #[arg(long, default_value_t = 8080)]
    pub(crate) port_base: u16,
    /// Where the local network keeps its data [default: .nubes beside nubes.toml]
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Validators of a new local network
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(crate) validators: u8,
    /// Storage providers of a new local network
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=50))]
    pub(crate) providers: u8,
    /// Where blocks are kept: `segments`, or `s3://BUCKET/PREFIX` [default: as before, at first `segments`]
    #[arg(long, value_name = "ENGINE")]
    pub(crate) storage: Option<Engine>,
    /// Print the environment that other tools need, and exit
    #[arg(long)]
    pub(crate) print_env: bool,
    #[command(flatten)]
    pub(crate) names: Names,
}

/// Under which names a node serves, besides `localhost`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Names {
    /// Domain of this node: apps and content get hosts below it; may be repeated
    #[arg(long = "domain", value_name = "DOMAIN", value_hint = ValueHint::Hostname)]
    pub(crate) domains: Vec<String>,
    /// What foreign domains point to, such as `a.example:/ipfs/CID,b.example:/ipns/NAME`
    #[arg(long, value_name = "MAP", env = "IPFS_NS_MAP")]
    pub(crate) dnslink: Option<String>,
    /// Content that is not served: lines of /ipfs/CID or of //HASH as on the badbits list; read again when it changes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) deny: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) app: OnApp,
    #[command(flatten)]
    pub(crate) key: Key,
    /// Deploy without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print the plan and exit
    #[arg(long)]
    pub(crate) plan: bool,
    /// Take the preview down
    #[arg(long, requires = "preview")]
    pub(crate) remove: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) app: OnApp,
    #[command(flatten)]
    pub(crate) key: Key,
    /// CID of the record to go to [default: the one before]
    #[arg(long, value_name = "CID")]
    pub(crate) to: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Who signs.
#[derive(Clone, Debug, Args)]
pub(crate) struct Key {
    /// File with the private key in hex [default: the first development account, on development chains only]
    #[arg(long, env = "NUBES_KEY_FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct OnApp {
    /// Folder of the app
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// A preview beside the live app, at PREVIEW--APP [default: named after the git branch]
    #[arg(long, value_name = "PREVIEW")]
    #[expect(clippy::option_option, reason = "given without a name is something else than not given")]
    pub(crate) preview: Option<Option<String>>,
    #[command(flatten)]
    pub(crate) door: Door,
}

impl OnApp {
    /// The app's manifest; of a preview, with the preview's name.
    pub(crate) fn manifest(&self) -> Result<Manifest, Failure> {
        let manifest = Manifest::find(&self.dir)?;
        match &self.preview {
            None => Ok(manifest),
            Some(named) => manifest.into_preview(named.as_deref()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) app: OnApp,
    /// Keep printing as lines come
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the last lines to print first
    #[arg(long, short = 'n', default_value_t = 100)]
    pub(crate) lines: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// File or folder
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// Do not pin it: the next collection may remove it
    #[arg(long)]
    pub(crate) no_pin: bool,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// CID, or CID/path
    pub(crate) address: String,
    /// Where to write [default: the last part of the address, in this folder]
    #[arg(long, short, value_hint = ValueHint::AnyPath)]
    pub(crate) output: Option<PathBuf>,
    /// Ask the providers of its deals and not the node
    #[arg(long)]
    pub(crate) from_providers: bool,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// CID of a file, folder or any other DAG
    pub(crate) cid: String,
    /// Peer to connect to first, such as /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo…
    #[arg(long = "peer", value_name = "MULTIADDR")]
    pub(crate) peers: Vec<String>,
    #[command(flatten)]
    pub(crate) door: Door,
}

pub(crate) use market::{
    Deal, DealMake, DealRenew, DealShow, DealTopUp, DealWithdraw, Ls, Provider, ProviderList, ProviderOffer,
    ProviderStatus, ProviderWithdraw,
};
pub(crate) use name::{Name, NameRenew, NameSet, NameShow, NameSub, NameTransfer};
pub(crate) use store::{Store, StoreBackup};

#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// Keep a CID and everything below it; what is missing is fetched from peers
    Add(PinAdd),
    /// List what is kept
    Ls(PinLs),
    /// Keep a CID no longer
    Rm(PinRm),
}

#[derive(Debug, Args)]
pub(crate) struct PinAdd {
    /// CID of a file, folder or any other DAG
    pub(crate) cid: String,
    /// What to call it
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct PinLs {
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct PinRm {
    /// A CID that `nubes pin ls` shows
    pub(crate) cid: String,
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// Path and query, such as /api/entries
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) app: OnApp,
    /// Method [default: GET, or POST with --data]
    #[arg(long, short = 'X')]
    pub(crate) method: Option<String>,
    /// Header, `Name: value`
    #[arg(long = "header", short = 'H')]
    pub(crate) headers: Vec<String>,
    /// Body; @FILE reads it from a file, @- from standard input
    #[arg(long, short)]
    pub(crate) data: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) door: Door,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Code, such as NX1001; without one all codes are listed
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// Write the keys, genesis and configuration of a new network
    Init(NetworkInit),
}

#[derive(Debug, Args)]
pub(crate) struct NetworkInit {
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(crate) validators: u8,
    /// Nodes that sell storage
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) providers: u8,
    /// Seconds between two proofs of possession
    #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(10..=2_592_000))]
    pub(crate) period: u64,
    /// Dollars that providers ask for 1 GiB and 30 days
    #[arg(long, default_value_t = 0.01)]
    pub(crate) price: f64,
    /// Folder to write
    #[arg(long, short, default_value = "net", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,
    /// Ports of node N start at this plus ten times N
    #[arg(long, default_value_t = 18_000)]
    pub(crate) port_base: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Run one node until it is told to stop
    Run(NodeRun),
}

#[derive(Debug, Args)]
pub(crate) struct NodeRun {
    /// Folder of the node, as `nubes network init` wrote it
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) names: Names,
}
