//! Who signs what a command changes on the ledger: a key, and the node that it is sent through.

use crate::{
    client::NodeInfo,
    failure::{Exit, Failure},
};
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use nubes_base::port::{CallError, Ledger, SubmitError};
use nubes_ledger::RemoteLedger;
use nubes_market::{Account, SendError};
use std::{path::Path, sync::Arc};

/// The mnemonic that every Ethereum development tool uses. Its keys are public: funded on development chains only.
const DEVELOPMENT_MNEMONIC: &str = "test test test test test test test test test test test junk";

/// The key in `file`, or the first development account if the chain funds it.
pub(crate) async fn open(file: Option<&Path>, node: &NodeInfo) -> Result<Account, Failure> {
    let signer = match file {
        Some(file) => read_key(file)?,
        None if node.development => development_account()?,
        None => {
            let what = format!("chain {} is no development chain: a key is needed", node.chain_id);
            return Err(Failure::new(1022, Exit::Denied, what));
        }
    };
    Ok(Account::new(ledger(node).await?, signer))
}

/// The node's ledger, over its JSON-RPC.
pub(crate) async fn ledger(node: &NodeInfo) -> Result<Arc<dyn Ledger>, Failure> {
    let connected = RemoteLedger::connect(&[node.rpc.http.as_str()]).await;
    let what =
        || Failure::new(6002, Exit::Network, format!("the ledger does not answer at {}", node.rpc.http));
    Ok(Arc::new(connected.map_err(|source| what().because(source))?))
}

pub(crate) fn read_key(file: &Path) -> Result<PrivateKeySigner, Failure> {
    let text = std::fs::read_to_string(file).map_err(|source| {
        Failure::new(1022, Exit::NotFound, format!("cannot read the key file {}", file.display()))
            .because(source)
    })?;
    // The parser's own error could quote the key; it is not kept.
    text.trim().parse().map_err(|_| {
        Failure::new(1022, Exit::Failure, format!("{} does not hold a private key in hex", file.display()))
    })
}

/// Why `what` was not done.
pub(crate) fn unsent(what: &str, source: SendError) -> Failure {
    let (code, exit) = match &source {
        SendError::Submit { source: SubmitError::Pending { .. } } => (1019, Exit::TimedOut),
        SendError::Submit { source: SubmitError::Unreachable { .. } }
        | SendError::Prepare { source: CallError::Unreachable { .. } } => (1015, Exit::Network),
        SendError::Sign { .. } => (1022, Exit::Denied),
        _ => (1019, Exit::Failure),
    };
    Failure::new(code, exit, format!("the transaction `{what}` failed")).because(source)
}

fn development_account() -> Result<PrivateKeySigner, Failure> {
    let built = MnemonicBuilder::<English>::default().phrase(DEVELOPMENT_MNEMONIC).build();
    built.map_err(|source| {
        Failure::new(1022, Exit::Failure, "the development account cannot be derived").because(source)
    })
}
