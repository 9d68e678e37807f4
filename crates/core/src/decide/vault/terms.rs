//! Says what is promised about a recovery point: by the policy as it is now, or by its manifest.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Judged, Later, ManifestFact, NoteFact, Observed};
use crate::code::{Code, Kind};
use crate::decide::eligibility::{self, LeftOut};
use crate::decide::shown;
use crate::manifest::{ALLOWED_SKEW, Manifest, Note, SourceRecord, Unseen, WhyUnseen};
use crate::model::{Depth, Image, ImageState};
use crate::names::{self, RecoveryPointId, tag};
use crate::policy::{Policies, Policy, StorageClass, Tier};
use crate::shape::{Acceptable, Shape, not_demanded};
use crate::span::Span;

/// What is promised about this recovery point, and the source image to compare it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The policy's name.
    pub policy: String,
    pub family: String,
    /// What it must hold.
    pub tier: Tier,
    /// The source image.
    pub source: SourceRecord,
    /// How long the copy is locked.
    pub retention: Option<Span>,
    /// The storage class of the copy.
    pub class: StorageClass,
    /// How deep in an archive the object may be; `None`: it is to be read at once.
    pub depth: Option<Depth>,
    /// Whether a plaintext restore is accepted.
    pub accept_plaintext: bool,
    /// Attributes in which the restored image may differ.
    pub accept_differences: BTreeSet<Acceptable>,
}

impl Terms {
    /// What they promise.
    pub fn promised(&self) -> Promised {
        Promised {
            policy: self.policy.clone(),
            family: self.family.clone(),
            tier: self.tier,
            created: self.source.created_at,
        }
    }
}

/// The terms of a recovery point at `now`: once recorded, those of its record. Before that, those of
/// the policy that selects its image now, or selected it when the restore began.
///
/// What the image says after the record moves nothing: an intruder in the source could mislabel what
/// the vault has. Only a policy that is no longer configured is replaced by the present one.
///
/// # Errors
/// Why the image is left out.
pub fn terms(policies: &Policies, observed: &Observed, now: Timestamp) -> Result<Terms, LeftOut> {
    if let Some(left_out) = pruned(observed) {
        return Err(left_out);
    }
    let governed = governed(policies, observed, now);
    if let ManifestFact::Present(manifest) = &observed.manifest {
        let recorded = policies.named(&manifest.policy);
        let policy = recorded.or(governed.ok().map(|(_, policy)| policy));
        return Ok(Terms {
            policy: policy.map_or(manifest.policy.clone(), |policy| policy.name.to_string()),
            family: manifest.family.clone(),
            tier: observed.recovery.as_ref().map_or(manifest.tier, |_| Tier::Ready),
            source: manifest.source.clone(),
            // For an object that replaces the recorded one.
            retention: policy.and_then(|policy| policy.retention),
            class: policy.map(|policy| policy.storage_class).unwrap_or_default(),
            depth: allowed(observed, manifest, policy),
            accept_plaintext: policy.is_some_and(|policy| policy.accept_plaintext),
            accept_differences: policy
                .map(|policy| policy.accept_differences.clone())
                .unwrap_or_default(),
        });
    }
    let (image, policy) = governed?;
    let begun = begun(policies, observed).filter(|(begun, _)| begun.tier == policy.tier);
    let policy = begun.as_ref().map_or(policy, |(policy, _)| policy);
    let mut source = described(observed, &image);
    source.shape = Shape {
        uefi_data: observed.uefi_data.source,
        ..shape_when_copied(source.shape, observed.restored.last())
    };
    Ok(Terms {
        policy: policy.name.to_string(),
        family: begun.map_or_else(|| policy.family.of(&image), |(_, family)| family),
        tier: policy.tier,
        source,
        retention: policy.retention,
        class: policy.storage_class,
        depth: policy.depth(),
        accept_plaintext: policy.accept_plaintext,
        accept_differences: policy.accept_differences.clone(),
    })
}

/// How deep in an archive a recorded object may be: as its policy says, or as it was recorded. A person
/// who wants its image waits for any.
fn allowed(observed: &Observed, manifest: &Manifest, policy: Option<&Policy>) -> Option<Depth> {
    if observed.recovery.is_some() {
        return Some(Depth::Deep);
    }
    policy.and_then(Policy::depth).max(manifest.vault_object.depth())
}

/// The source image, seen or noted, and the policy that selects it now.
fn governed<'p, 'o>(
    policies: &'p Policies,
    observed: &'o Observed,
    now: Timestamp,
) -> Result<(Cow<'o, Image>, &'p Policy), LeftOut> {
    let image = observed.image().map_err(|detail| LeftOut {
        code: detail.as_ref().map_or(Code::ImageGone, |_| Code::NoteUnusable),
        detail: match detail {
            Some(why) => shown(why),
            None => format!("EC2 does not show {}", observed.id.source_image_id),
        },
    })?;
    let policy = eligibility::governing(policies, &observed.id.source(), &image, now)
        .and_then(|policy| into_vault(policy, &observed.id))?;
    if let Some(note) = observed.note_in_use()
        && let NoteFact::Staged(_) = observed.note
        && let Some(detail) = disagreement(note, observed, policy, &image)
    {
        return Err(LeftOut { code: Code::NoteUnusable, detail: shown(detail) });
    }
    Ok((image, policy))
}

/// Why a note that the source left is not believed: it contradicts what it tells of the image, or
/// what the staged object shows.
fn disagreement(
    note: &Note,
    observed: &Observed,
    policy: &Policy,
    image: &Image,
) -> Option<String> {
    let family = policy.family.of(image);
    if note.policy != policy.name.as_str() || note.family != family {
        let theirs = format!("family {} of policy {}", note.family, note.policy);
        let ours = format!("family {family} of policy {}", policy.name);
        return Some(format!("the source noted {theirs}, and the image that it noted is {ours}"));
    }
    let stored = observed.staged.as_ref()?.last_modified?;
    let created = image.created;
    let is_younger = created.duration_since(stored) > ALLOWED_SKEW;
    is_younger.then(|| {
        format!("the source noted that it was created at {created}, and it was stored at {stored}")
    })
}

/// What is to be recorded of the source image.
fn described(observed: &Observed, image: &Image) -> SourceRecord {
    match observed.note_in_use() {
        None => SourceRecord::of(image),
        Some(note) => SourceRecord {
            unseen: Some(Unseen {
                why: if observed.source_asked { WhyUnseen::Gone } else { WhyUnseen::NotAsked },
                told_by: note.told_by,
            }),
            ..note.source.clone()
        },
    }
}

/// Policy and family under which the restore began, as its tags say: the record says the same.
fn begun<'p>(policies: &'p Policies, observed: &Observed) -> Option<(&'p Policy, String)> {
    let copy = observed.restored.last().filter(|copy| {
        copy.owner == observed.id.target_account && names::is_tagged_for(&observed.id, &copy.tags)
    })?;
    let policy = policies.named(copy.tags.get(tag::POLICY)?)?;
    let covers = policy.covers(&observed.id.vault()) && policy.tier == Tier::Ready;
    covers.then(|| Some((policy, copy.tags.get(tag::FAMILY)?.clone()))).flatten()
}

/// What the image of a recorded recovery point says now about its policy and family, if that is
/// not what was recorded.
pub fn finding(policies: &Policies, observed: &Observed, now: Timestamp) -> Option<String> {
    let ManifestFact::Present(manifest) = &observed.manifest else { return None };
    let recorded = format!("recorded as family {} of policy {}", manifest.family, manifest.policy);
    match governed(policies, observed, now) {
        Ok((image, policy)) => {
            let family = policy.family.of(&image);
            let same = family == manifest.family && policy.name.as_str() == manifest.policy;
            let says = format!("its image says family {family} of policy {} now", policy.name);
            match same {
                true => reshaped(observed).or_else(|| lost_rules(manifest)).map(shown),
                false => Some(shown(format!("{recorded}; {says}"))),
            }
        }
        Err(LeftOut { code: Code::NoPolicy, .. }) => {
            Some(shown(format!("{recorded}; {TAKEN_OUT}")))
        }
        Err(_) => None,
    }
}

/// What is found of an image that no policy selects any more.
const TAKEN_OUT: &str = "no policy selects its image now";

/// Whether a [`finding`] says that no policy selects the image any more.
pub fn is_taken_out(finding: &str) -> bool {
    finding.ends_with(TAKEN_OUT)
}

/// What the living image shows otherwise than its record. EC2 changes none of it, so an answer was
/// wrong, then or now; a restored image is compared with the record itself.
fn reshaped(observed: &Observed) -> Option<String> {
    let (Some(image), ManifestFact::Present(manifest)) = (&observed.source, &observed.manifest)
    else {
        return None;
    };
    let recorded = &manifest.source.shape;
    // Their owner may change these at any time.
    let mut living = Shape::of(image);
    living.tags.clone_from(&recorded.tags);
    living.imds_support.clone_from(&recorded.imds_support);
    living.billing.clone_from(&recorded.billing);
    living.launch_rules.clone_from(&recorded.launch_rules);
    let differences = recorded.differences(&living);
    let first = differences.first()?;
    let (attribute, was, is) = (&first.attribute, &first.source, &first.restored);
    Some(format!("recorded with {attribute} {was}; its image shows {is} now"))
}

/// What launches of the restored image are no longer held to, although those of its source are.
fn lost_rules(manifest: &Manifest) -> Option<String> {
    let differences = manifest.restored.iter().flat_map(|copy| &copy.accepted_differences);
    let lost: Vec<String> = differences
        .filter_map(|found| {
            let (attribute, was, is) = (&found.attribute, &found.source, &found.restored);
            Some(format!("{attribute}: {was} became {is}; {}", not_demanded(found)?))
        })
        .collect();
    (!lost.is_empty()).then(|| lost.join("; "))
}

/// Why the living image cannot be the one that was recorded.
pub(super) fn contradiction(observed: &Observed) -> Option<String> {
    let (image, manifest) = match (&observed.source, &observed.manifest) {
        (Some(image), ManifestFact::Present(manifest)) => (image, manifest),
        _ => return None,
    };
    let source = &manifest.source;
    (image.created != source.created_at)
        .then(|| format!("an image created at {}", source.created_at))
}

impl Judged {
    /// What follows where nothing is promised any more.
    pub(super) fn left_out(left_out: LeftOut, later: Later) -> Self {
        let decision = later.left_out(left_out.clone());
        let (terms, promised, loss, finding) = (None, None, None, None);
        Self { terms, promised, left_out: Some(left_out), decision, loss, finding }
    }
}

/// That it was given up, if it was: nothing is stored, copied or restored for it any more.
pub(super) fn pruned(observed: &Observed) -> Option<LeftOut> {
    let ManifestFact::Pruned(manifest) = &observed.manifest else { return None };
    let (family, policy) = (&manifest.family, &manifest.policy);
    let detail = shown(format!("family {family} of policy {policy}"));
    Some(LeftOut { code: Code::Pruned, detail })
}

/// What a policy promises about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    pub policy: String,
    pub family: String,
    /// What its recovery points hold.
    pub tier: Tier,
    /// When the image was created.
    pub created: Timestamp,
}

/// The policy and the family of a recovery point whose record does not say them. No policy can be
/// called so.
pub const UNKNOWN: &str = "(unknown)";

impl Promised {
    /// What is promised about something in the vault of which only its place is known.
    pub(super) fn unknown(observed: &Observed, now: Timestamp) -> Self {
        let written = observed.object.as_ref().and_then(|object| object.last_modified);
        let created = observed.source.as_ref().map(|image| image.created);
        Self {
            policy: UNKNOWN.to_owned(),
            family: UNKNOWN.to_owned(),
            tier: Tier::Archive,
            created: created.or(written).unwrap_or(now),
        }
    }
}

/// What is promised about something in the vault of which nothing can be read: by its image, if
/// that is known, or else unknown.
pub fn promised_unread(
    policies: &Policies,
    id: &RecoveryPointId,
    image: Option<&Image>,
    now: Timestamp,
) -> Promised {
    let observed = Observed { source: image.cloned(), ..Observed::nothing(id.clone()) };
    match terms(policies, &observed, now) {
        Ok(terms) => terms.promised(),
        Err(_) => Promised::unknown(&observed, now),
    }
}

/// What a policy promises about an image that is left out for `code`.
///
/// Nothing, where the code's kind is [`Kind::LeftOut`] or the policy does not cover the vault.
pub fn promised(policies: &Policies, observed: &Observed, code: Code) -> Option<Promised> {
    if code.kind() == Kind::LeftOut {
        return None;
    }
    promised_of(policies, &observed.id, observed.source.as_ref())
}

/// What a policy promises about an image of which nothing else could be observed.
pub fn promised_of(
    policies: &Policies,
    id: &RecoveryPointId,
    image: Option<&Image>,
) -> Option<Promised> {
    let image = image?;
    let policy = policies.governing(&id.source(), image)?;
    policy.covers(&id.vault()).then(|| Promised {
        policy: policy.name.to_string(),
        family: policy.family.of(image),
        tier: policy.tier,
        created: image.created,
    })
}

/// The shape that the copy must have. A tag that the restored image lacks is ignored: the restore
/// took all tags of its time, so the owner added or changed this one later, and waiting for it would
/// block the record forever.
fn shape_when_copied(mut shape: Shape, copy: Option<&Image>) -> Shape {
    if let Some(copy) = copy.filter(|copy| copy.state == ImageState::Available) {
        shape.tags.retain(|key, value| copy.tags.get(key) == Some(value));
    }
    shape
}

fn into_vault<'p>(policy: &'p Policy, id: &RecoveryPointId) -> Result<&'p Policy, LeftOut> {
    if policy.covers(&id.vault()) {
        return Ok(policy);
    }
    Err(LeftOut {
        code: Code::NoPolicy,
        detail: format!("policy {} has no copies in {}", policy.name, id.vault()),
    })
}
