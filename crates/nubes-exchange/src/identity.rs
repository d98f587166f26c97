//! Who this node is to its peers: an Ed25519 key in a file, made at the first start.

use libp2p::identity::Keypair;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Why a node has no identity. Errors never quote the file's content.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Check the permissions and the space on the disk.
    #[error("cannot use the key file {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is something else, or damaged. Restore it, or delete it and be another peer from now on.
    #[error("{} holds no peer key", path.display())]
    Malformed { path: PathBuf },
}

/// The key in `path`; a new one if there is no such file.
pub(crate) fn read_or_make(path: &Path) -> Result<Keypair, IdentityError> {
    let failed = |source| IdentityError::Io { path: path.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => Keypair::from_protobuf_encoding(&bytes)
            .map_err(|_| IdentityError::Malformed { path: path.to_owned() }),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let key = Keypair::generate_ed25519();
            let bytes = key.to_protobuf_encoding();
            let bytes = bytes.map_err(|_| IdentityError::Malformed { path: path.to_owned() })?;
            write(path, &bytes).map_err(failed)?;
            Ok(key)
        }
        Err(source) => Err(failed(source)),
    }
}

// Written beside and renamed, so that a crash leaves either none or a whole one, and at no time one that others can read.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{IdentityError, read_or_make};
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_key_is_made_once_and_readable_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/peer.key");
        let first = read_or_make(&path).unwrap();
        let again = read_or_make(&path).unwrap();
        assert_eq!(first.public(), again.public());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn a_draft_that_a_crash_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peer.key");
        fs::write(path.with_extension("new"), "half").unwrap();
        read_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("peer.key");
        fs::write(&path, "c0ffee").unwrap();
        let error = read_or_make(&path).unwrap_err();
        assert!(matches!(error, IdentityError::Malformed { .. }));
        assert!(!format!("{error:?}").contains("c0ffee"));
        assert_eq!(fs::read(&path).unwrap(), b"c0ffee");
    }
}
