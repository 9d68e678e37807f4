//! Compares a hint with the configuration: a worker looks only at what is inside it.
//!
//! Names come from the configuration, never from the message. A hint contributes only an image id,
//! and the object's key is built from that id.

use std::fmt::Display;

use super::{ImageEventState, ImageHint, ObjectHint, Reject, RejectCode};
use crate::ids::{AccountId, BucketName, ImageId, Malformed, ObjectKey, Region};
use crate::names::{self, SourceId};

/// The only source that messages of a worker's queue may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceScope {
    /// The source account.
    pub account: AccountId,
    /// The source Region.
    pub region: Region,
    /// The bucket in that account and Region that images are stored to.
    pub staging_bucket: BucketName,
    /// What comes before the Region in a staged key; may be empty. See [`check_staging_prefix`].
    pub staging_prefix: String,
}

impl SourceScope {
    /// The source itself.
    pub fn id(&self) -> SourceId {
        SourceId { account: self.account.clone(), region: self.region.clone() }
    }

    /// For the source worker: the image to look at.
    ///
    /// `None` is legitimate but asks for nothing: an image that failed, went away, or is disabled
    /// cannot be stored (enabling it again raises an event of its own).
    ///
    /// # Errors
    ///
    /// [`RejectCode::ForeignAccount`] or [`RejectCode::ForeignRegion`], when told and different.
    pub fn pin_image(&self, hint: &ImageHint) -> Result<Option<ImageId>, Reject> {
        self.pin_origin(hint.account.as_ref(), hint.region.as_ref())?;
        match hint.state {
            None | Some(ImageEventState::Available) => Ok(Some(hint.image.clone())),
            Some(
                ImageEventState::Failed | ImageEventState::Deregistered | ImageEventState::Disabled,
            ) => Ok(None),
        }
    }

    /// For the target worker: the image whose staged object the hint names.
    ///
    /// `None` is legitimate but asks for nothing: another file beside the staged images, such as an
    /// `.json`, by its plain name.
    ///
    /// # Errors
    ///
    /// The first difference in account and Region (if given), bucket, or key; a key is accepted
    /// only if it is, byte for byte, the [`staged_key`](Self::staged_key) of an image.
    pub fn pin_object(&self, hint: &ObjectHint) -> Result<Option<ImageId>, Reject> {
        self.pin_origin(hint.account.as_ref(), hint.region.as_ref())?;
        if hint.bucket != self.staging_bucket {
            return Err(foreign(RejectCode::ForeignBucket, &hint.bucket, &self.staging_bucket));
        }
        match self.image_of(&hint.key) {
            Some(image) => Ok(Some(image)),
            None if self.is_beside(&hint.key) => Ok(None),
            None => {
                let expected = format!("{}/ami-….bin", self.staging_path());
                Err(foreign(RejectCode::ForeignKey, &hint.key, &expected))
            }
        }
    }

    /// Whether a key is that of another file beside the staged images: under their path, with a plain
    /// name that could not be taken for an image's.
    fn is_beside(&self, key: &ObjectKey) -> bool {
        let Some(name) = key.as_str().strip_prefix(&self.staging_folder()) else {
            return false;
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let segment = |s: &str| !matches!(s, "" | "." | "..") && s.bytes().all(plain);
        name.split('/').all(segment)
            && name.rsplit('/').next().is_some_and(|file| file.contains('.'))
            && !name.to_ascii_lowercase().contains(".bin")
    }

    /// The image whose staged key this is, byte for byte.
    pub fn image_of(&self, key: &ObjectKey) -> Option<ImageId> {
        let image = key.as_str().rsplit('/').next().and_then(|name| name.strip_suffix(".bin"));
        image.and_then(|id| id.parse().ok()).filter(|image| self.staged_key(image) == *key)
    }

    /// The key of an image in the staging bucket: `{staging_prefix}/{region}/ami-….bin`.
    ///
    /// Never fails, because the prefix was checked by [`check_staging_prefix`].
    pub fn staged_key(&self, image: &ImageId) -> ObjectKey {
        ObjectKey::assembled(format!("{}/{image}.bin", self.staging_path()))
    }

    /// The key of the note of an image, beside its staged object: `ami-….json`.
    pub fn note_key(&self, image: &ImageId) -> ObjectKey {
        ObjectKey::assembled(format!("{}/{image}.json", self.staging_path()))
    }

    /// What all keys of this source in the staging bucket begin with.
    pub fn staging_folder(&self) -> String {
        format!("{}/", self.staging_path())
    }

    fn staging_path(&self) -> String {
        names::staging_path(&self.staging_prefix, &self.region)
    }

    fn pin_origin(
        &self,
        account: Option<&AccountId>,
        region: Option<&Region>,
    ) -> Result<(), Reject> {
        if let Some(account) = account.filter(|account| **account != self.account) {
            return Err(foreign(RejectCode::ForeignAccount, account, &self.account));
        }
        if let Some(region) = region.filter(|region| **region != self.region) {
            return Err(foreign(RejectCode::ForeignRegion, region, &self.region));
        }
        Ok(())
    }
}

/// Checks a staging prefix when the configuration is read.
///
/// # Errors
///
/// Says what a prefix looks like. The alphabet is the part of S3's safe characters that no URL,
/// form or XML encoding changes, so that a key reads the same wherever it is reported.
pub fn check_staging_prefix(prefix: &str) -> Result<(), Malformed> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let segment = |s: &str| !matches!(s, "" | "." | "..") && s.bytes().all(plain);
    if prefix.is_empty() || (prefix.len() <= 512 && prefix.split('/').all(segment)) {
        return Ok(());
    }
    Err(Malformed {
        what: "a staging prefix",
        expected: "nothing, or at most 512 characters of A-Z, a-z, 0-9, '-', '_' and '.' in parts \
                   joined by '/', without a slash at either end",
        text: prefix.chars().take(80).collect(),
    })
}

fn foreign(code: RejectCode, found: &impl Display, configured: &impl Display) -> Reject {
    // The untrusted half may be long: it comes last, so that the cut keeps what was expected.
    Reject::new(code, &format!("expected {configured}, the message says {found}"))
}
