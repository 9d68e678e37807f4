//! Names in AWS that are derived and therefore found again: keys, image names, tags.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, ImageId, Malformed, ObjectKey, Region};
use crate::planted::{Bug, has};

/// A source: an account and Region whose images are protected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// A vault: an account and Region that holds copies. Two accounts in one Region are two vaults.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VaultId {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl FromStr for VaultId {
    type Err = Malformed;

    /// Reads `account/region`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("a vault", "account/region", text);
        let (account, region) = text.split_once('/').ok_or_else(malformed)?;
        let account = account.parse().map_err(|_| malformed())?;
        let region = region.parse().map_err(|_| malformed())?;
        Ok(Self { account, region })
    }
}

/// One source image in one vault: the unit of all work and of every promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecoveryPointId {
    /// The account whose image it is.
    pub source_account: AccountId,
    /// The image's Region.
    pub source_region: Region,
    /// The image.
    pub source_image_id: ImageId,
    /// The vault account.
    pub target_account: AccountId,
    /// The vault's Region.
    pub target_region: Region,
}

impl RecoveryPointId {
    /// The source that has the image.
    pub fn source(&self) -> SourceId {
        SourceId { account: self.source_account.clone(), region: self.source_region.clone() }
    }

    /// The vault that holds its copy.
    pub fn vault(&self) -> VaultId {
        VaultId { account: self.target_account.clone(), region: self.target_region.clone() }
    }
}

impl fmt::Display for RecoveryPointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source_account, source_region, source_image_id, .. } = self;
        let Self { target_account, target_region, .. } = self;
        write!(f, "{source_account}/{source_region}/{source_image_id}")?;
        write!(f, ">{target_account}/{target_region}")
    }
}

/// Tag keys on restored images and snapshots, given at creation.
pub mod tag {
    /// `true` on everything that amiferry made.
    pub const MANAGED: &str = "amiferry:managed";
    /// The source account.
    pub const SOURCE_ACCOUNT: &str = "amiferry:source-account";
    /// The source Region.
    pub const SOURCE_REGION: &str = "amiferry:source-region";
    /// The source image's id.
    pub const SOURCE_IMAGE: &str = "amiferry:source-image";
    /// The source image's creation time.
    pub const SOURCE_CREATED: &str = "amiferry:source-created";
    /// The source image's name, which the restored one cannot keep.
    pub const SOURCE_NAME: &str = "amiferry:source-name";
    /// The policy that governed it.
    pub const POLICY: &str = "amiferry:policy";
    /// Its family.
    pub const FAMILY: &str = "amiferry:family";
    /// Where its manifest will be.
    pub const MANIFEST: &str = "amiferry:manifest";
    /// What all our keys begin with; a source image that carries such keys does not pass them on.
    pub const PREFIX: &str = "amiferry:";
}

/// What all keys under a configured prefix begin with: nothing when there is no prefix.
pub fn folder(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}/") }
}

fn under(prefix: &str, rest: &str) -> Result<ObjectKey, Malformed> {
    format!("{}{rest}", folder(prefix)).parse()
}

/// The path in the staging bucket that a store task of this Region gets.
pub fn staging_path(prefix: &str, region: &Region) -> String {
    format!("{}{region}", folder(prefix))
}

/// The key that a store task gives the staged object.
///
/// # Errors
/// A prefix that makes the key longer than S3 allows.
pub fn staged_key(prefix: &str, region: &Region, image: &ImageId) -> Result<ObjectKey, Malformed> {
    under(prefix, &format!("{region}/{image}.bin"))
}

/// The keys of one recovery point in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultKeys {
    /// The `.bin`.
    pub image: ObjectKey,
    /// The manifest beside it.
    pub manifest: ObjectKey,
}

impl VaultKeys {
    /// The keys of a recovery point under a vault's prefix.
    ///
    /// # Errors
    /// A prefix that makes a key longer than S3 allows.
    pub fn of(prefix: &str, id: &RecoveryPointId) -> Result<Self, Malformed> {
        let RecoveryPointId { source_account, source_region, source_image_id, .. } = id;
        let folder = format!("{source_account}/{source_region}/{source_image_id}");
        Ok(Self {
            image: under(prefix, &format!("{folder}/image.bin"))?,
            manifest: under(prefix, &format!("{folder}/manifest.json"))?,
        })
    }
}

/// The recovery point that a key in the vault belongs to; `None` for any other key.
pub fn vault_owner(prefix: &str, vault: &VaultId, key: &ObjectKey) -> Option<RecoveryPointId> {
    let rest = match prefix {
        "" => key.as_str(),
        prefix => key.as_str().strip_prefix(prefix)?.strip_prefix('/')?,
    };
    let fields: Vec<&str> = rest.split('/').collect();
    let [account, region, image, "image.bin" | "manifest.json"] = fields.as_slice() else {
        return None;
    };
    Some(RecoveryPointId {
        source_account: account.parse().ok()?,
        source_region: region.parse().ok()?,
        source_image_id: image.parse().ok()?,
        target_account: vault.account.clone(),
        target_region: vault.region.clone(),
    })
}

/// How often a restore that failed is tried anew, each time under the next name.
pub const RESTORE_GENERATIONS: u32 = 3;

/// The name of the restored image: unique in account and Region, so EC2 itself refuses a second
/// restore. A later generation exists only when the earlier image failed.
pub fn restored_name(id: &RecoveryPointId, generation: u32) -> String {
    let RecoveryPointId { source_account, source_region, source_image_id, .. } = id;
    let first = format!("amiferry/{source_account}/{source_region}/{source_image_id}");
    if generation <= 1 { first } else { format!("{first}/{generation}") }
}

/// All names that a restore of this recovery point may have.
pub fn restored_names(id: &RecoveryPointId) -> Vec<String> {
    let last = if has(Bug::FirstNameOnly) { 1 } else { RESTORE_GENERATIONS };
    (1..=last).map(|generation| restored_name(id, generation)).collect()
}

/// The generation that a restored image's name stands for; the last one for any other name.
pub fn generation(id: &RecoveryPointId, name: &str) -> u32 {
    (1..RESTORE_GENERATIONS)
        .find(|generation| restored_name(id, *generation) == name)
        .unwrap_or(RESTORE_GENERATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RecoveryPointId {
        RecoveryPointId {
            source_account: "111111111111".parse().unwrap(),
            source_region: "us-east-1".parse().unwrap(),
            source_image_id: "ami-0123456789abcdef0".parse().unwrap(),
            target_account: "222222222222".parse().unwrap(),
            target_region: "us-west-2".parse().unwrap(),
        }
    }

    fn vault() -> VaultId {
        id().vault()
    }

    #[test]
    fn a_key_in_the_vault_leads_back_to_its_recovery_point_and_no_other_key_does() {
        for prefix in ["", "amiferry", "a/b"] {
            let keys = VaultKeys::of(prefix, &id()).unwrap();
            assert_eq!(vault_owner(prefix, &vault(), &keys.manifest), Some(id()));
            assert_eq!(vault_owner(prefix, &vault(), &keys.image), Some(id()));
        }
        let foreign = "amiferry/x/us-east-1/ami-0123456789abcdef0/manifest.json".parse().unwrap();
        assert_eq!(vault_owner("amiferry", &vault(), &foreign), None);
    }

    #[test]
    fn a_vault_reads_back_and_nothing_else_is_one() {
        assert_eq!(vault().to_string().parse(), Ok(vault()));
        for text in ["", "/", "us-west-2", "222222222222", "us-west-2/222222222222", "2/us-west-2"]
        {
            let refused = text.parse::<VaultId>().unwrap_err().to_string();
            assert!(refused.ends_with("is not a vault: expected account/region"), "{refused}");
        }
        assert!("222222222222/us-west-2/x".parse::<VaultId>().is_err());
    }

    #[test]
    fn restored_names_fit_what_ec2_allows() {
        for name in restored_names(&id()) {
            assert!((3..=128).contains(&name.len()));
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./()".contains(c)));
        }
    }
}
