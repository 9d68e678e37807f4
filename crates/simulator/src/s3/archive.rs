//! Temporary copies of archived objects: `RestoreObject`.
//!
//! How long a retrieval takes is the upper end of what the API reference says of its tier. The change of
//! its speed, `INTELLIGENT_TIERING`, S3 Select and the events of restores are not simulated.

use jiff::{SignedDuration, Timestamp};

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

    /// How long a retrieval takes; `None` where the class does not have it.
    fn takes(self, class: StorageClass) -> Option<SignedDuration> {
        let is_deep = class == StorageClass::DeepArchive;
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
    /// Whether it can be read: its class allows it, or it has a temporary copy.
    pub fn is_readable(&self, now: Timestamp) -> bool {
        !self.storage_class.is_archived()
            || self.restored.is_some_and(|copy| copy.ready <= now && now < copy.until)
    }

    /// Its temporary copy, unless that has expired.
    pub fn temporary_copy(&self, now: Timestamp) -> Option<Restored> {
        self.restored.filter(|copy| now < copy.until)
    }

    /// Asks for a temporary copy for so many days. Returns whether there was one already, whose
    /// time then counts from now.
    ///
    /// # Errors
    /// `InvalidObjectState` for a class that is not archived, `RestoreAlreadyInProgress`,
    /// `InvalidArgument` for a tier that the class does not have, or days below one.
    pub fn restore(&mut self, now: Timestamp, days: i64, tier: Tier) -> Result<bool, ApiError> {
        let class = self.storage_class;
        if !class.is_archived() {
            let message = "Restore is not allowed for the object's current storage class";
            let refused = ApiError::new(403, "InvalidObjectState", message);
            return Err(refused.with("StorageClass", class.name()));
        }
        if days < 1 {
            let message = "restoration days should be at least 1";
            return Err(ApiError::new(400, "InvalidArgument", message));
        }
        match self.temporary_copy(now) {
            Some(copy) if now < copy.ready => Err(ApiError::new(
                409,
                "RestoreAlreadyInProgress",
                "Object restore is already in progress",
            )),
            Some(copy) => {
                let until = Restored::from(now, days).until;
                self.restored = Some(Restored { until, ..copy });
                Ok(true)
            }
            None => {
                let takes = tier.takes(class).ok_or_else(|| {
                    let message = "Retrieval option is not supported by this storage class";
                    ApiError::new(400, "InvalidArgument", message)
                })?;
                let ready = now.saturating_add(takes).unwrap_or(Timestamp::MAX);
                self.restored = Some(Restored::from(ready, days));
                Ok(false)
            }
        }
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
    let version = state.s3.bucket_mut(bucket).and_then(|bucket| bucket.version_mut(key, None));
    match version.map(|version| &mut version.kind) {
        Some(VersionKind::Object(object)) => object.restore(now, days, tier),
        Some(VersionKind::DeleteMarker) | None => {
            Err(ApiError::new(404, "NoSuchKey", "The specified key does not exist."))
        }
    }
}

/// Moves the newest versions of objects to a colder class, as a lifecycle rule does: those whose keys
/// begin with `prefix`, and that are larger than so many bytes. Answers how many.
///
/// # Errors
/// There is no such bucket.
pub fn transition(
    state: &mut State,
    (bucket, prefix): (&str, &str),
    larger_than: u64,
    class: StorageClass,
) -> Result<usize, String> {
    let missing = || format!("there is no bucket {bucket}");
    let bucket = state.s3.bucket_mut(bucket).ok_or_else(missing)?;
    let keys = bucket.all_versions().map(|(key, _)| key).filter(|key| key.starts_with(prefix));
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    let mut moved = 0;
    for key in keys {
        let version = bucket.version_mut(&key, None).map(|version| &mut version.kind);
        let Some(VersionKind::Object(object)) = version else { continue };
        // Rules move objects only down.
        if object.content.len() > larger_than && object.storage_class.is_above(class) {
            object.storage_class = class;
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
