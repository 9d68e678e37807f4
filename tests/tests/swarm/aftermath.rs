//! What comes after a run: a recovery point that is complete loses something while new workers run.
//! They do not call it complete for long, and it is complete again once it can be.

use std::time::Duration;

use amiferry_audit::inventory::State as AuditState;
use amiferry_core::ids::ImageId;
use amiferry_core::policy::{StorageClass as Meant, Tier};
use amiferry_simulator::ec2::image::{Image, ImageState, Protection};
use amiferry_simulator::ec2::lifecycle::{self, Sharing};
use amiferry_simulator::kms::{self, KeyState};
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3;
use amiferry_simulator::s3::object::VersionKind;
use amiferry_simulator::s3::storage_class::StorageClass;
use amiferry_simulator::world::State;

use crate::stage::truth::{self, Wrong};
use crate::stage::{Stage, hours, inventory, minutes};

/// What a recovery point loses; one of tier `archive` only the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// A delete marker hides its object.
    Object,
    /// The vault's key is disabled.
    Key,
    /// A lifecycle rule that the owner did not name moves its object into an archive.
    Class,
    /// Its restored image is deregistered.
    Image,
    /// Its restored image is shared with a stranger.
    Privacy,
    /// Its restored image can be deregistered.
    Protection,
}

const LOSSES: [Loss; 5] = [Loss::Object, Loss::Key, Loss::Image, Loss::Privacy, Loss::Protection];

/// How much later than its sweep a worker may learn of a loss: the sweep itself and the looks after
/// it, and what EC2 shows late.
const NOTICED: Duration = minutes(10);

/// Plays it in one run of three.
pub async fn play(stage: &mut Stage, seed: u64, sweep: Duration) -> Vec<Wrong> {
    let mut dice = fastrand::Rng::with_seed(seed ^ 0x0af7_e24a);
    if dice.u8(..3) != 0 {
        return Vec::new();
    }
    let points: Vec<(ImageId, Tier)> =
        stage.expected().iter().map(|(id, tier)| (id.clone(), *tier)).collect();
    let Some((id, tier)) = dice.choice(&points).cloned() else { return Vec::new() };
    let losses = if tier == Tier::Archive { &LOSSES[..2] } else { &LOSSES };
    let loss = losses[dice.usize(..losses.len())];
    // From dice of their own: what earlier seeds found stays theirs.
    let mut dice = fastrand::Rng::with_seed(seed ^ 0x00c1_a550);
    let loss = if dice.u8(..4) == 0 { Loss::Class } else { loss };
    let is_meant = loss == Loss::Class && dice.bool();
    if is_meant {
        for policy in &mut stage.config.policies.0 {
            policy.lifecycle_class = Some(Meant::FlexibleRetrieval);
        }
    }
    stage.kill_all();
    stage.start_both();
    stage.pass(NOTICED).await;
    if let Err(what) = shown(stage, &id, true) {
        return wrong(format!("before {loss:?}: {what}"));
    }
    happens(stage, &id, loss);
    stage.pass(sweep + NOTICED).await;
    if is_meant {
        return match shown(stage, &id, true) {
            Ok(()) => Vec::new(),
            Err(what) => wrong(format!("after a rule that its policy names archived it: {what}")),
        };
    }
    // What a worker mends by itself may be whole again.
    let mends = matches!(loss, Loss::Protection | Loss::Image | Loss::Object);
    if let Err(what) = shown(stage, &id, false)
        && !(mends && is_whole(stage, &id, loss))
    {
        return wrong(format!("after {loss:?}: {what}"));
    }
    ends(stage, &id, loss);
    for _ in 0..hours(4).as_secs() / minutes(5).as_secs() {
        stage.pass(minutes(5)).await;
        if shown(stage, &id, true).is_ok() {
            break;
        }
    }
    if let Err(what) = shown(stage, &id, true) {
        return wrong(format!("four hours after {loss:?} ended: {what}"));
    }
    if !is_whole(stage, &id, loss) {
        return wrong(format!("{id} is shown as complete after {loss:?}, and is not whole"));
    }
    match inventory::report(stage).await {
        Ok(report) => {
            let mut points = report.recovery_points.iter();
            let point = points.find(|point| point.source_image_id == id);
            match point.is_some_and(|point| point.state == AuditState::Complete) {
                true => Vec::new(),
                false => wrong(format!("after {loss:?} the audit says {point:?}")),
            }
        }
        Err(fault) => wrong(format!("no audit can be made after {loss:?}: {fault:?}")),
    }
}

/// Whether every worker shows it as complete, or not.
fn shown(stage: &Stage, id: &ImageId, complete: bool) -> Result<(), String> {
    for report in stage.shown_by_all() {
        let mut points = report.recovery_points.iter();
        let point = points.find(|point| point.source_image_id == *id);
        if point.is_some_and(|point| point.state == AuditState::Complete) != complete {
            return Err(format!("a worker shows {id} as {point:?}"));
        }
    }
    Ok(())
}

fn happens(stage: &Stage, id: &ImageId, loss: Loss) {
    let (now, place) = (stage.world.now(), stage.landscape.vault.clone());
    let image = living(stage, id).map(|image| image.id);
    let mut state = stage.world.lock();
    match (loss, image) {
        (Loss::Object, _) => {
            let key = truth::vault_key(stage, id, "image.bin");
            s3::hide(&mut state, now, VAULT_BUCKET, &key).unwrap();
        }
        (Loss::Key, _) => {
            kms::set_key_state(&mut state, &stage.landscape.vault_key, KeyState::Disabled).unwrap();
        }
        (Loss::Class, _) => {
            set_class(stage, &mut state, id, StorageClass::GlacierFlexibleRetrieval)
        }
        (Loss::Image, Some(image)) => {
            lifecycle::unprotect(&mut state, now, &place, &image).unwrap();
            lifecycle::deregister(&mut state, now, &place, &image, false).unwrap();
        }
        (Loss::Privacy, Some(image)) => {
            lifecycle::share(&mut state, &place, &image, &stranger(), &Sharing::default()).unwrap();
        }
        (Loss::Protection, Some(image)) => {
            lifecycle::unprotect(&mut state, now, &place, &image).unwrap();
        }
        (Loss::Image | Loss::Privacy | Loss::Protection, None) => {}
    }
}

/// Takes back what a worker cannot.
fn ends(stage: &Stage, id: &ImageId, loss: Loss) {
    let place = stage.landscape.vault.clone();
    let image = living(stage, id).map(|image| image.id);
    let mut state = stage.world.lock();
    match (loss, image) {
        (Loss::Object, _) => {
            let key = truth::vault_key(stage, id, "image.bin");
            let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
            let markers: Vec<String> = bucket
                .versions(&key)
                .iter()
                .filter(|version| version.object().is_none())
                .map(|version| version.id.clone())
                .collect();
            markers.iter().for_each(|marker| drop(bucket.remove(&key, marker)));
        }
        (Loss::Key, _) => {
            kms::set_key_state(&mut state, &stage.landscape.vault_key, KeyState::Enabled).unwrap();
        }
        (Loss::Privacy, Some(image)) => {
            lifecycle::share(&mut state, &place, &image, &Sharing::default(), &stranger()).unwrap();
        }
        (Loss::Class, _) => set_class(stage, &mut state, id, StorageClass::Standard),
        (Loss::Image | Loss::Protection | Loss::Privacy, _) => {}
    }
}

fn set_class(stage: &Stage, state: &mut State, id: &ImageId, class: StorageClass) {
    let key = truth::vault_key(stage, id, "image.bin");
    let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
    if let Some(version) = bucket.version_mut(&key, None)
        && let VersionKind::Object(object) = &mut version.kind
    {
        object.attributes.storage_class = class;
    }
}

/// Whether the part that was lost is there.
fn is_whole(stage: &Stage, id: &ImageId, loss: Loss) -> bool {
    let key = truth::vault_key(stage, id, "image.bin");
    let state = stage.world.lock();
    let latest = state.s3.bucket(VAULT_BUCKET).and_then(|bucket| bucket.latest(&key));
    let has_object = latest.is_some_and(|version| version.object().is_some());
    drop(state);
    has_object
        && match loss {
            Loss::Object | Loss::Key | Loss::Class => true,
            Loss::Image | Loss::Privacy | Loss::Protection => {
                living(stage, id).is_some_and(|image| {
                    let is_protected = !matches!(image.protection, Protection::Disabled { .. });
                    is_protected && image.launch_permissions.is_empty()
                })
            }
        }
}

/// Its restored image.
pub fn living(stage: &Stage, id: &ImageId) -> Option<Image> {
    let mut restored = truth::restored(stage, id).into_iter();
    restored.find(|image| image.state == ImageState::Available)
}

/// Someone with whom nothing is to be shared.
pub fn stranger() -> Sharing {
    let mut stranger = Sharing::default();
    stranger.add_account("333333333333").unwrap();
    stranger
}

fn wrong(what: String) -> Vec<Wrong> {
    vec![Wrong { invariant: "never green", what }]
}
