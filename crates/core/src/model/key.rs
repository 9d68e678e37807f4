//! KMS keys: what KMS says about one, and whether work that needs it can be started.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Arn;

/// A key's metadata and what probing it showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    pub arn: Arn,
    /// Its state (`DescribeKey`); `None` where describing it was not allowed or told nothing.
    pub state: Option<KeyState>,
    /// Whether it is AWS-managed (`aws/ebs`, `aws/s3`), so it cannot be shared across accounts.
    pub aws_managed: Option<bool>,
    /// What a DryRun of the operation that is needed answered.
    pub usable: Probe,
    /// Number of grants on it; `None` where listing was not allowed or broke off, which proves
    /// nothing: `kms:GrantIsForAWSResource` denies every direct `ListGrants`.
    pub grants: Option<usize>,
}

/// What a probe showed. `Unknown` is a third answer and never counts as either other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It would work.
    Yes,
    /// It would not; KMS's own words.
    No(String),
    /// KMS would not tell this caller; its own words.
    Unknown(String),
}

/// State of a key (API model `KeyState`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// Usable.
    Enabled,
    /// Turned off.
    Disabled,
    /// Waiting to be deleted.
    PendingDeletion,
    /// Any other state, in KMS's words; none of them but `Updating` can encrypt.
    Other(String),
}

impl KeyState {
    /// KMS's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::Other(state) => state,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No(why) => write!(f, "no: {why}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

/// Whether work that needs a key can be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyVerdict {
    /// Enabled, and the probe succeeded.
    Usable,
    /// It cannot be used now, with the reason.
    Unusable(String),
    /// Nothing forbids or proves it: work continues, and reports show the key as unknown.
    Unknown(String),
}

impl KeyFacts {
    /// Judges the facts. A state other than `Enabled` or `Updating` decides alone.
    pub fn verdict(&self) -> KeyVerdict {
        match &self.state {
            Some(KeyState::Disabled) => return self.unusable("is disabled"),
            Some(KeyState::PendingDeletion) => return self.unusable("is pending deletion"),
            Some(KeyState::Other(state)) if state != "Updating" => {
                return self.unusable(&format!("is in state {state}"));
            }
            Some(KeyState::Enabled | KeyState::Other(_)) | None => {}
        }
        match &self.usable {
            Probe::Yes => KeyVerdict::Usable,
            Probe::No(why) => KeyVerdict::Unusable(why.clone()),
            Probe::Unknown(why) => KeyVerdict::Unknown(why.clone()),
        }
    }

    fn unusable(&self, what: &str) -> KeyVerdict {
        KeyVerdict::Unusable(format!("key {} {what}", self.arn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: Option<KeyState>, usable: Probe) -> KeyVerdict {
        let arn = "arn:aws:kms:us-west-2:222222222222:key/k".parse().unwrap();
        KeyFacts { arn, state, aws_managed: None, usable, grants: None }.verdict()
    }

    #[test]
    fn a_denied_probe_is_unknown_and_never_usable_or_unusable() {
        let denied = Probe::Unknown("AccessDeniedException".to_owned());
        assert!(matches!(key(Some(KeyState::Enabled), denied.clone()), KeyVerdict::Unknown(_)));
        assert!(matches!(key(None, denied), KeyVerdict::Unknown(_)));
    }

    #[test]
    fn the_state_decides_before_the_probe() {
        for state in
            [KeyState::Disabled, KeyState::PendingDeletion, KeyState::Other("PendingImport".into())]
        {
            assert!(matches!(key(Some(state), Probe::Yes), KeyVerdict::Unusable(_)));
        }
        assert_eq!(key(Some(KeyState::Other("Updating".into())), Probe::Yes), KeyVerdict::Usable);
    }
}
