//! The keys that a vault names, and those of what it holds.

use std::collections::BTreeMap;

use super::{DefaultEncryption, Observed, Vault};
use crate::ids::Arn;
use crate::model::KeyVerdict;

impl DefaultEncryption {
    /// The key, where EC2 tells one.
    pub fn key(&self) -> Option<&Arn> {
        match self {
            Self::With(key, _) => Some(key),
            Self::Off | Self::NotTold(_) => None,
        }
    }
}

impl Vault {
    /// What is known of the two keys that it names.
    pub fn verdicts(&self) -> BTreeMap<Arn, KeyVerdict> {
        let default = match &self.default_encryption {
            DefaultEncryption::With(key, verdict) => Some((key.clone(), verdict.clone())),
            DefaultEncryption::Off | DefaultEncryption::NotTold(_) => None,
        };
        [(self.key.clone(), self.key_verdict.clone())].into_iter().chain(default).collect()
    }
}

impl Observed {
    /// The KMS keys of what the vault holds of it.
    pub fn kept_keys(&self) -> impl Iterator<Item = &str> {
        let of_object = self.object.iter().filter_map(|object| object.key.as_deref());
        of_object.chain(self.snapshots.iter().filter_map(|snapshot| snapshot.key.as_deref()))
    }
}
