//! Temporary copies of archived objects: `RestoreObject`.
//!
//! How long a retrieval takes is the upper end of what the API reference says of its tier. The change of
//! its speed, S3 Select and the events of restores are not simulated. Nor does `INTELLIGENT_TIERING` move
//! anything by itself: [`transition`] does.

use jiff::{SignedDuration, Timestamp};

use super::multipart::malformed_xml;
use super::object::{Attributes, VersionKind};
use super::storage_class::StorageClass;
use crate::wire::ApiError;
use crate::world::State;

/// Seconds of a day.
const DAY: i64 = 24 * 3_600;

/// A temporary copy of an archived object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// From when on it can be read.
    pub ready: Timestamp,
    /// Until when, a midnight in UTC.
    pub until: Timestamp,
}

/// An archive tier of `INTELLIGENT_TIERING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessTier {
    Archive,
    DeepArchive,
}

impl AccessTier {
    /// The name in `x-amz-archive-status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "ARCHIVE_ACCESS",
            Self::DeepArchive => "DEEP_ARCHIVE_ACCESS",
        }
    }
}

/// Where objects are moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A storage class, by a lifecycle rule.
    Class(StorageClass),
    /// An archive tier, of those that are in `INTELLIGENT_TIERING`.
    Tier(AccessTier),
}

impl Destination {
    /// The class or tier of a name.
    pub fn named(name: &str) -> Option<Self> {
        let mut tiers = [AccessTier::Archive, AccessTier::DeepArchive].into_iter();
        let tier = tiers.find(|tier| tier.name() == name).map(Self::Tier);
        tier.or_else(|| StorageClass::named(name).map(Self::Class))
    }
}

/// How fast an archived object is retrieved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tier {
    Expedited,
    #[default]
    Standard,
    Bulk,
}

impl Tier {
    /// The tier of a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "Expedited" => Some(Self::Expedited),
            "Standard" => Some(Self::Standard),
            "Bulk" => Some(Self::Bulk),
            _ => None,
        }
    }

    /// How long a retrieval takes; `None` where the archive does not have it.
    fn takes(self, is_deep: bool) -> Option<SignedDuration> {
        match self {
            Self::Expedited => (!is_deep).then(|| SignedDuration::from_mins(5)),
            Self::Standard => Some(SignedDuration::from_hours(if is_deep { 12 } else { 5 })),
            Self::Bulk => Some(SignedDuration::from_hours(if is_deep { 48 } else { 12 })),
        }
    }
}

impl Restored {
    /// A copy that is ready at a time, for so many days: until the next midnight after them (S3 user
    /// guide, *Restoring an archived object*).
    fn from(ready: Timestamp, days: i64) -> Self {
        let last = ready.as_second().saturating_add(days.saturating_mul(DAY));
        let midnight = last.saturating_add(DAY - 1).div_euclid(DAY).saturating_mul(DAY);
        Self { ready, until: Timestamp::from_second(midnight).unwrap_or(Timestamp::MAX) }
    }
}

impl Attributes {
    /// Whether it can be read: nothing archived it, or it was retrieved.
    pub fn is_readable(&self, now: Timestamp) -> bool {
        let is_archived = self.storage_class.is_archived() || self.access_tier.is_some();
        !is_archived || self.restored.is_some_and(|copy| copy.ready <= now && now < copy.until)
    }

    /// The archive tier of `INTELLIGENT_TIERING` that it is in. It leaves that for good once it was
    /// retrieved.
    pub fn archive_status(&self, now: Timestamp) -> Option<AccessTier> {
        self.access_tier.filter(|_| !self.is_readable(now))
    }

    /// Its temporary copy, unless that has expired, or has become the object.
    pub fn temporary_copy(&self, now: Timestamp) -> Option<Restored> {
        let is_the_object = self.access_tier.is_some() && self.is_readable(now);
        self.restored.filter(|copy| now < copy.until && !is_the_object)
    }

    /// Has an archived object retrieved: for so many days, or for good from an archive tier of
    /// `INTELLIGENT_TIERING`. Returns whether there was a temporary copy already, whose time then counts
    /// from now.
    ///
    /// # Errors
    /// `InvalidObjectState` for what is not archived, `RestoreAlreadyInProgress`, `MalformedXML` without
    /// days, `InvalidArgument` for a tier that the archive does not have, days below one, or days for
    /// `INTELLIGENT_TIERING`.
    pub fn restore(
        &mut self,
        now: Timestamp,
        days: Option<i64>,
        tier: Tier,
    ) -> Result<bool, ApiError> {
        let class = self.storage_class;
        let status = self.archive_status(now);
        if !class.is_archived() && status.is_none() {
            let message = "Restore is not allowed for the object's current storage class";
            let refused = ApiError::new(403, "InvalidObjectState", message);
            return Err(refused.with("StorageClass", class.name()));
        }
        let invalid = |message| Err(ApiError::new(400, "InvalidArgument", message));
        match (days, status) {
            (Some(_), Some(_)) => {
                return invalid("Days are not allowed for the object's current storage class");
            }
            (None, None) => return Err(malformed_xml()),
            (Some(days), None) if days < 1 => {
                return invalid("restoration days should be at least 1");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let lasting = |ready| match days {
            Some(days) => Restored::from(ready, days),
            None => Restored { ready, until: Timestamp::MAX },
        };
        match self.temporary_copy(now) {
            Some(copy) if now < copy.ready => Err(ApiError::new(
                409,
                "RestoreAlreadyInProgress",
                "Object restore is already in progress",
            )),
            Some(copy) => {
                self.restored = Some(Restored { until: lasting(now).until, ..copy });
                Ok(true)
            }
            None => {
                let is_deep =
                    class == StorageClass::DeepArchive || status == Some(AccessTier::DeepArchive);
                let Some(takes) = tier.takes(is_deep) else {
                    return invalid("Retrieval option is not supported by this storage class");
                };
                self.restored = Some(lasting(now.saturating_add(takes).unwrap_or(Timestamp::MAX)));
                Ok(false)
            }
        }
    }

    /// Moves it, if S3 moves such an object there. Returns whether it does.
    fn transition(&mut self, to: Destination) -> bool {
        match to {
            // Rules move objects only down.
            Destination::Class(class) if self.storage_class.is_above(class) => {
                (self.storage_class, self.access_tier) = (class, None);
            }
            Destination::Tier(tier)
                if self.storage_class == StorageClass::IntelligentTiering
                    && self.access_tier != Some(tier) =>
            {
                (self.access_tier, self.restored) = (Some(tier), None);
            }
            Destination::Class(_) | Destination::Tier(_) => return false,
        }
        true
    }
}

/// Asks for a temporary copy of the newest version of an object, as [`Attributes::restore`] does.
///
/// # Errors
/// `NoSuchKey`, and those of [`Attributes::restore`].
pub fn restore(
    state: &mut State,
    now: Timestamp,
    (bucket, key): (&str, &str),
    days: i64,
    tier: Tier,
) -> Result<bool, ApiError> {
    let days = Some(days);
    let version = state.s3.bucket_mut(bucket).and_then(|bucket| bucket.version_mut(key, None));
    match version.map(|version| &mut version.kind) {
        Some(VersionKind::Object(object)) => object.restore(now, days, tier),
        Some(VersionKind::DeleteMarker) | None => {
            Err(ApiError::new(404, "NoSuchKey", "The specified key does not exist."))
        }
    }
}

/// Moves the newest versions of objects to a colder class or an archive tier, and answers how many.
///
/// Those whose keys begin with `prefix`, and that are larger than so many bytes, are moved, as by a
/// lifecycle rule or by `INTELLIGENT_TIERING`.
///
/// # Errors
/// There is no such bucket.
pub fn transition(
    state: &mut State,
    (bucket, prefix): (&str, &str),
    larger_than: u64,
    to: Destination,
) -> Result<usize, String> {
    let missing = || format!("there is no bucket {bucket}");
    let bucket = state.s3.bucket_mut(bucket).ok_or_else(missing)?;
    let keys = bucket.all_versions().map(|(key, _)| key).filter(|key| key.starts_with(prefix));
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    let mut moved = 0;
    for key in keys {
        let version = bucket.version_mut(&key, None).map(|version| &mut version.kind);
        let Some(VersionKind::Object(object)) = version else { continue };
        if object.content.len() > larger_than && object.transition(to) {
            moved += 1;
        }
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_copy_lasts_until_the_midnight_after_its_days() {
        // The example of the user guide.
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let copy = Restored::from(at("2012-10-15T10:30:00Z"), 3);
        assert_eq!(copy.until, at("2012-10-19T00:00:00Z"));
        let copy = Restored::from(at("2012-10-15T00:00:00Z"), 3);
        assert_eq!(copy.until, at("2012-10-18T00:00:00Z"), "a whole day adds none");
    }
}
