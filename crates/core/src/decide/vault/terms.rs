//! Says what is promised about a recovery point: by the policy as it is now, or by its manifest.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{ManifestFact, Observed};
use crate::code::{Code, Kind};
use crate::decide::eligibility::{self, LeftOut};
use crate::manifest::{Manifest, SourceRecord};
use crate::model::{Image, ImageState};
use crate::names::RecoveryPointId;
use crate::policy::{Policies, Policy, Tier};
use crate::shape::{Acceptable, Shape};
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

/// The terms of a recovery point at `now`: those of the present policy, or of the manifest if the
/// source is gone. The recorded tier stays, so a later policy does not undo a complete recovery
/// point.
///
/// # Errors
/// Why the image is left out.
pub fn terms(policies: &Policies, observed: &Observed, now: Timestamp) -> Result<Terms, LeftOut> {
    let manifest = match &observed.manifest {
        ManifestFact::Present(manifest) => Some(manifest.as_ref()),
        ManifestFact::Absent | ManifestFact::Unreadable(_) => None,
    };
    let governed = match &observed.source {
        Some(image) => {
            let policy = eligibility::governing(policies, &observed.id.source(), image, now)
                .and_then(|policy| into_vault(policy, &observed.id));
            policy.map(|policy| (image, policy))
        }
        None => Err(LeftOut {
            code: Code::ImageGone,
            detail: format!("EC2 does not show {}", observed.id.source_image_id),
        }),
    };
    match (governed, manifest) {
        (Ok((image, policy)), manifest) => Ok(Terms {
            policy: policy.name.to_string(),
            family: policy.family.of(image),
            tier: manifest.map_or(policy.tier, |manifest| manifest.tier),
            source: SourceRecord {
                name: image.name.clone(),
                created_at: image.created,
                size_gib: image.size_gib(),
                shape: Shape {
                    uefi_data: match manifest {
                        Some(manifest) => manifest.source.shape.uefi_data,
                        None => observed.uefi_data.source,
                    },
                    ..shape_when_copied(image, manifest, observed.restored.last())
                },
            },
            retention: policy.retention,
            accept_plaintext: policy.accept_plaintext,
            accept_differences: policy.accept_differences.clone(),
        }),
        (Err(_), Some(manifest)) => {
            let policy = policies.named(&manifest.policy);
            Ok(Terms {
                policy: manifest.policy.clone(),
                family: manifest.family.clone(),
                tier: manifest.tier,
                source: manifest.source.clone(),
                retention: None,
                accept_plaintext: policy.is_some_and(|policy| policy.accept_plaintext),
                accept_differences: policy
                    .map(|policy| policy.accept_differences.clone())
                    .unwrap_or_default(),
            })
        }
        (Err(left_out), None) => Err(left_out),
    }
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

/// What a policy promises about an image that is left out for `code`.
///
/// Nothing, where the code's kind is [`Kind::LeftOut`] or the policy does not cover the vault.
pub fn promised(policies: &Policies, observed: &Observed, code: Code) -> Option<Promised> {
    if code.kind() == Kind::LeftOut {
        return None;
    }
    let image = observed.source.as_ref()?;
    let policy = policies.governing(&observed.id.source(), image)?;
    policy.covers(&observed.id.vault()).then(|| Promised {
        policy: policy.name.to_string(),
        family: policy.family.of(image),
        tier: policy.tier,
        created: image.created,
    })
}

/// The shape that the copy must have. Tags and IMDS version, which an owner can change on a living
/// image, count as recorded: a later change undoes no recovery point. Before the record, a tag that
/// the restored image lacks is ignored: the restore took all tags of its time, so the owner added
/// or changed this one later, and waiting for it would block the record forever.
fn shape_when_copied(image: &Image, manifest: Option<&Manifest>, copy: Option<&Image>) -> Shape {
    let mut shape = Shape::of(image);
    if let Some(Manifest { source, .. }) = manifest {
        shape.tags.clone_from(&source.shape.tags);
        shape.imds_support.clone_from(&source.shape.imds_support);
        shape.billing.clone_from(&source.shape.billing);
    } else if let Some(copy) = copy.filter(|copy| copy.state == ImageState::Available) {
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
