//! What others do on purpose or by mistake: forged tags, a squatter on a name, encryption that is
//! off at first, and in the end the loss of something that was complete.

use std::time::Duration;

use amiferry_audit::inventory::State as AuditState;
use amiferry_core::ids::ImageId;
use amiferry_core::policy::Tier;
use amiferry_simulator::ec2::image::Protection;
use amiferry_simulator::ec2::{self, Image, ImageSpec, ImageState};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use amiferry_simulator::s3;

use crate::mischief::Mischief;
use crate::stage::truth::{self, Wrong};
use crate::stage::{Stage, images, inventory};

/// Something that others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deceit {
    /// An image of the source carries tags as amiferry gives them.
    Forged {
        /// Its place in the fleet.
        index: usize,
    },
    /// The vault has a foreign image under the name of its restore, until the heal.
    Squatted {
        /// Its place in the fleet.
        index: usize,
    },
    /// The source puts something that is no note where the note of an image is to be.
    Noted {
        /// Its place in the fleet.
        index: usize,
        /// What.
        what: Noted,
    },
    /// EBS encryption by default is off in the vault from the start until this time.
    Plaintext {
        /// Until when.
        until: Duration,
    },
}

/// What lies in the place of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// Nothing at all.
    Empty,
    /// A page of HTML.
    Garbage,
    /// More than any note has.
    Huge,
    /// What a newer program may write.
    Newer,
    /// The end of a list that never began, nested without end.
    Deep,
}

impl Noted {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Garbage => b"<html>\xff\x00</html>".to_vec(),
            Self::Huge => vec![b' '; 300 << 10],
            Self::Newer => br#"{"schema_version": 2, "source_image_id": "ami-00000000"}"#.to_vec(),
            Self::Deep => [vec![b'['; 100_000], b"{\"schema_version\": 1}".to_vec()].concat(),
        }
    }
}

/// Who deceives in the run of a seed.
pub fn draw(dice: &mut fastrand::Rng, chaos: Duration, images: usize) -> Vec<Mischief> {
    let mut all = Vec::new();
    let (forgers, squatters) = (dice.u8(..4) == 0, dice.u8(..4) == 0);
    for index in 0..images {
        if forgers && dice.bool() {
            all.push(Deceit::Forged { index });
        }
        if squatters && dice.bool() {
            all.push(Deceit::Squatted { index });
        }
    }
    if dice.u8(..8) == 0 {
        all.push(Deceit::Plaintext { until: chaos.mul_f64(dice.f64()) });
    }
    all.into_iter().map(Mischief::Deceit).collect()
}

/// What the source puts in the place of notes in the run of a seed.
pub fn notes(dice: &mut fastrand::Rng, images: usize) -> Vec<Mischief> {
    const WHAT: [Noted; 5] = [Noted::Empty, Noted::Garbage, Noted::Huge, Noted::Newer, Noted::Deep];
    if dice.bool() {
        return Vec::new();
    }
    let chosen: Vec<usize> = (0..images).filter(|_| dice.bool()).collect();
    let noted =
        chosen.into_iter().map(|index| Deceit::Noted { index, what: WHAT[dice.usize(..5)] });
    noted.map(Mischief::Deceit).collect()
}

fn happens(mischief: &[Mischief], deceit: Deceit) -> bool {
    mischief.iter().any(|one| matches!(one, Mischief::Deceit(other) if *other == deceit))
}

/// The image as its owner makes it, with the tags of the deceit.
pub fn disguised(mischief: &[Mischief], index: usize, mut spec: ImageSpec) -> ImageSpec {
    if happens(mischief, Deceit::Forged { index }) {
        for (key, value) in [("managed", "true"), ("source-image", "ami-0123456789abcdef0")] {
            spec.tags.insert(format!("amiferry:{key}"), value.to_owned());
        }
    }
    spec
}

/// Puts the squatter of an image into the vault, if it has one: all but the data is the same.
pub fn squat(mischief: &[Mischief], index: usize, stage: &Stage, id: &ImageId, spec: &ImageSpec) {
    if happens(mischief, Deceit::Squatted { index }) && images::tier(spec) == Some(Tier::Ready) {
        let mut spec = spec.clone();
        spec.name = truth::restored_name(stage, id);
        for volume in &mut spec.volumes {
            volume.encrypted = Some(stage.landscape.vault_key.clone());
        }
        let (account, region) = &stage.landscape.vault;
        let now = stage.world.now();
        ec2::add_image(&mut stage.world.lock(), now, account, region, spec);
    }
}

/// Puts what is no note where that of an image is to be, before any worker sees the image.
pub fn note(mischief: &[Mischief], index: usize, stage: &mut Stage, id: &ImageId) {
    let notes = mischief.iter().filter_map(|one| match one {
        Mischief::Deceit(Deceit::Noted { index: of, what }) if *of == index => Some(what.bytes()),
        _ => None,
    });
    let (key, now) = (truth::staged_key(stage, id).replace(".bin", ".json"), stage.world.now());
    for bytes in notes {
        // Where the key of the staging bucket is disabled, nothing can be written.
        if s3::put(&mut stage.world.lock(), now, STAGING_BUCKET, &key, bytes).is_ok() {
            stage.note_is_forged(id);
        }
    }
}

/// Squatters leave, and encryption is on.
pub fn end(stage: &Stage) {
    encrypt(stage, true);
    let mut state = stage.world.lock();
    if let Some(site) = state.ec2.get_mut(&stage.landscape.vault) {
        let ours = |image: &Image| image.tags.contains_key("amiferry:manifest");
        let squatters = site.images.values().filter(|image| !ours(image));
        let theirs: Vec<_> = squatters.flat_map(Image::snapshots).cloned().collect();
        site.images.retain(|_, image| ours(image));
        site.snapshots.retain(|id, _| !theirs.contains(id));
    }
}

/// Turns EBS encryption by default on or off in the vault.
pub fn encrypt(stage: &Stage, on: bool) {
    let (account, region) = &stage.landscape.vault;
    let key = on.then(|| stage.landscape.vault_key.clone());
    ec2::set_default_encryption(&mut stage.world.lock(), account, region, key);
}

/// One complete recovery point loses something while no worker runs. The audit must not call it
/// complete any more, and all others still.
pub async fn bereave(stage: &mut Stage, seed: u64) -> Vec<Wrong> {
    stage.kill_all();
    let mut dice = fastrand::Rng::with_seed(seed ^ 0x0b5e_55ed);
    let points: Vec<(ImageId, Tier)> = stage
        .expected()
        .iter()
        .filter(|(id, _)| truth::is_recorded(stage, id))
        .map(|(id, tier)| (id.clone(), *tier))
        .collect();
    let Some((id, tier)) = dice.choice(&points).cloned() else { return Vec::new() };
    let losses = if tier == Tier::Archive { &LOSSES[..2] } else { LOSSES };
    let loss = losses[dice.usize(..losses.len())];
    lose(stage, &id, loss);
    let report = match inventory::report(stage).await {
        Ok(report) => report,
        Err(fault) => return wrong(format!("no audit can be made after {loss:?}: {fault:?}")),
    };
    let mut wrongs = Vec::new();
    for (other, _) in points {
        let point = report.recovery_points.iter().find(|point| point.source_image_id == other);
        let complete = point.is_some_and(|point| point.state == AuditState::Complete);
        if complete == (other == id) {
            wrongs
                .extend(wrong(format!("after {loss:?} of {id}, the audit of {other}: {point:?}")));
        }
    }
    wrongs
}

fn wrong(what: String) -> Vec<Wrong> {
    vec![Wrong { invariant: "I-15", what }]
}

#[derive(Debug, Clone, Copy)]
enum Loss {
    Object,
    Manifest,
    Image,
    Snapshots,
    Protection,
    Privacy,
}

/// What a recovery point can lose; one of tier `archive` only the first two.
const LOSSES: &[Loss] =
    &[Loss::Object, Loss::Manifest, Loss::Image, Loss::Snapshots, Loss::Protection, Loss::Privacy];

/// By the hands of the simulation, which no lock and no protection stops.
fn lose(stage: &Stage, id: &ImageId, loss: Loss) {
    let mut living = truth::restored(stage, id).into_iter();
    let restored = living.find(|image| image.state == ImageState::Available);
    let mut state = stage.world.lock();
    if let Loss::Object | Loss::Manifest = loss {
        let file = if matches!(loss, Loss::Object) { "image.bin" } else { "manifest.json" };
        let key = truth::vault_key(stage, id, file);
        let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
        // In the aftermath of a run there can be an older one that was recorded, too.
        while let Some(version) = bucket.latest(&key).map(|version| version.id.clone()) {
            bucket.remove(&key, &version);
        }
        return;
    }
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let image = site.images.get_mut(&restored.unwrap().id).unwrap();
    match loss {
        Loss::Protection => image.protection = Protection::OFF,
        Loss::Privacy => {
            image.launch_permissions.insert("999999999999".parse().unwrap());
        }
        Loss::Snapshots => {
            let lost: Vec<_> = image.snapshots().cloned().collect();
            site.snapshots.retain(|id, _| !lost.contains(id));
        }
        Loss::Image => {
            let id = image.id.clone();
            site.images.remove(&id);
        }
        Loss::Object | Loss::Manifest => {}
    }
}
