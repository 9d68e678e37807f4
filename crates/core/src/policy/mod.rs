//! What is promised: which images a policy selects, to which family they belong, where their
//! copies should be, and the RPO.

mod backfill;
mod family;
mod name;
mod pattern;
mod retired;
mod select;
mod shadow;
mod storage_class;

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, de};

pub use self::backfill::Backfill;
pub use self::family::FamilyKey;
pub use self::name::PolicyName;
pub use self::pattern::Pattern;
pub use self::retired::Retired;
pub use self::select::{Exclusion, Selector};
pub use self::shadow::Idle;
pub use self::storage_class::StorageClass;
use crate::ids::{AccountId, Malformed, Region};
use crate::model::{Depth, Image};
use crate::names::{SourceId, VaultId};
use crate::planted::{Bug, has};
use crate::retention::Keep;
use crate::shape::Acceptable;
use crate::span::Span;

/// One `[[policy]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name: a metric label, so 1 to 64 of a-z, 0-9, '-' and '_'.
    pub name: PolicyName,
    /// Which images it protects.
    pub select: Selector,
    /// Which of those images it excludes.
    #[serde(default)]
    pub exclude: Exclusion,
    /// The accounts of the sources it speaks about; empty: all.
    #[serde(default, deserialize_with = "not_empty")]
    pub accounts: Vec<AccountId>,
    /// The Regions of the sources it speaks about; empty: all.
    #[serde(default, deserialize_with = "not_empty")]
    pub regions: Vec<Region>,
    /// What makes images a family.
    pub family: FamilyKey,
    /// Families that must be there, each shown by name in the metrics; all others are shown as one.
    #[serde(default)]
    pub families: Vec<String>,
    /// Regions of which every vault should hold a recovery point of each image.
    #[serde(default)]
    pub target_regions: Vec<Region>,
    /// Further vaults that should hold one.
    #[serde(default, deserialize_with = "vaults")]
    pub vaults: Vec<VaultId>,
    /// How old the newest complete recovery point of a family may be.
    pub rpo: Span,
    /// How many of a family's older images are copied too.
    #[serde(default)]
    pub backfill: Backfill,
    /// Images older than this are left out; `None`: however old they are.
    #[serde(default)]
    pub max_age: Option<Span>,
    /// What a complete recovery point holds.
    #[serde(default)]
    pub tier: Tier,
    /// How long the vault object's Object Lock retention lasts from its copy on; without it the
    /// vault bucket's default decides.
    #[serde(default)]
    pub retention: Option<Span>,
    /// The storage class that the vault object gets at its copy.
    #[serde(default)]
    pub storage_class: StorageClass,
    /// The coldest class to which lifecycle rules of the vault bucket are meant to move it; without it,
    /// none that cannot be read at once.
    #[serde(default)]
    pub lifecycle_class: Option<StorageClass>,
    /// Higher is served first when a quota is scarce.
    #[serde(default)]
    pub priority: i32,
    /// Restore even while EBS encryption by default is off.
    #[serde(default)]
    pub accept_plaintext: bool,
    /// Attributes in which a restored image may differ from its source; the record names them.
    #[serde(default)]
    pub accept_differences: BTreeSet<Acceptable>,
    /// Which complete recovery points `amiferry prune` keeps; without it, all.
    #[serde(default)]
    pub keep: Option<Keep>,
    /// Which of them keep their AMI; without it, all.
    #[serde(default)]
    pub keep_ami: Option<Keep>,
}

/// Stands in the metrics for what the configuration does not name: families that no policy lists,
/// and policies or sources that are no longer configured.
pub const UNNAMED: &str = "_other";

impl Policy {
    /// Whether it speaks about a source's images at all.
    pub fn speaks_of(&self, source: &SourceId) -> bool {
        let account = self.accounts.is_empty() || self.accounts.contains(&source.account);
        account && (self.regions.is_empty() || self.regions.contains(&source.region))
    }

    /// Whether it selects an image of a source, whatever former policies do.
    pub fn selects(&self, source: &SourceId, image: &Image) -> bool {
        self.speaks_of(source) && self.select.selects(image) && !self.exclude.excludes(image)
    }

    /// Whether a vault should hold a recovery point of each image that it governs.
    pub fn covers(&self, vault: &VaultId) -> bool {
        self.target_regions.contains(&vault.region) || self.vaults.contains(vault)
    }

    /// How deep in an archive the vault object may be by the owner's will; `None`: it is to be read at
    /// once.
    pub fn depth(&self) -> Option<Depth> {
        self.storage_class.depth().max(self.lifecycle_class.and_then(StorageClass::depth))
    }

    /// The families that the configuration names: those that are listed, and a fixed one. One of
    /// them without any image is a broken promise and not an empty one.
    pub fn named_families(&self) -> impl Iterator<Item = &str> {
        let fixed = match &self.family {
            FamilyKey::Fixed(name) => Some(name.as_str()),
            FamilyKey::Tag(_) | FamilyKey::Instance => None,
        };
        self.families.iter().map(String::as_str).chain(fixed)
    }
}

/// A list that, where it is given, names something: an empty one would mean all.
fn not_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let named = Vec::<T>::deserialize(deserializer)?;
    if named.is_empty() {
        return Err(de::Error::custom("an empty list names none: leave the key out for all"));
    }
    Ok(named)
}

/// Vaults as `account/region`.
fn vaults<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VaultId>, D::Error> {
    // Each by itself, so that a mistake is shown at its place.
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Named(VaultId);

    impl TryFrom<String> for Named {
        type Error = Malformed;

        fn try_from(text: String) -> Result<Self, Malformed> {
            text.parse().map(Self)
        }
    }

    let named = Vec::<Named>::deserialize(deserializer)?;
    Ok(named.into_iter().map(|Named(vault)| vault).collect())
}

/// What a complete recovery point holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The `.bin` rests in the vault.
    Archive,
    /// It is also restored as an AMI.
    #[default]
    Ready,
}

impl Tier {
    /// The name in configuration, tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Ready => "ready",
        }
    }
}

/// All policies, in the order of the file: the first that selects an image governs it. With them the
/// families that are retired: see [`Retired`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies(pub Vec<Policy>, pub Vec<Retired>);

impl Policies {
    /// The policy that governs an image of a source, if any.
    pub fn governing(&self, source: &SourceId, image: &Image) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.selects(source, image) || has(Bug::PolicyForAll))
    }

    /// The policy of that name.
    pub fn named(&self, name: &str) -> Option<&Policy> {
        self.0.iter().find(|policy| policy.name.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
