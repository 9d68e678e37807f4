//! Refusals that no permission ends: what AWS's code or words say instead.

use crate::code::Code;

/// Why AWS refuses a call that every policy may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circumstance {
    /// The Region, or STS in it, is not enabled for the account.
    RegionOff,
    /// The account is not ready for the service: not subscribed, blocked, or being verified.
    AccountOff,
    /// The object is in an archive class: S3 shows but does not read it.
    Archived,
    /// Object Lock protects the version from the change.
    Locked,
    /// The bucket has no Object Lock.
    LockOff,
    /// A VPC endpoint passes no copies between Regions.
    EndpointOfOneRegion,
    /// AWS has disabled all access to the bucket or object.
    AccessDisabled,
    /// The request did not come over https, or has an old signature.
    Insecure,
    /// The image or its snapshots belong to another account, which has not shared both.
    NotShared,
    /// The tags of an image or snapshot would exceed those that a resource may have.
    TooManyTags,
    /// The operation is not allowed in the present state of its resource.
    StateForbids,
}

impl Circumstance {
    /// The circumstance that a code names. Where AWS gives it the code of a denial, its words do.
    pub fn of(code: &str, message: &str) -> Option<Self> {
        let says = |words: &str| message.to_ascii_lowercase().contains(words);
        Some(match code {
            "RegionDisabledException" | "OptInRequired" | "KMS.OptInRequired" => Self::RegionOff,
            "NotSignedUp"
            | "SubscriptionRequiredException"
            | "AccountProblem"
            | "Blocked"
            | "PendingVerification" => Self::AccountOff,
            "InvalidObjectState" => Self::Archived,
            "AllAccessDisabled" | "ObjectAccessDisabled" => Self::AccessDisabled,
            "InvalidSecurity" => Self::Insecure,
            "TagLimitExceeded" => Self::TooManyTags,
            "OperationNotPermitted" | "MethodNotAllowed" => Self::StateForbids,
            "AccessDenied" if says("endpoint") && says("cross-region") => Self::EndpointOfOneRegion,
            "AccessDenied" if says("protected by object lock") => Self::Locked,
            "InvalidRequest" if says("missing object lock") => Self::LockOff,
            "InvalidRequest" if says("access the storage") => Self::NotShared,
            _ => return None,
        })
    }

    /// The reason code that it is shown under, where it has one of its own.
    pub fn shown_as(self) -> Option<Code> {
        match self {
            Self::RegionOff => Some(Code::RegionOff),
            Self::AccountOff => Some(Code::AccountOff),
            Self::Archived => Some(Code::StagedArchived),
            Self::Locked => Some(Code::ObjectLocked),
            Self::EndpointOfOneRegion => Some(Code::EndpointOfOneRegion),
            Self::TooManyTags => Some(Code::TooManyTags),
            Self::LockOff
            | Self::AccessDisabled
            | Self::Insecure
            | Self::NotShared
            | Self::StateForbids => None,
        }
    }

    /// What a person can do about it.
    pub(super) fn remedy(self, resource: &str) -> String {
        match self {
            Self::RegionOff => Code::RegionOff.remedy().to_owned(),
            Self::AccountOff => Code::AccountOff.remedy().to_owned(),
            Self::Archived => format!(
                "restore {resource} from its archive class with RestoreObject, and let no lifecycle \
                 rule or Intelligent-Tiering archive objects under its prefix"
            ),
            Self::Locked => format!(
                "nothing can shorten the lock of {resource} before it ends; let the policy ask for \
                 no shorter retention or weaker mode than the object has"
            ),
            Self::LockOff => format!(
                "enable Object Lock on the bucket of {resource}, or remove the policy's retention"
            ),
            Self::EndpointOfOneRegion => Code::EndpointOfOneRegion.remedy().to_owned(),
            Self::AccessDisabled => {
                format!("ask AWS Support why all access to {resource} is disabled")
            }
            Self::Insecure => "use the https endpoint of the service".to_owned(),
            Self::NotShared => format!(
                "let the account that owns {resource} share the image and its snapshots with this \
                 account, or protect the image from there"
            ),
            Self::TooManyTags => Code::TooManyTags.remedy().to_owned(),
            Self::StateForbids => {
                format!(
                    "bring {resource} into a state that allows the call: AWS's message says why"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_another_reason_than_a_permission_is_told_by_its_code_or_its_words() {
        use Circumstance::*;
        for (code, message, expected) in [
            ("RegionDisabledException", "STS is not activated in this region", Some(RegionOff)),
            ("OptInRequired", "", Some(RegionOff)),
            ("NotSignedUp", "", Some(AccountOff)),
            ("InvalidObjectState", "The operation is not valid", Some(Archived)),
            (
                "AccessDenied",
                "Access Denied because object protected by object lock.",
                Some(Locked),
            ),
            (
                "AccessDenied",
                "VPC endpoints do not support cross-region requests",
                Some(EndpointOfOneRegion),
            ),
            ("AccessDenied", "x with an explicit deny in a VPC endpoint policy", None),
            ("AccessDenied", "Access Denied", None),
            ("InvalidRequest", "Bucket is missing Object Lock Configuration", Some(LockOff)),
            (
                "InvalidRequest",
                "You do not have permission to access the storage of this ami",
                Some(NotShared),
            ),
            ("InvalidRequest", "You have reached the quota", None),
            ("TagLimitExceeded", "", Some(TooManyTags)),
            ("SnapshotLimitExceeded", "", None),
            ("OperationNotPermitted", "", Some(StateForbids)),
            ("UnauthorizedOperation", "", None),
        ] {
            assert_eq!(Circumstance::of(code, message), expected, "{code}: {message}");
        }
    }
}
