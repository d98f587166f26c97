//! Reads the creation code out of what Solidity tools write.

use crate::failure::{Exit, Failure};
use alloy_primitives::{Bytes, hex};
use serde_json::Value;
use std::path::Path;

/// Largest artifact that is read.
const ARTIFACT_BYTES_MAX: u64 = 16 << 20;
/// EIP-3860.
const CREATION_BYTES_MAX: usize = 49_152;

/// Creation code of the artifact at `path`: forge and Nubes (`bytecode.object`), hardhat (`bytecode`), or solc's
/// standard JSON (`evm.bytecode.object`).
pub(crate) fn creation_code(path: &Path) -> Result<Bytes, Failure> {
    let refuse = |what: &str| Failure::new(1017, Exit::Failure, format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|source| refuse("cannot be read").because(source))?.len();
    if size > ARTIFACT_BYTES_MAX {
        return Err(refuse("is too large for an artifact"));
    }
    let text = std::fs::read(path).map_err(|source| refuse("cannot be read").because(source))?;
    let json: Value =
        serde_json::from_slice(&text).map_err(|source| refuse("is not JSON").because(source))?;
    let places = ["/bytecode/object", "/bytecode", "/evm/bytecode/object"];
    let code = places.iter().find_map(|place| json.pointer(place).and_then(Value::as_str));
    let code = code.ok_or_else(|| refuse("has no bytecode"))?;
    if code.contains("__") {
        return Err(refuse("needs libraries to be linked first"));
    }
    let code = hex::decode(code).map_err(|source| refuse("its bytecode is not hex").because(source))?;
    if code.is_empty() {
        return Err(refuse("its bytecode is empty; an interface or an abstract contract cannot be deployed"));
    }
    if code.len() > CREATION_BYTES_MAX {
        return Err(refuse("its creation code is larger than EIP-3860 allows"));
    }
    Ok(code.into())
}

#[cfg(test)]
mod tests {
    use super::creation_code;

    #[track_caller]
    fn check(json: &str, expect: Result<&[u8], &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("A.json");
        std::fs::write(&path, json).unwrap();
        match (creation_code(&path), expect) {
            (Ok(code), Ok(expect)) => assert_eq!(code.as_ref(), expect),
            (Err(failure), Err(expect)) => assert!(failure.to_string().contains(expect), "{failure}"),
            (got, expect) => panic!("{got:?} is not {expect:?}"),
        }
    }

    #[test]
    fn all_tools_artifacts_are_read() {
        check(r#"{"bytecode":{"object":"0x6001"}}"#, Ok(&[0x60, 1]));
        check(r#"{"bytecode":"0x6001"}"#, Ok(&[0x60, 1]));
        check(r#"{"evm":{"bytecode":{"object":"6001"}}}"#, Ok(&[0x60, 1]));
    }

    #[test]
    fn what_cannot_be_deployed_is_refused() {
        check("{", Err("is not JSON"));
        check("{}", Err("has no bytecode"));
        check(r#"{"bytecode":"0x"}"#, Err("is empty"));
        check(r#"{"bytecode":"0x__$lib$__"}"#, Err("libraries"));
        check(r#"{"bytecode":"0xzz"}"#, Err("not hex"));
        check(&format!(r#"{{"bytecode":"{}"}}"#, "60".repeat(49_153)), Err("EIP-3860"));
    }
}
