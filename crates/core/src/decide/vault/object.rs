//! Compares the object in the vault with the staged object or its record, or decides to copy it.

use jiff::{SignedDuration, Timestamp};

use super::{COPIED_CHECKSUM, CopyOrder, Effect, ManifestFact, Next, View};
use crate::code::Code;
use crate::decide::Decision;
use crate::manifest::VaultObject;
use crate::model::{Checksum, ImageState, KeyVerdict, Retention, RetentionMode, StoredObject};
use crate::planted::{Bug, has};

/// How long a copy may take between the decision that fixes its retention and its last byte.
const LONGEST_COPY: SignedDuration = SignedDuration::from_hours(48);

impl View<'_> {
    /// The vault object: copied, equal to the staged one, and protected.
    pub(super) fn object(&self) -> Next<VaultObject> {
        let Some(object) = &self.observed.object else { return self.copy() };
        // Where the owner wants it there, only a restore has to wait for it.
        if let Some(archived) = &object.archived
            && self.terms.depth.is_none_or(|allowed| archived.depth() > allowed)
        {
            return self.park(Code::ObjectArchived, archived.to_string());
        }
        let Some(checksum) = &object.checksum else {
            return self.park(Code::VaultObjectMismatch, "it has no checksum");
        };
        // A recorded object outlives the staged one, which the source may expire, replace or store
        // again with other bytes. Before the manifest, only the staged object says what the vault
        // object must be.
        let (code, whose, size, expected) = match (&self.observed.manifest, self.staged()) {
            // Whatever its own metadata says: what replaces a recorded object must be proven.
            (ManifestFact::Present(_), Some(staged)) if self.replaces(object) => {
                let checksum = match copyable(staged) {
                    Ok(checksum) => checksum,
                    Err(why) => return self.park(Code::StagedWithoutChecksum, why),
                };
                (Code::ManifestMismatch, "staged", staged.size, checksum)
            }
            (ManifestFact::Present(_), None) if self.replaces(object) => {
                let detail =
                    "it is not the recorded version, and nothing is staged to compare it with";
                return self.park(Code::ManifestMismatch, detail);
            }
            (ManifestFact::Present(manifest), _) => {
                let recorded = &manifest.vault_object;
                (Code::ManifestMismatch, "recorded", recorded.size, &recorded.checksum)
            }
            // Whatever is staged now: this is a complete copy of an earlier object, and cannot be
            // replaced.
            (ManifestFact::Absent, _) if is_our_copy(object, checksum) => {
                (Code::VaultObjectMismatch, "copied", object.size, checksum)
            }
            (_, Some(staged)) => {
                let checksum = match copyable(staged) {
                    Ok(checksum) => checksum,
                    Err(why) => return self.park(Code::StagedWithoutChecksum, why),
                };
                (Code::VaultObjectMismatch, "staged", staged.size, checksum)
            }
            (_, None) if self.observed.staged.is_some() => {
                return self.not_staged("the staged object is empty so far");
            }
            // It expired between the copy and the record, or never was.
            (_, None) => {
                let detail = "nothing is staged to compare the vault object with";
                return self.park(Code::StagedObjectUnverifiable, detail);
            }
        };
        if object.size != size || checksum != expected {
            let detail = format!(
                "{} bytes with checksum {checksum} in the vault, {size} with {expected} {whose}",
                object.size
            );
            return self.park(code, detail);
        }
        // Keys are changed for new copies; a recorded one keeps the key it was recorded with.
        let key = match &self.observed.manifest {
            ManifestFact::Present(manifest) if !self.replaces(object) => {
                manifest.vault_object.key.as_deref()
            }
            _ => Some(self.vault.key.as_str()),
        };
        if object.key.is_none() || object.key.as_deref() != key {
            let key = object.key.as_deref().unwrap_or("no KMS key");
            return self.park(Code::VaultObjectUnprotected, format!("encrypted with {key}"));
        }
        match self.lock(object) {
            Lock::Holds => {}
            Lock::Lengthen(_) if has(Bug::LockNotLengthened) => {
                return self.park(Code::VaultObjectUnprotected, "locked for too short");
            }
            Lock::Lengthen(retention) => {
                return Next::Decided(Decision::Act(Effect::Lock(object.at.clone(), retention)));
            }
            Lock::Lacks(why) => return self.park(Code::VaultObjectUnprotected, why),
        }
        let unusable = match &self.vault.key_verdict {
            KeyVerdict::Unusable(why) if object.key.as_deref() == Some(self.vault.key.as_str()) => {
                Some(why)
            }
            _ => object.key.as_ref().and_then(|key| self.observed.unusable_keys.get(key)),
        };
        if let Some(why) = unusable {
            return self.park(Code::KeyUnusable, why.clone());
        }
        Next::Checked(VaultObject {
            at: object.at.clone(),
            size: object.size,
            checksum: checksum.clone(),
            key: object.key.clone(),
            retention: object.retention.clone(),
            class: object.class.clone(),
        })
    }

    /// Whether this is another version than the recorded one.
    fn replaces(&self, object: &StoredObject) -> bool {
        match &self.observed.manifest {
            ManifestFact::Present(manifest) => manifest.vault_object.at != object.at,
            ManifestFact::Absent | ManifestFact::Unreadable(_) | ManifestFact::Pruned(_) => false,
        }
    }

    /// The staged object, once it is not empty.
    fn staged(&self) -> Option<&StoredObject> {
        self.observed.staged.as_ref().filter(|staged| staged.size > 0)
    }

    fn copy(&self) -> Next<VaultObject> {
        let is_recorded = matches!(self.observed.manifest, ManifestFact::Present(_));
        let mut source = self.observed.source.iter();
        if is_recorded && !source.any(|image| image.state == ImageState::Available) {
            return self.park(Code::ObjectLost, "nothing is under its key");
        }
        let Some(staged) = self.staged() else {
            if is_recorded {
                let detail = "nothing is under its key; its image is to be stored again";
                return self.park(Code::ObjectLost, detail);
            }
            return self.not_staged("no staged object");
        };
        let checksum = match copyable(staged) {
            Ok(checksum) => checksum,
            Err(why) => return self.park(Code::StagedWithoutChecksum, why),
        };
        let keys = [Some(&self.vault.key_verdict), self.observed.staged_key.as_ref()];
        for verdict in keys.into_iter().flatten() {
            if let KeyVerdict::Unusable(why) = verdict {
                return self.park(Code::KeyUnusable, why.clone());
            }
        }
        if let Some(until) = self.observed.claimed_until {
            let (code, detail) = (Code::CopyRunning, String::new());
            return Next::Decided(Decision::Wait { until, code, detail });
        }
        Next::Decided(Decision::Act(Effect::Copy(Box::new(CopyOrder {
            staged: staged.clone(),
            checksum: checksum.clone(),
            retention: self.terms.retention.map(|span| Retention {
                mode: self.vault.lock_mode,
                until: span.after(self.later.now),
            }),
            class: self.terms.class,
            note: self.observed.note_under(self.terms, self.later.now),
        }))))
    }

    /// Waits for the source worker; the staged object's event ends the wait sooner.
    fn not_staged<T>(&self, detail: &str) -> Next<T> {
        Next::Decided(Decision::Wait {
            until: self.later.pace.park.after(self.later.now),
            code: Code::NotStaged,
            detail: detail.to_owned(),
        })
    }

    /// Whether the object is locked as the policy demands. Retention counts from the decision to
    /// copy, so it is compared with the time of writing less the longest copy, and not with now.
    ///
    /// After the manifest, the recorded retention must still hold, and a policy that demands more
    /// since then applies only to new copies.
    fn lock(&self, object: &StoredObject) -> Lock {
        if let ManifestFact::Present(manifest) = &self.observed.manifest
            && !self.replaces(object)
        {
            let Some(recorded) = &manifest.vault_object.retention else { return Lock::Holds };
            let kept = object.retention.as_ref().is_some_and(|retention| {
                retention.until >= recorded.until
                    && (retention.mode == recorded.mode
                        || retention.mode == RetentionMode::Compliance)
            });
            return match kept {
                true => Lock::Holds,
                false => Lock::Lacks(format!("less retention than recorded, {}", recorded.until)),
            };
        }
        let Some(span) = self.terms.retention else { return Lock::Holds };
        let Some(retention) = &object.retention else {
            return Lock::Lacks("no Object Lock retention is visible".to_owned());
        };
        let strict = self.vault.lock_mode == RetentionMode::Compliance;
        if strict && retention.mode != RetentionMode::Compliance {
            let why = "locked in governance mode, compliance is configured";
            return Lock::Lacks(why.to_owned());
        }
        let written = object.last_modified.unwrap_or(self.later.now);
        let until = span.after(written);
        if retention.until.saturating_add(LONGEST_COPY).unwrap_or(Timestamp::MAX) < until {
            return Lock::Lengthen(Retention { mode: retention.mode, until });
        }
        Lock::Holds
    }
}

/// The checksum of a staged object that its copy will have too, or where the object is that has none.
fn copyable(staged: &StoredObject) -> Result<&Checksum, String> {
    let place = format!("s3://{}/{}", staged.at.bucket, staged.at.key);
    match &staged.checksum {
        Some(checksum) if checksum.can_be_copied() => Ok(checksum),
        Some(checksum) => Err(format!("{place} has {checksum}")),
        None => Err(place),
    }
}

/// The state of the lock of an object in the vault.
enum Lock {
    /// It is as it must be.
    Holds,
    /// It ends too early: the image was copied under another policy than it has now.
    Lengthen(Retention),
    /// It is not the lock that was written, so extending it would not help.
    Lacks(String),
}

/// Whether the staged object matters to the next step: to copy it, or to compare the copy with it.
pub(super) fn needs_staged(object: Option<&StoredObject>, manifest: &ManifestFact) -> bool {
    match (manifest, object) {
        // Lost after its record, or replaced since.
        (ManifestFact::Present(manifest), object) => {
            object.map(|object| &object.at) != Some(&manifest.vault_object.at)
        }
        (ManifestFact::Unreadable(_) | ManifestFact::Pruned(_), _) => false,
        (ManifestFact::Absent, None) => true,
        (ManifestFact::Absent, Some(object)) => {
            !object.checksum.as_ref().is_some_and(|checksum| is_our_copy(object, checksum))
        }
    }
}

/// Whether the object's metadata says that it is a copy of a staged version with these bytes. Only
/// the vault's own worker writes there, and S3 completed the copy only with that checksum.
fn is_our_copy(object: &StoredObject, checksum: &Checksum) -> bool {
    object.metadata.get(COPIED_CHECKSUM).is_some_and(|copied| *copied == checksum.value)
        && !has(Bug::CopyOriginForgotten)
}
