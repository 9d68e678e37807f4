//! Values that no log, error or `Debug` output may show.

use std::fmt;

use serde::Deserialize;

/// A text that only [`reveal`](Self::reveal) shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The external id that the vault presents when it assumes a role.
///
/// A source worker reads the same file and needs no external id, so an unset variable is an error
/// only for a caller that asks for the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalId {
    /// The role requires none.
    NotConfigured,
    /// The value.
    Known(Secret),
    /// The environment variable that should hold it is unset.
    Unset(String),
}

impl ExternalId {
    /// The value to present, if any.
    ///
    /// # Errors
    ///
    /// When its environment variable is not set.
    pub fn value(&self) -> Result<Option<&Secret>, MissingSecret> {
        match self {
            Self::NotConfigured => Ok(None),
            Self::Known(secret) => Ok(Some(secret)),
            Self::Unset(name) => Err(MissingSecret(name.clone())),
        }
    }
}

/// An environment variable with a secret is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the environment variable {0} is not set: according to external_id_env in the configuration \
     it holds the external id of the source's read role; set it and start again"
)]
pub struct MissingSecret(pub String);
