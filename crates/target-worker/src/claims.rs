//! Remembers which copies this worker and other workers have claimed. Losing it only costs a wait
//! or a call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use amiferry_core::ids::ObjectKey;
use jiff::{SignedDuration, Timestamp};

/// Claims by the key of the vault object.
#[derive(Debug, Default)]
pub struct Claims(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ours: BTreeMap<ObjectKey, Ours>,
    /// Until when copies of other workers are left alone.
    theirs: BTreeMap<ObjectKey, Timestamp>,
    /// Keys with an object of ours and no other upload, and since when.
    clean: BTreeMap<ObjectKey, Timestamp>,
}

/// How long a key is remembered as clean: what takes longer costs a call.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// An upload that this worker copies to, or has begun for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The upload's id.
    pub upload: String,
    /// Whether no other worker was found copying.
    pub granted: bool,
    /// Whether the key had no other upload after this one was begun.
    alone: bool,
    /// Its last sign of life.
    active: Timestamp,
}

impl Claims {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our claim on a key. It expires after `patience` without a sign of life.
    pub fn ours(&self, key: &ObjectKey, patience: SignedDuration, now: Timestamp) -> Option<Ours> {
        let mut known = self.known();
        known.ours.retain(|_, ours| now.duration_since(ours.active) < patience);
        known.ours.get(key).cloned()
    }

    /// This worker has begun this upload, or may copy to it.
    pub fn claim(&self, key: &ObjectKey, upload: &str, granted: bool, now: Timestamp) {
        let ours = Ours { upload: upload.to_owned(), granted, alone: false, active: now };
        self.known().ours.insert(key.clone(), ours);
    }

    /// The key has no other upload than the one that this worker has begun.
    pub fn alone(&self, key: &ObjectKey) {
        if let Some(ours) = self.known().ours.get_mut(key) {
            ours.alone = true;
        }
    }

    /// The upload of this worker became the object.
    pub fn completed(&self, key: &ObjectKey, now: Timestamp) {
        let mut known = self.known();
        known.clean.retain(|_, since| now.duration_since(*since) < REMEMBERED);
        if known.ours.remove(key).is_some_and(|ours| ours.alone) {
            known.clean.insert(key.clone(), now);
        }
    }

    /// Whether the key is known to have no upload left.
    pub fn is_clean(&self, key: &ObjectKey) -> bool {
        self.known().clean.contains_key(key)
    }

    /// A part was copied.
    pub fn touch(&self, key: &ObjectKey, now: Timestamp) {
        if let Some(ours) = self.known().ours.get_mut(key) {
            ours.active = now;
        }
    }

    /// The upload is given up or gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.known().ours.remove(key);
    }

    /// Other workers copy: leaves the copy to them until then.
    pub fn yield_until(&self, key: &ObjectKey, until: Timestamp, now: Timestamp) {
        let mut known = self.known();
        known.theirs.retain(|_, until| *until > now);
        known.theirs.insert(key.clone(), until);
    }

    /// Until when the copy is left to other workers; `None` if this worker may try.
    pub fn theirs(&self, key: &ObjectKey, now: Timestamp) -> Option<Timestamp> {
        self.known().theirs.get(key).copied().filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lasts_as_long_as_it_shows_life_and_leaves_nothing_behind() {
        let key: ObjectKey = "image.bin".parse().unwrap();
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        let patience = SignedDuration::from_secs(100);
        let claims = Claims::default();
        assert_eq!(claims.ours(&key, patience, at(0)), None);
        claims.claim(&key, "u", true, at(0));
        claims.touch(&key, at(50));
        let ours = claims.ours(&key, patience, at(149)).unwrap();
        assert_eq!((ours.upload.as_str(), ours.granted), ("u", true));
        assert_eq!(claims.ours(&key, patience, at(150)), None);
        claims.yield_until(&key, at(200), at(150));
        assert_eq!(claims.theirs(&key, at(199)), Some(at(200)));
        assert_eq!(claims.theirs(&key, at(200)), None);
        let other: ObjectKey = "other.bin".parse().unwrap();
        claims.yield_until(&other, at(900), at(201));
        let known = claims.known();
        assert_eq!((known.ours.len(), known.theirs.len()), (0, 1));
    }

    #[test]
    fn a_key_is_clean_once_an_upload_that_was_alone_became_its_object() {
        let key: ObjectKey = "image.bin".parse().unwrap();
        let at = |hour: i64| Timestamp::from_second(hour * 3_600).unwrap();
        let claims = Claims::default();
        claims.completed(&key, at(0));
        assert!(!claims.is_clean(&key), "another process may have begun it");
        claims.claim(&key, "u", true, at(0));
        claims.completed(&key, at(0));
        assert!(!claims.is_clean(&key), "others were listed");
        claims.claim(&key, "u", true, at(0));
        claims.alone(&key);
        assert!(!claims.is_clean(&key), "it is not complete");
        claims.completed(&key, at(1));
        assert!(claims.is_clean(&key));
        claims.completed(&"other.bin".parse().unwrap(), at(25));
        assert!(!claims.is_clean(&key), "it is forgotten after a day");
    }
}
