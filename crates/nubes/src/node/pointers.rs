//! What names of the ledger point to, for `/ipns/NAME.nubes`.
//!
//! The registry gives the name's resolver, and the resolver the content hash (ENSIP-7). `nubes deploy` sets it to the site, and to
//! nothing for an app that has none, so the app's record is not read.

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use async_trait::async_trait;
use cid::Cid;
use nubes_base::port::{CallError, Ledger, Pointer, PointerError, Pointers};
use nubes_contracts::{
    NAME_REGISTRY, NameRegistry, PublicResolver, TOP_LEVEL_NAME,
    contenthash::{self, DecodeError},
    namehash,
};
use std::{error::Error, sync::Arc};

/// [`Pointers`] by the node's own ledger.
#[derive(Debug)]
pub(super) struct LedgerPointers(pub(super) Arc<dyn Ledger>);

#[async_trait]
impl Pointers for LedgerPointers {
    fn owns(&self, name: &str) -> bool {
        name.strip_suffix(TOP_LEVEL_NAME).is_some_and(|rest| rest.ends_with('.'))
    }

    async fn pointer(&self, name: &str) -> Result<Pointer, PointerError> {
        let read = self.read(namehash(name)).await;
        read.map_err(|source| PointerError { name: name.to_owned(), source: source.into() })
    }
}

impl LedgerPointers {
    async fn read(&self, node: B256) -> Result<Pointer, CallError> {
        let resolver = self.ask(NAME_REGISTRY, NameRegistry::resolverCall { node }).await?;
        let Some(resolver) = resolver.filter(|resolver| *resolver != Address::ZERO) else {
            return Ok(Pointer::Nothing);
        };
        let hash = self.ask(resolver, PublicResolver::contenthashCall { node }).await?.unwrap_or_default();
        match contenthash::decode(&hash) {
            Ok(bytes) => Ok(Cid::try_from(bytes).map_or_else(|error| unusable(&error), Pointer::Content)),
            Err(DecodeError::Empty) => Ok(Pointer::Nothing),
            Err(error) => Ok(unusable(&error)),
        }
    }

    /// None: there is no such contract, or it knows no such call.
    async fn ask<C: SolCall + Send>(&self, to: Address, call: C) -> Result<Option<C::Return>, CallError> {
        match self.0.call(to, call.abi_encode().into()).await {
            Ok(answer) => Ok(C::abi_decode_returns(&answer).ok()),
            Err(CallError::Reverted { .. } | CallError::Failed { .. }) => Ok(None),
            Err(error @ CallError::Unreachable { .. }) => Err(error),
        }
    }
}

fn unusable(error: &dyn Error) -> Pointer {
    Pointer::Unusable { what: nubes_base::chain(error) }
}

#[cfg(test)]
mod tests {
    use super::LedgerPointers;
    use alloy_primitives::{Address, Bytes};
    use alloy_sol_types::SolCall;
    use nubes_base::port::{Pointer, Pointers};
    use nubes_contracts::{
        NAME_REGISTRY, NameRegistry, PUBLIC_RESOLVER, PublicResolver, contenthash, namehash,
    };
    use nubes_testkit::ledger::FakeLedger;
    use std::sync::Arc;

    const SITE: &str = "bafybeihs35ckk7chh54ej7a7ooego5ck4zwpwjcg5lbuq3wzdcrjnes6rm";

    struct World {
        ledger: Arc<FakeLedger>,
        pointers: LedgerPointers,
    }

    /// A ledger on which `shop.nubes` and `fix.shop.nubes` have a resolver, and nothing in it.
    fn world() -> World {
        let ledger = Arc::new(FakeLedger::default());
        let none = NameRegistry::resolverCall::abi_encode_returns(&Address::ZERO);
        ledger.set_otherwise(NAME_REGISTRY, none.into());
        for name in ["shop.nubes", "fix.shop.nubes"] {
            let call = NameRegistry::resolverCall { node: namehash(name) }.abi_encode();
            let resolver = NameRegistry::resolverCall::abi_encode_returns(&PUBLIC_RESOLVER);
            ledger.set_answer(NAME_REGISTRY, call.into(), resolver.into());
        }
        let pointers = LedgerPointers(ledger.clone());
        World { ledger, pointers }
    }

    impl World {
        fn set_hash(&self, name: &str, hash: &[u8]) {
            let call = PublicResolver::contenthashCall { node: namehash(name) }.abi_encode();
            let answer = PublicResolver::contenthashCall::abi_encode_returns(&Bytes::copy_from_slice(hash));
            self.ledger.set_answer(PUBLIC_RESOLVER, call.into(), answer.into());
        }

        async fn pointer(&self, name: &str) -> Pointer {
            self.pointers.pointer(name).await.unwrap()
        }
    }

    #[test]
    fn names_below_the_top_level_name_are_the_ledgers() {
        let World { pointers, .. } = world();
        for (name, is_own) in [
            ("shop.nubes", true),
            ("a.b.shop.nubes", true),
            ("nubes", false),
            ("shopnubes", false),
            ("nubes.example", false),
        ] {
            assert_eq!(pointers.owns(name), is_own, "{name}");
        }
    }

    #[tokio::test]
    async fn a_name_points_to_its_content_hash() {
        let world = world();
        assert_eq!(world.pointer("nobody.nubes").await, Pointer::Nothing);
        assert_eq!(world.pointer("shop.nubes").await, Pointer::Nothing);
        let site: cid::Cid = SITE.parse().unwrap();
        world.set_hash("shop.nubes", &contenthash::encode(&site.to_bytes()));
        assert_eq!(world.pointer("shop.nubes").await, Pointer::Content(site));
        assert_eq!(world.pointer("fix.shop.nubes").await, Pointer::Nothing);
        world.set_hash("shop.nubes", &[]);
        assert_eq!(world.pointer("shop.nubes").await, Pointer::Nothing, "an app without a site");
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_told_and_no_answer_is_an_error() {
        let world = world();
        for hash in [&[0xe5, 1, 1][..], &[0xe3, 1, 1, 0x70]] {
            world.set_hash("shop.nubes", hash);
            let pointer = world.pointer("shop.nubes").await;
            assert!(matches!(pointer, Pointer::Unusable { .. }), "{hash:?}: {pointer:?}");
        }
        world.ledger.set_unreachable(true);
        let error = world.pointers.pointer("shop.nubes").await.unwrap_err();
        assert_eq!(error.to_string(), "the ledger does not say what shop.nubes points to");
    }
}
