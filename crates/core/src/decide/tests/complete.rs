//! A recovery point is complete only while every fact holds; harmless changes do not matter.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::fixture::*;
use crate::decide::Decision;
use crate::decide::vault::{
    DefaultEncryption, LossKind, ManifestFact, Observed, Vault, judge, next_step,
};
use crate::manifest::Manifest;
use crate::model::{
    Archived, DeregistrationProtection, EbsDevice, Image, ImageState, KeyVerdict, Retention,
    RetentionMode, RootDeviceType, Snapshot, SnapshotState, StoredObject, Virtualization,
};
use crate::policy::{Policies, Tier};

#[derive(Debug, Clone)]
struct Scene {
    policies: Policies,
    vault: Vault,
    seen: Observed,
}

impl Scene {
    fn complete(tier: Tier) -> Self {
        Self { policies: policies(), vault: vault(), seen: Observed::complete(tier) }
    }

    fn is_done(&self) -> bool {
        let decision = next_step(&self.policies, &self.vault, &self.seen, PACE, now());
        matches!(decision, Decision::Done(_))
    }

    // A change of something that an earlier change has removed has nothing to do.

    fn object(&mut self, change: impl FnOnce(&mut StoredObject)) {
        if let Some(object) = &mut self.seen.object {
            change(object);
        }
    }

    fn retention(&mut self, change: impl FnOnce(&mut Retention)) {
        self.object(|object| {
            if let Some(retention) = &mut object.retention {
                change(retention);
            }
        });
    }

    fn source(&mut self, change: impl FnOnce(&mut Image)) {
        if let Some(image) = &mut self.seen.source {
            change(image);
        }
    }

    fn image(&mut self, change: impl FnOnce(&mut Image)) {
        if let Some(image) = self.seen.restored.last_mut() {
            change(image);
        }
    }

    fn device(&mut self, change: impl FnOnce(&mut EbsDevice)) {
        self.image(|image| {
            if let Some(ebs) = image.devices.iter_mut().find_map(|device| device.ebs.as_mut()) {
                change(ebs);
            }
        });
    }

    fn snapshot(&mut self, change: impl FnOnce(&mut Snapshot)) {
        if let Some(snapshot) = self.seen.snapshots.last_mut() {
            change(snapshot);
        }
    }

    fn manifest(&mut self, change: impl FnOnce(&mut Manifest)) {
        if let ManifestFact::Present(manifest) = &mut self.seen.manifest {
            change(manifest);
        }
    }
}

/// A change by name.
type Change = (&'static str, fn(&mut Scene));

/// Facts that every recovery point needs.
const FACTS: &[Change] = &[
    ("object missing", |s| s.seen.object = None),
    ("object smaller", |s| s.object(|o| o.size -= 1)),
    ("object of other bytes", |s| s.object(|o| *o = o.clone().with_checksum("b3RoZXIh"))),
    ("object without checksum", |s| s.object(|o| o.checksum = None)),
    ("object of another version", |s| s.object(|o| o.at.version = Some("vault-2".into()))),
    ("object in another bucket", |s| s.object(|o| o.at.bucket = "elsewhere".parse().unwrap())),
    ("object under another key", |s| s.object(|o| o.at.key = "x.bin".parse().unwrap())),
    ("object archived", |s| s.object(|o| o.archived = Some(Archived::in_place("DEEP_ARCHIVE")))),
    ("object without KMS key", |s| s.object(|o| o.key = None)),
    ("object with the source's KMS key", |s| s.object(|o| o.key = Some(SOURCE_KEY.into()))),
    ("object not locked", |s| s.object(|o| o.retention = None)),
    ("object's lock shortened", |s| {
        s.retention(|r| r.until = at("2026-02-19T11:59:59Z"));
    }),
    ("object's lock weakened", |s| {
        s.retention(|r| r.mode = RetentionMode::Governance);
    }),
    ("vault key unusable", |s| s.vault.key_verdict = unusable()),
    ("manifest absent", |s| s.seen.manifest = ManifestFact::Absent),
    ("manifest unreadable", |s| s.seen.manifest = ManifestFact::Unreadable("not JSON".into())),
    ("manifest of another source account", |s| {
        s.manifest(|m| m.recovery_point.source_account = VAULT.parse().unwrap());
    }),
    ("manifest of another source Region", |s| {
        s.manifest(|m| m.recovery_point.source_region = "eu-west-1".parse().unwrap());
    }),
    ("manifest of another source image", |s| {
        s.manifest(|m| m.recovery_point.source_image_id = "ami-0abcdef1".parse().unwrap());
    }),
    ("manifest of another target Region", |s| {
        s.manifest(|m| m.recovery_point.target_region = "eu-west-1".parse().unwrap());
    }),
    ("manifest of another vault", |s| {
        s.manifest(|m| m.recovery_point.target_account = "333333333333".parse().unwrap());
    }),
    ("manifest of another object version", |s| {
        s.manifest(|m| m.vault_object.at.version = Some("vault-0".into()));
    }),
    ("manifest of another size", |s| s.manifest(|m| m.vault_object.size += 7)),
    ("manifest of another checksum", |s| {
        s.manifest(|m| m.vault_object.checksum = staged().with_checksum("eHh4").checksum.unwrap());
    }),
    ("manifest of another image", |s| {
        s.manifest(|m| {
            m.restored = Some(crate::manifest::RestoredRecord {
                image_id: "ami-0abcdef1".parse().unwrap(),
                name: "x".into(),
                snapshots: Vec::new(),
                keys: Default::default(),
                accepted_differences: Vec::new(),
                shared_with: Default::default(),
            });
        });
    }),
];

/// Facts about the restored image, which only tier `ready` needs.
const READY_FACTS: &[Change] = &[
    ("image missing", |s| s.seen.restored.clear()),
    ("image pending", |s| s.image(|i| i.state = ImageState::Pending)),
    ("image failed", |s| s.image(|i| i.state = ImageState::Failed)),
    ("image disabled", |s| s.image(|i| i.state = ImageState::Disabled)),
    ("image deregistered", |s| s.image(|i| i.state = ImageState::Deregistered)),
    ("image in an unknown state", |s| s.image(|i| i.state = ImageState::Other("odd".into()))),
    ("image of the source account", |s| s.image(|i| i.owner = SOURCE.parse().unwrap())),
    ("another image of the same kind", |s| s.image(|i| i.id = "ami-0abcdef2".parse().unwrap())),
    ("not managed", |s| s.image(|i| drop(i.tags.remove("amiferry:managed")))),
    ("tag of another source", |s| {
        s.image(|i| drop(i.tags.insert("amiferry:source-image".into(), "ami-0abcdef1".into())));
    }),
    ("tag lost", |s| s.image(|i| drop(i.tags.remove("Name")))),
    ("tag changed", |s| s.image(|i| drop(i.tags.insert("app".into(), "other".into())))),
    ("snapshot not shown", |s| drop(s.seen.snapshots.pop())),
    ("snapshot pending", |s| s.snapshot(|n| n.state = SnapshotState::Pending)),
    ("snapshot failed", |s| s.snapshot(|n| n.state = SnapshotState::Error)),
    ("snapshot in an unknown state", |s| {
        s.snapshot(|n| n.state = SnapshotState::Other("thawing".into()));
    }),
    ("snapshot in the bin", |s| s.snapshot(|n| n.state = SnapshotState::Recycled)),
    ("snapshot in plaintext", |s| s.snapshot(|n| n.encrypted = false)),
    ("snapshot with the source's key", |s| s.snapshot(|n| n.key = Some(SOURCE_KEY.into()))),
    ("snapshot without a key", |s| s.snapshot(|n| n.key = None)),
    ("EBS key unusable", |s| {
        s.vault.default_encryption = DefaultEncryption::With(EBS_KEY.parse().unwrap(), unusable());
    }),
    ("architecture", |s| s.image(|i| i.architecture = "arm64".into())),
    ("virtualization", |s| s.image(|i| i.virtualization = Virtualization::Paravirtual)),
    ("root device type", |s| s.image(|i| i.root_device_type = RootDeviceType::InstanceStore)),
    ("root device name", |s| s.image(|i| i.root_device_name = Some("/dev/sda1".into()))),
    ("boot mode", |s| s.image(|i| i.boot_mode = None)),
    ("ENA", |s| s.image(|i| i.ena_support = false)),
    ("SR-IOV", |s| s.image(|i| i.sriov_net_support = None)),
    ("IMDS", |s| s.image(|i| i.imds_support = None)),
    ("TPM", |s| s.image(|i| i.tpm_support = None)),
    ("device lost", |s| s.image(|i| drop(i.devices.pop()))),
    ("device more", |s| s.image(|i| i.devices.push(device("/dev/xvdz", "snap-0abcdef1", 1)))),
    ("device name", |s| s.image(|i| i.devices[0].name = "/dev/xvdy".into())),
    ("ephemeral name", |s| s.image(|i| i.devices[0].virtual_name = Some("ephemeral3".into()))),
    ("device empty", |s| s.device(|e| e.snapshot = None)),
    ("device size", |s| s.device(|e| e.size_gib += 1)),
    ("device type", |s| s.device(|e| e.volume_type = Some("gp2".into()))),
    ("device operations", |s| s.device(|e| e.iops = Some(4_000))),
    ("device throughput", |s| s.device(|e| e.throughput = Some(250))),
    ("device deletion", |s| s.device(|e| e.delete_on_termination = false)),
    ("protection of an unknown kind", |s| {
        s.image(|i| i.deregistration_protection = DeregistrationProtection::Other("on".into()));
    }),
    ("public", |s| s.image(|i| i.public = true)),
    ("its launch permissions are unknown", |s| s.seen.launch_permissions = None),
    ("shared with an account", |s| s.seen.launch_permissions = Some(vec!["333333333333".into()])),
    ("unprotected", |s| {
        s.image(|i| i.deregistration_protection = DeregistrationProtection::Disabled);
    }),
    ("a squatter under a later name", |s| {
        s.seen.restored.push(restored_image(&image(), 2).with(|i| i.tags.clear()));
    }),
    ("manifest of no image", |s| s.manifest(|m| m.restored = None)),
];

/// What a recorded recovery point that lacks one of these is shown as. `None`: it is still complete,
/// or was never recorded.
fn shown(scene: &Scene) -> Option<LossKind> {
    judge(&scene.policies, &scene.vault, &scene.seen, PACE, now()).loss.map(|loss| loss.kind)
}

/// What may change around a complete recovery point without undoing it.
const HARMLESS: &[Change] = &[
    ("staged object expired", |s| s.seen.staged = None),
    ("stored again, other bytes", |s| {
        s.seen.staged = Some(staged().of_size(41).with_checksum("bmV3ISEh"));
    }),
    ("staged object replaced by an empty one", |s| s.seen.staged = Some(staged().of_size(0))),
    ("staged key off", |s| s.seen.staged_key = Some(unusable())),
    ("source retagged", |s| {
        s.seen.source = s.seen.source.take().map(|i| i.tagged("Name", "new").tagged("more", "1"));
    }),
    ("source out of its policy", |s| {
        s.seen.source = s.seen.source.take().map(|i| i.tagged("backup", "never"));
    }),
    ("source demands another IMDS version", |s| {
        s.source(|i| i.imds_support = None);
    }),
    ("source shared", |s| {
        s.source(|i| i.public = true);
    }),
    ("source disabled", |s| {
        s.seen.source = s.seen.source.take().map(|i| i.in_state(ImageState::Disabled));
    }),
    ("source gone", |s| s.seen.source = None),
    ("policy gone", |s| s.policies.0.clear()),
    ("retention lengthened", |s| {
        s.retention(|r| r.until = at("2030-01-01T00:00:00Z"));
    }),
    ("governance is enough now", |s| s.vault.lock_mode = RetentionMode::Governance),
    ("tagged in the vault", |s| s.image(|i| drop(i.tags.insert("cost".into(), "7".into())))),
    ("protected with a cooldown", |s| {
        s.image(|i| i.deregistration_protection = DeregistrationProtection::EnabledWithCooldown);
    }),
    ("EBS key state unknown", |s| {
        let unknown = KeyVerdict::Unknown("AccessDenied".into());
        s.vault.default_encryption = DefaultEncryption::With(EBS_KEY.parse().unwrap(), unknown);
    }),
    ("encryption by default off", |s| s.vault.default_encryption = DefaultEncryption::Off),
    ("devices in another order", |s| s.image(|i| i.devices.reverse())),
    ("an earlier restore had failed", |s| {
        let failed = restored_image(&image(), 1).in_state(ImageState::Failed);
        if !s.seen.restored.is_empty() {
            s.seen.restored.insert(0, failed.with(|i| i.id = "ami-0abcdef3".parse().unwrap()));
        }
    }),
    ("settling", |s| s.seen.settling = true),
];

/// What must hold for a tier.
fn facts(tier: Tier) -> Vec<Change> {
    match tier {
        Tier::Archive => FACTS.to_vec(),
        Tier::Ready => [FACTS, READY_FACTS].concat(),
    }
}

fn names(changes: &[Change]) -> Vec<&'static str> {
    changes.iter().map(|change| change.0).collect()
}

#[test]
fn complete_is_never_said_when_one_fact_is_broken() {
    for tier in [Tier::Ready, Tier::Archive] {
        assert!(Scene::complete(tier).is_done());
        for (name, break_it) in facts(tier) {
            let broken = Scene::complete(tier).with(break_it);
            assert!(!broken.is_done(), "{tier:?}: {name}");
        }
    }
}

#[test]
fn complete_stays_complete_when_something_harmless_changes() {
    for tier in [Tier::Ready, Tier::Archive] {
        for (name, change) in HARMLESS {
            assert!(Scene::complete(tier).with(change).is_done(), "{tier:?}: {name}");
        }
    }
}

#[test]
fn what_was_recorded_and_lacks_a_fact_is_lost_tampered_with_or_unusable_and_nothing_else() {
    for tier in [Tier::Ready, Tier::Archive] {
        assert_eq!(shown(&Scene::complete(tier)), None);
        for (name, break_it) in facts(tier) {
            let broken = Scene::complete(tier).with(break_it);
            let was_recorded = broken.seen.manifest != ManifestFact::Absent;
            assert_eq!(shown(&broken).is_some(), was_recorded, "{tier:?}: {name}");
        }
    }
}

#[test]
fn how_something_was_lost_follows_from_what_is_missing() {
    use LossKind::{Lost, Tampered, Unusable};
    for (name, kind) in [
        ("object missing", Lost),
        ("object of other bytes", Tampered),
        ("object of another version", Tampered),
        ("object with the source's KMS key", Tampered),
        ("object's lock shortened", Tampered),
        ("vault key unusable", Unusable),
        ("manifest unreadable", Tampered),
        ("manifest of another source image", Tampered),
        ("image missing", Lost),
        ("image pending", Lost),
        ("image failed", Lost),
        ("image disabled", Unusable),
        ("image deregistered", Lost),
        ("another image of the same kind", Lost),
        ("snapshot not shown", Lost),
        ("snapshot in the bin", Unusable),
        ("snapshot in plaintext", Tampered),
        ("EBS key unusable", Unusable),
        ("boot mode", Tampered),
        ("public", Tampered),
        ("shared with an account", Tampered),
        ("unprotected", Tampered),
        ("a squatter under a later name", Tampered),
    ] {
        let (_, break_it) = facts(Tier::Ready).into_iter().find(|fact| fact.0 == name).unwrap();
        let broken = Scene::complete(Tier::Ready).with(break_it);
        assert_eq!(shown(&broken), Some(kind), "{name}");
    }
}

fn any_tier() -> impl Strategy<Value = Tier> {
    prop_oneof![Just(Tier::Ready), Just(Tier::Archive)]
}

fn some_harmless() -> impl Strategy<Value = Vec<Change>> {
    subsequence(HARMLESS, 0..=HARMLESS.len())
}

/// A tier with one or more of its facts.
fn broken_facts() -> impl Strategy<Value = (Tier, Vec<Change>)> {
    any_tier().prop_flat_map(|tier| (Just(tier), subsequence(facts(tier), 1..=4)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_harmless_hides_a_broken_fact(
        harmless in some_harmless(),
        (tier, broken) in broken_facts(),
    ) {
        let mut scene = Scene::complete(tier);
        harmless.iter().chain(&broken).for_each(|(_, change)| change(&mut scene));
        prop_assert!(!scene.is_done(), "{:?} + {:?}", names(&harmless), names(&broken));
    }

    #[test]
    fn harmless_things_stay_harmless_together(harmless in some_harmless(), tier in any_tier()) {
        let mut scene = Scene::complete(tier);
        harmless.iter().for_each(|(_, change)| change(&mut scene));
        prop_assert!(scene.is_done(), "{:?}", names(&harmless));
    }
}

#[test]
fn a_restored_image_may_require_imds_v2_although_its_record_does_not_but_only_once_recorded() {
    let lax = |seen: &mut Observed| seen.source.as_mut().unwrap().imds_support = None;
    let strict = |image: &mut Image| image.imds_support = Some("v2.0".to_owned());
    let protected = observed().with(lax).staged().copied().restored().protected();
    let before = protected.clone().newest(strict);
    assert_eq!(before.decide().in_words(), "park metadata_mismatch");
    let after = protected.recorded().newest(strict);
    assert_eq!(after.decide().in_words(), "done complete");
    let gone = after.clone().with(|seen| seen.source = None);
    assert_eq!(gone.decide().in_words(), "done complete");
    let other = after.newest(|image| image.ena_support = false);
    assert_eq!(other.decide().in_words(), "park metadata_mismatch");
}
