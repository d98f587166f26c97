//! What the node promises to keep: its pins, and the two APIs through which other tools make them.
//!
//! | path | for | who may call |
//! |---|---|---|
//! | `/api/v1/pins` | the command line | whoever reaches the door |
//! | `/api/v0` | tools for Kubo's RPC | whoever reaches the door and is no browser |
//! | `/psa` | tools for the Pinning Service API | who has the token in `psa.token` |
//!
//! The token is made at the first start, readable by the owner of the folder only, and never shown.

use super::gateway::UPLOAD_BYTES_MAX;
use crate::failure::{Exit, Failure};
use async_trait::async_trait;
use cid::Cid;
use nubes_base::Clock;
use nubes_dapi::Mount;
use nubes_exchange::{DagError, DagLimits, Exchange, FetchError as ExchangeError, PeerInfo};
use nubes_storage::{
    Gateway, Store, kubo,
    pins::{
        self, ConnectError, FetchError, Mode, NoPeers, OwnAddress, Peer, Peers, Pinner, Pins, service,
        service::Token,
    },
};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

const TOKEN_FILE: &str = "psa.token";
const TOKEN_BYTES: usize = 32;
/// For how long a single block is asked for.
const BLOCK_PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn open(
    data: &Path,
    store: &Store,
    exchange: Option<&Exchange>,
    clock: Arc<dyn Clock>,
) -> Result<Pinner, Failure> {
    let pins = Pins::open(&data.join("storage/pins.redb"), Arc::clone(&clock));
    let pins = pins
        .map_err(|source| Failure::new(3043, Exit::Failure, "the pins cannot be opened").because(source))?;
    let peers: Arc<dyn Peers> = match exchange {
        Some(exchange) => Arc::new(ExchangePeers(exchange.clone())),
        None => Arc::new(NoPeers),
    };
    Ok(Pinner::new(pins, store.clone(), peers, clock))
}

pub(super) fn mounts(data: &Path, pinner: &Pinner, gateway: &Gateway) -> Result<Vec<Mount>, Failure> {
    let token = token(&data.join(TOKEN_FILE)).map_err(|source| {
        let what = format!("the token in {} cannot be used", data.join(TOKEN_FILE).display());
        Failure::new(3045, Exit::Failure, what).because(source)
    })?;
    let about = kubo::About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        folder: data.join("storage"),
        upload_bytes_max: UPLOAD_BYTES_MAX,
    };
    Ok(vec![
        Mount::new("/api/v1/pins", pins::routes(pinner.clone())),
        Mount::new("/api/v0", kubo::routes(pinner.clone(), gateway.clone(), about)),
        Mount::new("/psa", service::routes(pinner.clone(), token)),
    ])
}

/// The token in the file, which is made if it is not there.
fn token(path: &Path) -> io::Result<Token> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text.trim().to_owned(),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => make_token(path)?,
        Err(source) => return Err(source),
    };
    Token::new(text).map_err(io::Error::other)
}

// Written beside and renamed, so that a crash leaves either none or a whole one, and at no time one that others can read.
fn make_token(path: &Path) -> io::Result<String> {
    let text = hex::encode(rand::random::<[u8; TOKEN_BYTES]>());
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(draft, path)?;
    Ok(text)
}

/// The exchange as the storage layer knows it.
#[derive(Clone, Debug)]
struct ExchangePeers(Exchange);

#[async_trait]
impl Peers for ExchangePeers {
    async fn fetch(&self, root: &Cid, mode: Mode) -> Result<(), FetchError> {
        match mode {
            Mode::Recursive => {
                let fetched = self.0.fetch_dag(*root, DagLimits::STANDARD, &|_| {}).await;
                fetched.map(|_| ()).map_err(|error| not_fetched(*root, error))
            }
            Mode::Direct => {
                let fetched = self.0.fetch(root, BLOCK_PATIENCE).await;
                fetched.map(|_| ()).map_err(|error| not_fetched(*root, error.into()))
            }
        }
    }

    async fn connect(&self, address: &str) -> Result<String, ConnectError> {
        let connected = self.0.connect(address).await;
        connected.map_err(|source| ConnectError { address: address.to_owned(), source: source.into() })
    }

    async fn connected(&self) -> Vec<Peer> {
        let peer = |PeerInfo { id, address, agent }| Peer { id, address, agent };
        self.0.peers().await.into_iter().map(peer).collect()
    }

    fn own(&self) -> Option<OwnAddress> {
        Some(OwnAddress { id: self.0.peer_id(), addresses: self.0.addresses() })
    }
}

fn not_fetched(cid: Cid, error: DagError) -> FetchError {
    let is_final = match &error {
        DagError::Malformed { .. } | DagError::TooLarge { .. } => true,
        // A full disk may have room tomorrow, and a node that stops starts again.
        DagError::Fetch(
            ExchangeError::NotFound { .. }
            | ExchangeError::Busy
            | ExchangeError::Read(_)
            | ExchangeError::Put(_)
            | ExchangeError::Stopped,
        ) => false,
    };
    let source = error.into();
    if is_final { FetchError::Refused { cid, source } } else { FetchError::NotFound { cid, source } }
}

#[cfg(test)]
mod tests {
    use super::token;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_token_is_made_once_and_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("psa.token");
        fs::write(path.with_extension("new"), "half").unwrap();
        let first = token(&path).unwrap();
        assert_eq!(first, token(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn a_token_that_is_too_short_is_refused_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("psa.token");
        fs::write(&path, "secret\n").unwrap();
        let error = token(&path).unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
        assert_eq!(fs::read(&path).unwrap(), b"secret\n");
    }
}
