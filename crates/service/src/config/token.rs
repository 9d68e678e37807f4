//! The token that guards what a worker serves: where it is, what it may be, and whom a server answers.

use std::net::SocketAddr;
use std::path::Path;

use super::{Config, Secret, Workers, read_at_most};
use crate::http::Access;

/// A shorter token can be guessed.
pub(super) const SHORTEST: usize = 16;

/// A longer one is a mistake: another file, or a whole page of it.
const LONGEST: usize = 1_024;

/// The token that the admin servers ask for.
///
/// Who only reads reports may lack it, so a missing one is an error only for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenToken {
    /// The configuration names none.
    NotConfigured,
    /// The value.
    Known(Secret),
    /// It is not where the configuration says.
    Missing(MissingToken),
}

/// A server cannot guard itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingToken {
    /// The environment variable is unset.
    #[error(
        "the environment variable {0} is not set: according to listen_token_env in the \
         configuration it holds the token of the worker's port; set it and start again"
    )]
    Variable(String),
    /// The file cannot be read.
    #[error(
        "the file {path} cannot be read: {why}; according to listen_token_file in the configuration \
         it holds the token of the worker's port"
    )]
    File {
        /// As the configuration names it.
        path: String,
        /// In words.
        why: String,
    },
    /// An address that others reach, and no token.
    #[error(
        "{0} is not loopback, and the configuration names no token: name one with \
         listen_token_env or listen_token_file in [workers], or choose an address on 127.0.0.1"
    )]
    NotConfigured(SocketAddr),
}

/// What is wrong with a text as a token, without showing it.
pub(super) fn mistake(token: &str) -> Option<String> {
    let length = token.chars().count();
    // What RFC 6750 admits after `Bearer`.
    let may_be = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if length < SHORTEST {
        Some(format!("has {length} characters, which can be guessed"))
    } else if length > LONGEST {
        Some(format!("has {length} characters, and a token has at most {LONGEST}"))
    } else if !token.chars().all(may_be) {
        Some("has characters other than letters, digits and -._~+/=".to_owned())
    } else {
        None
    }
}

/// The text of a file without white space at its ends: editors and `echo` add a line break.
///
/// # Errors
/// In words.
pub(super) fn read(path: &Path) -> Result<String, MissingToken> {
    // One byte more than the longest token, with room for what is trimmed.
    let text = read_at_most(path, 2 * LONGEST as u64).map_err(|error| MissingToken::File {
        path: path.display().to_string(),
        why: error.to_string(),
    })?;
    Ok(text.trim().to_owned())
}

/// Whether only this machine reaches an address.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

impl ListenToken {
    /// Whom an admin server answers.
    ///
    /// # Errors
    /// The configuration names a token, and it is not there.
    pub fn access(&self) -> Result<Access, MissingToken> {
        match self {
            Self::NotConfigured => Ok(Access::Everyone),
            Self::Known(token) => Ok(Access::Token(token.clone())),
            Self::Missing(missing) => Err(missing.clone()),
        }
    }
}

impl Workers {
    /// Whether the configuration says where a token is.
    pub(super) fn names_token(&self) -> bool {
        self.listen_token_env.is_some() || self.listen_token_file.is_some()
    }
}

impl Config {
    /// Whom a page is shown that a person serves at an address: everyone on this machine, and elsewhere
    /// who has the token.
    ///
    /// # Errors
    /// Others reach the address, and there is no token to ask them for.
    pub fn access_at(&self, address: SocketAddr) -> Result<Access, MissingToken> {
        if is_loopback(address) {
            return Ok(Access::Everyone);
        }
        match self.listen_token.access()? {
            Access::Everyone if !self.workers.listen_without_token => {
                Err(MissingToken::NotConfigured(address))
            }
            access => Ok(access),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_to_be_no_guess_and_fits_into_a_header() {
        for (token, wrong) in [
            ("0123456789abcdef", None),
            ("aA0-._~+/=aA0-._~+/=", None),
            (&"x".repeat(LONGEST), None),
            ("", Some("has 0 characters")),
            ("0123456789abcde", Some("has 15 characters, which can be guessed")),
            (&"x".repeat(LONGEST + 1), Some("at most 1024")),
            ("0123456789 abcdef", Some("characters other than")),
            ("0123456789\nabcdef", Some("characters other than")),
            ("0123456789äbcdef0", Some("characters other than")),
            ("0123456789abcdef,", Some("characters other than")),
        ] {
            match (mistake(token), wrong) {
                (None, None) => {}
                (Some(found), Some(wrong)) => {
                    assert!(found.contains(wrong), "{token}: {found}");
                    assert!(token.is_empty() || !found.contains(token), "{found}");
                }
                (found, _) => panic!("{token}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_file_is_read_without_the_line_break_at_its_end() {
        let folder = std::env::temp_dir().join(format!("amiferry-token-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        for text in ["0123456789abcdef", "0123456789abcdef\n", "0123456789abcdef\r\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap(), "0123456789abcdef");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        let missing = read(&path).unwrap_err().to_string();
        assert!(missing.contains(&path.display().to_string()), "{missing}");
        assert!(missing.contains("listen_token_file"), "{missing}");
    }
}
