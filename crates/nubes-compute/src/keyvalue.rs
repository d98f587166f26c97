//! `wasi:keyvalue` on the request's transaction.

use crate::sandbox::Sandbox;
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
        Ok(Ok(self.state(|state| state.get(&key))?))
    }

    fn set(&mut self, _bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        Ok(Ok(self.state(|state| state.set(&key, value))?))
    }

    fn delete(&mut self, _bucket: Resource<Bucket>, key: String) -> Answer<()> {
        Ok(Ok(self.state(|state| state.delete(&key))?))
    }

    fn exists(&mut self, _bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        Ok(Ok(self.state(|state| state.get(&key))?.is_some()))
    }

    fn list_keys(&mut self, _bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let all = self.state(|state| state.keys(""))?;
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
        let old = self.state(|state| state.get(&key))?.unwrap_or_default();
        // Numbers are decimal text, so that every guest can read them.
        let old = match std::str::from_utf8(&old).map(str::parse::<u64>) {
            Ok(Ok(number)) => number,
            Ok(Err(_)) if old.is_empty() => 0,
            _ => return Ok(Err(Error::Other(format!("the value of `{key}` is no number")))),
        };
        let Some(new) = old.checked_add(delta) else {
            return Ok(Err(Error::Other(format!("`{key}` would exceed 64 bits"))));
        };
        self.state(|state| state.set(&key, new.to_string().into_bytes()))?;
        Ok(Ok(new))
    }
}

impl batch::Host for Sandbox {
    fn get_many(&mut self, _bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.state(|state| state.get(&key))?;
            found.push(value.map(|value| (key, value)));
        }
        Ok(Ok(found))
    }

    fn set_many(&mut self, _bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Answer<()> {
        for (key, value) in pairs {
            self.state(|state| state.set(&key, value))?;
        }
        Ok(Ok(()))
    }

    fn delete_many(&mut self, _bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        for key in keys {
            self.state(|state| state.delete(&key))?;
        }
        Ok(Ok(()))
    }
}
