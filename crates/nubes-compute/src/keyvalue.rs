//! `wasi:keyvalue` on the request's transaction.

use crate::{
    sandbox::Sandbox,
    state::{LimitError, Transaction},
};
use bindings::wasi::keyvalue::{
    atomics, batch,
    store::{self, Error, KeyResponse},
};
use wasmtime::component::{HasSelf, Linker, Resource};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "imports",
        imports: { default: trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
    });
}

/// Keys of one page of `list-keys`.
const PAGE_KEYS_MAX: usize = 1_000;

/// A handle to the app's one store.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Bucket;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// A limit that was met is the guest's to handle.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn refused(limit: LimitError) -> Error {
    Error::Other(limit.to_string())
}

pub(crate) fn add_to_linker(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    atomics::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)?;
    batch::add_to_linker::<_, HasSelf<Sandbox>>(linker, |sandbox| sandbox)
}

impl store::Host for Sandbox {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        if self.transaction.is_none() {
            return Ok(Err(Error::AccessDenied));
        }
        if !matches!(identifier.as_str(), "" | "default") {
            return Ok(Err(Error::NoSuchStore));
        }
        Ok(Ok(self.table().push(Bucket)?))
    }
}

impl store::HostBucket for Sandbox {
    fn get(&mut self, _bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        Ok(self.state(|state| state.get(&key))?.map_err(refused))
    }

    fn set(&mut self, _bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        Ok(self.state(|state| state.set(&key, value))?.map_err(refused))
    }

    fn delete(&mut self, _bucket: Resource<Bucket>, key: String) -> Answer<()> {
        Ok(self.state(|state| state.delete(&key))?.map_err(refused))
    }

    fn exists(&mut self, _bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(self.state(|state| state.get(&key))?.map(|value| value.is_some()).map_err(refused))
    }

    fn list_keys(&mut self, _bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let all = match self.state(|state| state.keys(""))? {
            Ok(all) => all,
            Err(limit) => return Ok(Err(refused(limit))),
        };
        let start = usize::try_from(cursor.unwrap_or_default()).unwrap_or(usize::MAX);
        let keys: Vec<_> = all.iter().skip(start).take(PAGE_KEYS_MAX).cloned().collect();
        let end = start.saturating_add(keys.len());
        let cursor = (end < all.len()).then(|| u64::try_from(end).unwrap_or(u64::MAX));
        Ok(Ok(KeyResponse { keys, cursor }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table().delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Sandbox {
    fn increment(&mut self, _bucket: Resource<Bucket>, key: String, delta: u64) -> Answer<u64> {
        let old = match self.state(|state| state.get(&key))? {
            Ok(old) => old.unwrap_or_default(),
            Err(limit) => return Ok(Err(refused(limit))),
        };
        // Numbers are decimal text, so that every guest can read them.
        let old = match std::str::from_utf8(&old).map(str::parse::<u64>) {
            Ok(Ok(number)) => number,
            Ok(Err(_)) if old.is_empty() => 0,
            _ => return Ok(Err(Error::Other(format!("the value of `{key}` is no number")))),
        };
        let Some(new) = old.checked_add(delta) else {
            return Ok(Err(Error::Other(format!("`{key}` would exceed 64 bits"))));
        };
        let set = self.state(|state| state.set(&key, new.to_string().into_bytes()))?;
        Ok(set.map(|()| new).map_err(refused))
    }
}

impl batch::Host for Sandbox {
    fn get_many(
        &mut self,
        _bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let get = |state: &mut Transaction, key: String| Ok(state.get(&key)?.map(|value| (key, value)));
        let found = self.state(|state| keys.into_iter().map(|key| get(state, key)).collect())?;
        Ok(found.map_err(refused))
    }

    fn set_many(&mut self, _bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let set =
            self.state(|state| pairs.into_iter().try_for_each(|(key, value)| state.set(&key, value)))?;
        Ok(set.map_err(refused))
    }

    fn delete_many(&mut self, _bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let deleted = self.state(|state| keys.iter().try_for_each(|key| state.delete(key)))?;
        Ok(deleted.map_err(refused))
    }
}
