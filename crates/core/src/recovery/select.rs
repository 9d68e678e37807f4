//! Which recovery points a person means.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::ImageId;
use crate::manifest::Manifest;
use crate::names::SourceId;
use crate::policy::Pattern;

/// What is to be restored.
///
/// Images that are named come in addition to those that the rest selects. The kinds of the rest narrow each other; several families or policies widen, and an image must
/// have every tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Source images by their ids.
    pub images: BTreeSet<ImageId>,
    /// Families by their names; `*` stands for any characters.
    pub families: Vec<Pattern>,
    /// Policies by their names, as recorded.
    pub policies: Vec<Pattern>,
    /// Tags of the source image, as recorded: a key and a pattern of its value.
    pub tags: Vec<(String, Pattern)>,
    /// Only source images that were created by this time.
    pub as_of: Option<Timestamp>,
    /// Every recovery point, and not only the newest usable one of each family.
    pub all: bool,
}

/// A recorded recovery point that a selection may choose.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What is recorded of it.
    pub manifest: &'a Manifest,
    /// Whether it can be restored, or is restored.
    pub usable: bool,
}

/// What a selection comes to: positions in the candidates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Those to restore.
    pub wanted: BTreeSet<usize>,
    /// Those that would have been chosen, and cannot be restored: older ones take their places where
    /// there are some.
    pub unusable: BTreeSet<usize>,
}

/// A family that is selected and has nothing so old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooYoung {
    pub source: SourceId,
    /// Its policy, as recorded.
    pub policy: String,
    pub family: String,
    /// When its oldest image was created.
    pub oldest: Timestamp,
}

/// A family as all of amiferry counts it: of two policies, two families can have one name.
type Family<'a> = (SourceId, &'a str, &'a str);

fn family_of(manifest: &Manifest) -> Family<'_> {
    (manifest.recovery_point.source(), &manifest.policy, &manifest.family)
}

impl Selection {
    /// Whether it selects nothing at all.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && !self.is_general()
    }

    /// Whether it selects more than images by their ids.
    pub fn is_general(&self) -> bool {
        self.all || self.as_of.is_some() || self.narrows()
    }

    fn narrows(&self) -> bool {
        !self.families.is_empty() || !self.policies.is_empty() || !self.tags.is_empty()
    }

    /// Whether a recovery point may be chosen: only these need to be asked about.
    pub fn may_choose(&self, manifest: &Manifest) -> bool {
        self.images.contains(&manifest.recovery_point.source_image_id)
            || (self.is_general() && self.fits(manifest))
    }

    fn fits(&self, manifest: &Manifest) -> bool {
        let any = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        let tags = &manifest.source.shape.tags;
        let has_tag =
            |(key, value): &(String, Pattern)| tags.get(key).is_some_and(|tag| value.matches(tag));
        any(&self.families, &manifest.family)
            && any(&self.policies, &manifest.policy)
            && self.tags.iter().all(has_tag)
            && self.as_of.is_none_or(|by| manifest.source.created_at <= by)
    }

    /// The families that are selected and have nothing so old.
    pub fn too_young<'a>(&self, manifests: impl Iterator<Item = &'a Manifest>) -> Vec<TooYoung> {
        let Some(by) = self.as_of else { return Vec::new() };
        let anytime = Self { as_of: None, ..self.clone() };
        let mut oldest: BTreeMap<Family<'_>, Timestamp> = BTreeMap::new();
        for manifest in manifests.filter(|manifest| anytime.fits(manifest)) {
            let created = manifest.source.created_at;
            let known = oldest.entry(family_of(manifest)).or_insert(created);
            *known = created.min(*known);
        }
        let late = oldest.into_iter().filter(|(_, created)| *created > by);
        let late = late.map(|((source, policy, family), oldest)| {
            let (policy, family) = (policy.to_owned(), family.to_owned());
            TooYoung { source, policy, family, oldest }
        });
        late.collect()
    }

    /// Chooses among recorded recovery points: those that are named, and of the others all, or the
    /// newest usable one of each family.
    pub fn choose(&self, candidates: &[Candidate<'_>]) -> Chosen {
        let mut chosen = Chosen::default();
        let mut families: BTreeMap<Family<'_>, Vec<usize>> = BTreeMap::new();
        for (index, Candidate { manifest, .. }) in candidates.iter().enumerate() {
            let is_named = self.images.contains(&manifest.recovery_point.source_image_id);
            let is_meant = self.is_general() && self.fits(manifest);
            if is_named || (is_meant && self.all) {
                chosen.take(index, candidates);
            } else if is_meant {
                families.entry(family_of(manifest)).or_default().push(index);
            }
        }
        for mut members in families.into_values() {
            members.sort_by_key(|index| {
                let manifest = candidates[*index].manifest;
                let image = &manifest.recovery_point.source_image_id;
                std::cmp::Reverse((manifest.source.created_at, image))
            });
            for index in members {
                chosen.take(index, candidates);
                if candidates[index].usable {
                    break;
                }
            }
        }
        chosen
    }

    /// What is named and fits none of these, in words.
    pub fn unmatched<'a>(
        &self,
        manifests: impl Iterator<Item = &'a Manifest> + Clone,
    ) -> Vec<String> {
        let images = self.images.iter().filter(|image| {
            !manifests.clone().any(|one| one.recovery_point.source_image_id == **image)
        });
        let families =
            self.families.iter().filter(|name| !manifests.clone().any(|m| name.matches(&m.family)));
        let policies =
            self.policies.iter().filter(|name| !manifests.clone().any(|m| name.matches(&m.policy)));
        let tags = self.tags.iter().filter(|(key, value)| {
            let has = |m: &Manifest| m.source.shape.tags.get(key).is_some_and(|t| value.matches(t));
            !manifests.clone().any(has)
        });
        images
            .map(|image| format!("image {image}"))
            .chain(families.map(|name| format!("family {name}")))
            .chain(policies.map(|name| format!("policy {name}")))
            .chain(tags.map(|(key, value)| format!("tag {key}={value}")))
            .collect()
    }
}

impl Chosen {
    fn take(&mut self, index: usize, candidates: &[Candidate<'_>]) {
        match candidates[index].usable {
            true => self.wanted.insert(index),
            false => self.unusable.insert(index),
        };
    }
}
