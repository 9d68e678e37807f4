//! The differences that an owner may accept, and the ones that AWS makes by itself.

use serde::{Deserialize, Serialize};

use super::Difference;

/// An attribute whose difference a policy may accept. None of them loses data or tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acceptable {
    BootMode,
    EnaSupport,
    SriovNetSupport,
    TpmSupport,
    Platform,
    PlatformDetails,
    UsageOperation,
    ProductCodes,
    UefiData,
}

impl Acceptable {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::BootMode,
        Self::EnaSupport,
        Self::SriovNetSupport,
        Self::TpmSupport,
        Self::Platform,
        Self::PlatformDetails,
        Self::UsageOperation,
        Self::ProductCodes,
        Self::UefiData,
    ];

    /// The attribute, as a [`Difference`] and the configuration name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BootMode => "boot_mode",
            Self::EnaSupport => "ena_support",
            Self::SriovNetSupport => "sriov_net_support",
            Self::TpmSupport => "tpm_support",
            Self::Platform => "platform",
            Self::PlatformDetails => "platform_details",
            Self::UsageOperation => "usage_operation",
            Self::ProductCodes => "product_codes",
            Self::UefiData => "uefi_data",
        }
    }
}

/// The attribute of a [`Difference`] in the rules for instance types.
pub(super) const INSTANCE_TYPES: &str = "instance_types";

/// The attribute of a [`Difference`] in watermarks.
pub(super) const WATERMARKS: &str = "watermarks";

/// What a difference means that is recorded and shown, but keeps no recovery point from being
/// complete: nothing that a restore does can prevent it. `None` for every other difference.
///
/// EC2 names `CreateImage` and `CopyImage` as what carries watermarks over, and not
/// `CreateRestoreImageTask` (EC2 user guide, *AMI watermarks*); nothing is said about the rules
/// for instance types.
pub fn not_demanded(difference: &Difference) -> Option<&'static str> {
    match difference.attribute.as_str() {
        INSTANCE_TYPES => Some("EC2 no longer refuses the instance types that it does not support"),
        WATERMARKS => {
            Some("an account whose Allowed AMIs setting demands a watermark cannot launch it")
        }
        _ => None,
    }
}

/// Parts differences into those that are accepted and the others.
pub fn sort_out(
    differences: Vec<Difference>,
    accepted: impl Fn(&Difference) -> bool,
) -> (Vec<Difference>, Vec<Difference>) {
    differences.into_iter().partition(accepted)
}

/// What AWS or the restore changes by design, so that it is not part of a shape; each with its source.
pub const CHANGED_BY_DESIGN: &[(&str, &str)] = &[
    ("id", "EC2 user guide, Store and restore an AMI: a stored AMI cannot come back with its id"),
    (
        "name",
        "CreateRestoreImageTask: unique in account and Region, so the restore gives a new one",
    ),
    ("description", "it may carry the store's time, and starts nothing"),
    ("owner", "the vault's account"),
    ("created", "the time of the restore"),
    ("state", "its own"),
    (
        "sharing",
        "EC2 user guide, Store and restore an AMI: all metadata but the sharing information",
    ),
    ("origin", "EC2 user guide, AMI ancestry: a restored image names the one it was stored from"),
    ("instance", "only an image that was made from an instance has one"),
    ("protection", "EC2 user guide, Protect an AMI from deregistration: off on every new AMI"),
    ("snapshot ids", "new snapshots"),
    (
        "encryption",
        "EC2 user guide, Store and restore an AMI: decrypted by the store; the restore \
                    encrypts with the key of EBS encryption by default",
    ),
    ("our tags", "the restore gives them"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_has_one_name_in_configuration_and_record() {
        for attribute in Acceptable::ALL {
            let name = attribute.as_str();
            assert_eq!(serde_json::to_value(attribute).unwrap(), name);
            assert_eq!(serde_json::from_value::<Acceptable>(name.into()).unwrap(), *attribute);
        }
    }
}
