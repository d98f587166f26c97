//! Who validates, and with which keys.
//!
//! A validator has two keys: an Ed25519 identity for the network, and a share of the committee's BLS key. The group key
//! (96 bytes) is all that a light client needs.

use bytes::Bytes;
use commonware_codec::{DecodeExt as _, Encode as _, Read as _};
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt::deal,
        primitives::{
            group::Share,
            sharing::{Mode, ModeVersion, Sharing},
            variant::MinSig,
        },
    },
    ed25519::{PrivateKey, PublicKey},
};
use commonware_utils::{
    N3f1, NZU32, TryCollect as _,
    ordered::{Quorum as _, Set},
};
use rand::{SeedableRng as _, rngs::StdRng};
use std::{fmt, net::SocketAddr, num::NonZeroU32};

/// Most seats in a committee.
pub const VALIDATORS_MAX: u32 = 100;
const SEATS_MAX: NonZeroU32 = NZU32!(100);

/// A validator's network identity: 32 bytes of an Ed25519 public key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(pub(crate) PublicKey);

impl Identity {
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.encode().to_vec()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        PublicKey::decode(bytes.to_vec()).map(Self).map_err(|source| KeyError { what: "identity", source })
    }
}

/// A validator's secrets. Neither printed nor compared.
#[derive(Clone)]
pub struct ValidatorKeys {
    pub(crate) signer: PrivateKey,
    pub(crate) share: Share,
}

impl fmt::Debug for ValidatorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatorKeys").field("identity", &self.signer.public_key()).finish_non_exhaustive()
    }
}

impl ValidatorKeys {
    pub fn identity(&self) -> Identity {
        Identity(self.signer.public_key())
    }

    /// Both secrets, for a file that only its owner reads.
    pub fn to_secret_bytes(&self) -> Vec<u8> {
        [self.signer.encode().as_ref(), self.share.encode().as_ref()].concat()
    }

    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut rest = Bytes::copy_from_slice(bytes);
        let error = |source| KeyError { what: "validator key", source };
        let signer = PrivateKey::read_cfg(&mut rest, &()).map_err(error)?;
        let share = Share::read_cfg(&mut rest, &()).map_err(error)?;
        if !rest.is_empty() {
            return Err(error(commonware_codec::Error::ExtraData(rest.len())));
        }
        Ok(Self { signer, share })
    }
}

/// The public side of a committee: its members, and the polynomial behind their shares.
#[derive(Clone, Debug)]
pub struct Committee {
    pub(crate) members: Set<PublicKey>,
    pub(crate) sharing: Sharing<MinSig>,
}

impl Committee {
    pub fn members(&self) -> Vec<Identity> {
        self.members.iter().cloned().map(Identity).collect()
    }

    /// The public polynomial, as text files keep it.
    pub fn sharing_bytes(&self) -> Vec<u8> {
        self.sharing.encode().to_vec()
    }

    /// The group key, 96 bytes: verifies every certificate of this committee and its successors.
    pub fn group_key(&self) -> Vec<u8> {
        self.sharing.public().encode().to_vec()
    }

    pub fn new(members: &[Identity], sharing: &[u8]) -> Result<Self, CommitteeError> {
        let mut rest = Bytes::copy_from_slice(sharing);
        let sharing = Sharing::<MinSig>::read_cfg(&mut rest, &(SEATS_MAX, ModeVersion::v0()))
            .map_err(|source| KeyError { what: "sharing", source })?;
        if !rest.is_empty() {
            return Err(
                KeyError { what: "sharing", source: commonware_codec::Error::ExtraData(rest.len()) }.into()
            );
        }
        let count = members.len();
        let members: Set<PublicKey> = members
            .iter()
            .map(|member| member.0.clone())
            .try_collect()
            .map_err(|_| CommitteeError::Duplicate)?;
        let seats = usize::try_from(sharing.total().get()).unwrap_or(usize::MAX);
        if seats != count {
            return Err(CommitteeError::Seats { seats, members: count });
        }
        let (required, quorum) = (sharing.required(), members.quorum::<N3f1>());
        if required != quorum {
            return Err(CommitteeError::Threshold { required, quorum });
        }
        Ok(Self { members, sharing })
    }
}

/// A member's address, for the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub identity: Identity,
    pub address: SocketAddr,
}

/// The bytes are no key of this kind.
#[derive(Debug, thiserror::Error)]
#[error("not a valid {what}")]
pub struct KeyError {
    what: &'static str,
    #[source]
    source: commonware_codec::Error,
}

#[derive(Debug, thiserror::Error)]
pub enum CommitteeError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("a validator is listed twice")]
    Duplicate,
    #[error("the sharing has {seats} seats for {members} members")]
    Seats { seats: usize, members: usize },
    #[error("{required} shares make a signature, but {quorum} must")]
    Threshold { required: u32, quorum: u32 },
    #[error("a committee has 1 to {VALIDATORS_MAX} members, not {0}")]
    Size(u32),
    #[error("the dealer failed")]
    Deal,
}

/// Makes the keys of a new committee of `validators`.
///
/// A trusted dealer: whoever runs this has seen every share. Good for a network that one person sets up; a network of
/// strangers needs distributed key generation, which is not here yet. `seed` must come from the system's entropy.
pub fn deal_committee(
    validators: u32,
    seed: [u8; 32],
) -> Result<(Committee, Vec<ValidatorKeys>), CommitteeError> {
    if !(1..=VALIDATORS_MAX).contains(&validators) {
        return Err(CommitteeError::Size(validators));
    }
    let mut rng = StdRng::from_seed(seed);
    let signers: Vec<PrivateKey> =
        (0..validators).map(|_| <PrivateKey as commonware_math::algebra::Random>::random(&mut rng)).collect();
    let members: Set<PublicKey> = signers
        .iter()
        .map(commonware_cryptography::Signer::public_key)
        .try_collect()
        .map_err(|_| CommitteeError::Duplicate)?;
    let (output, shares) = deal::<MinSig, _, N3f1>(&mut rng, Mode::NonZeroCounter, members.clone())
        .map_err(|_| CommitteeError::Deal)?;
    let keys = signers.into_iter().map(|signer| {
        let share = shares.get_value(&signer.public_key()).cloned().ok_or(CommitteeError::Deal)?;
        Ok(ValidatorKeys { signer, share })
    });
    let keys = keys.collect::<Result<Vec<_>, CommitteeError>>()?;
    Ok((Committee { members, sharing: output.public().clone() }, keys))
}
