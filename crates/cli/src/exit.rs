//! The exit statuses of every command: documented, tested, never reused.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; every promise is kept.
    Ok = 0,
    /// An error that no other status covers; the message says which.
    Failed = 1,
    /// Part of it could not be done or assessed in time.
    Partial = 3,
    /// The configuration is invalid.
    Config = 10,
    /// No usable credentials, or those of another account.
    Identity = 11,
    /// A resource is missing, unsuitable, or may not be used.
    Resource = 12,
    /// AWS does not answer.
    Unavailable = 13,
    /// An RPO is broken.
    RpoBreached = 20,
    /// Something that was complete is lost, tampered with or unusable.
    Lost = 21,
    /// Ended at once by a signal.
    Interrupted = 130,
}

/// The table that `--help` shows. 2 is clap's own status for wrong arguments.
pub const TABLE: &str = "\
Exit status:
    0  done; every promise is kept
    1  failed
    2  wrong arguments
    3  partial: something could not be assessed or done, or the grace period was too short
   10  the configuration is invalid
   11  no usable credentials, or those of another account
   12  a resource is missing, unsuitable, or may not be used
   13  AWS does not answer
   20  an RPO is broken
   21  a recovery point that was complete is lost, tampered with or unusable
  130  ended at once by a signal: by the second one, if the command drains first";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
