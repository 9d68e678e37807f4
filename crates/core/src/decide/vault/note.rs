//! Says what stands for a source image that EC2 does not show: the note of what it showed before.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ManifestFact, Observed, Terms};
use crate::manifest::{Note, Teller};
use crate::model::{Image, ImageState};
use crate::names::RecoveryPointId;
use crate::planted::{Bug, has};
use crate::ports::SmallObject;

/// What is known of a note of the source image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NoteFact {
    /// There is none, or it was not asked for.
    #[default]
    Absent,
    /// What is there cannot be used.
    Unreadable(String),
    /// The vault's own, beside the object.
    Kept(Box<Note>),
    /// The one that the source left beside the staged object.
    Staged(Box<Note>),
}

impl NoteFact {
    /// What was read beside the object in the vault.
    pub fn kept(found: Option<&SmallObject>, id: &RecoveryPointId) -> Self {
        Self::read(found, id, Self::Kept)
    }

    /// What was read beside the staged object. The source wrote it, whatever it says about who saw the
    /// image.
    pub fn staged(found: Option<&SmallObject>, id: &RecoveryPointId) -> Self {
        Self::read(found, id, |mut note| {
            note.told_by = Teller::Source;
            Self::Staged(note)
        })
    }

    fn read(
        found: Option<&SmallObject>,
        id: &RecoveryPointId,
        fact: impl FnOnce(Box<Note>) -> Self,
    ) -> Self {
        match found.map(|found| Note::from_json(&found.bytes, id)) {
            None => Self::Absent,
            Some(Ok(note)) => fact(Box::new(note)),
            Some(Err(why)) => Self::Unreadable(format!("the note of the source image: {why}")),
        }
    }

    /// The note, if it can be read.
    pub fn note(&self) -> Option<&Note> {
        match self {
            Self::Kept(note) | Self::Staged(note) => Some(note),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// Why the vault's note is not what the vault wrote: it was written once, under a fence, and nothing
/// of ours hides it. Only told of something that the vault holds.
pub fn rewritten(observed: &Observed) -> Option<String> {
    let is_held = observed.object.is_some() || observed.manifest != ManifestFact::Absent;
    let (is_rewritten, versions) = (observed.notes > 1, observed.notes);
    (is_held && is_rewritten)
        .then(|| format!("source.json has {versions} versions, counting a delete marker over them"))
}

/// Whether a note matters to the decision. If not, no call asks for one.
///
/// It does if EC2 does not show the source image, nothing is recorded, and there is data that can
/// still become a recovery point. While the source does not answer, only what is in the vault is
/// finished.
pub fn needs_note(observed: &Observed) -> bool {
    let is_staged =
        observed.staged.as_ref().is_some_and(|staged| staged.size > 0) && observed.source_asked;
    observed.living().is_none()
        && observed.manifest == ManifestFact::Absent
        && (observed.object.is_some() || is_staged)
        && !has(Bug::NotesUnread)
}

impl Observed {
    /// The source image, as EC2 shows it.
    fn living(&self) -> Option<&Image> {
        self.source.as_ref().filter(|image| image.state != ImageState::Deregistered)
    }

    /// The note that stands for the source image, if one does. What the source left never does for one
    /// that may still be there.
    pub(super) fn note_in_use(&self) -> Option<&Note> {
        let is_ours = matches!(self.note, NoteFact::Kept(_));
        self.note.note().filter(|_| needs_note(self) && (is_ours || self.source_asked))
    }

    /// The source image as EC2 shows it, or else as it was noted.
    ///
    /// # Errors
    /// There is neither; with why the note cannot be used, if that is so.
    pub(super) fn image(&self) -> Result<Cow<'_, Image>, Option<&str>> {
        if let Some(note) = self.note_in_use() {
            return Ok(Cow::Owned(note.image()));
        }
        match (&self.note, &self.source) {
            (NoteFact::Unreadable(why), _) if needs_note(self) => Err(Some(why)),
            (_, Some(image)) => Ok(Cow::Borrowed(image)),
            (_, None) => Err(None),
        }
    }

    /// The note to write beside the copy: of the image, or what was noted of it before.
    pub(super) fn note_under(&self, terms: &Terms, now: Timestamp) -> Option<Note> {
        let governed = (terms.policy.as_str(), terms.family.as_str(), terms.tier);
        match (self.note_in_use(), &self.source) {
            (Some(note), _) => Some(note.clone().under(governed)),
            (None, Some(image)) => {
                Some(Note::of(image, &self.id.source(), governed, Teller::Vault, now))
            }
            (None, None) => None,
        }
    }
}
