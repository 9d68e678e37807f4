//! What owners do with their images while the workers run, and what amiferry then promises.

use amiferry_core::ids::ImageId;
use amiferry_core::policy::Tier;
use amiferry_simulator::ec2::image::{Image, Tags};
use amiferry_simulator::ec2::{self, lifecycle};
use amiferry_simulator::landscape::{STAGING_BUCKET, VAULT_BUCKET};
use jiff::Timestamp;

use super::{Stage, images, truth};

/// What became of an image that its owner changed or took away.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// The tiers at which it may be recorded: those of every policy that has selected it so far,
    /// because a worker may have looked before a change and recorded after it.
    pub tiers: Vec<Tier>,
    /// As it was last, if it was taken away.
    pub last: Option<Seen>,
    /// Since when its instances demand IMDSv2, if they did not before.
    pub hardened: Option<Timestamp>,
}

/// An image and its data, to be compared with what the vault has of it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub image: Image,
    /// The data of its snapshots, in device order.
    pub data: Vec<u64>,
}

impl Stage {
    /// What was done to images of the source, by their ids.
    pub fn fates(&self) -> impl Iterator<Item = (&ImageId, &Fate)> {
        self.fates.iter()
    }

    /// The images of which a manifest may be found: those that must become complete, and those
    /// of which that was promised once.
    pub fn recordable(&self) -> Vec<ImageId> {
        let changed = self.fates.keys().filter(|id| !self.expected.contains_key(id));
        self.expected.keys().chain(changed).cloned().collect()
    }

    /// The tiers at which an image may be recorded; none if it must not be at all.
    pub fn tiers(&self, id: &ImageId) -> Vec<Tier> {
        match (self.fates.get(id), self.expected.get(id)) {
            (Some(fate), _) => fate.tiers.clone(),
            (None, tier) => tier.copied().into_iter().collect(),
        }
    }

    /// The image and its data, as they are or as they were last.
    pub fn seen(&self, id: &ImageId) -> Option<Seen> {
        if let Some(last) = self.fates.get(id).and_then(|fate| fate.last.clone()) {
            return Some(last);
        }
        let (account, region) = &self.landscape.source;
        let state = self.world.lock();
        let image = ec2::image(&state, account, region, id)?.clone();
        let snapshots = ec2::snapshots(&state, account, region, id);
        Some(Seen { image, data: snapshots.iter().map(|snapshot| snapshot.data).collect() })
    }

    fn fate(&mut self, id: &ImageId) -> &mut Fate {
        let tiers = self.expected.get(id).copied().into_iter().collect();
        self.fates.entry(id.clone()).or_insert(Fate { tiers, last: None, hardened: None })
    }

    /// Whether the vault has a copy of an image: it is then finished whatever becomes of the image.
    pub fn is_copied(&self, id: &ImageId) -> bool {
        let key = truth::vault_key(self, id, "image.bin");
        self.world.lock().s3.bucket(VAULT_BUCKET).is_some_and(|bucket| bucket.has(&key))
    }

    /// Whether the staging bucket has an image with its note, and no other policy has selected the image
    /// since: it is then finished although the image is gone, as long as they are there.
    fn is_noted(&self, id: &ImageId) -> bool {
        let key = truth::staged_key(self, id);
        let files = [key.replace(".bin", ".json"), key];
        let state = self.world.lock();
        let staged = state.s3.bucket(STAGING_BUCKET);
        let is_there = staged.is_some_and(|bucket| files.iter().all(|key| bucket.has(key)));
        is_there && self.tiers(id).len() == 1 && !self.forged_notes.contains(id)
    }

    /// Something else lies where the note of an image is to be.
    pub fn note_is_forged(&mut self, id: &ImageId) {
        self.forged_notes.insert(id.clone());
    }

    /// What is staged is gone: images that are gone, too, and that no copy was made of, need not be
    /// completed any more.
    pub fn staged_is_gone(&mut self) {
        let gone = self.fates.iter().filter(|(_, fate)| fate.last.is_some());
        let lost: Vec<ImageId> =
            gone.map(|(id, _)| id.clone()).filter(|id| !self.is_copied(id)).collect();
        for id in lost {
            self.expected.remove(&id);
        }
    }

    /// The owner deregisters an image. A recovery point that is already recorded must last, and one
    /// that is already copied, or staged with a note, must be finished; any other need not be
    /// completed, but must be right if it is.
    pub fn deregister(&mut self, id: &ImageId, with_snapshots: bool) {
        let Some(seen) = self.seen(id) else { return };
        let now = self.world.now();
        let place = self.landscape.source.clone();
        let gone =
            lifecycle::deregister(&mut self.world.lock(), now, &place, id, with_snapshots).is_ok();
        if gone {
            self.fate(id).last.get_or_insert(seen);
            if !self.is_copied(id) && !self.is_noted(id) {
                self.expected.remove(id);
            }
        }
    }

    /// The owner disables an image, or enables it again.
    pub fn set_enabled(&mut self, id: &ImageId, enabled: bool) {
        let now = self.world.now();
        let place = self.landscape.source.clone();
        let mut state = self.world.lock();
        // One that was deregistered meanwhile is neither.
        let _ = match enabled {
            true => lifecycle::enable(&mut state, now, &place, id),
            false => lifecycle::disable(&mut state, now, &place, id),
        };
    }

    /// The owner has the instances of an image demand IMDSv2.
    pub fn demand_imds_v2(&mut self, id: &ImageId) {
        let now = self.world.now();
        let mut state = self.world.lock();
        let site = state.ec2.get_mut(&self.landscape.source);
        let Some(image) = site.and_then(|site| site.images.get_mut(id)) else { return };
        image.metadata.imds_support = Some("v2.0".to_owned());
        drop(state);
        self.fate(id).hardened.get_or_insert(now);
    }

    /// The owner gives an image other tags. What is recorded stays as it is; what is not gets
    /// the policy that selects the image now, unless none does.
    pub fn retag(&mut self, id: &ImageId, tags: Tags) {
        let mut state = self.world.lock();
        let site = state.ec2.get_mut(&self.landscape.source);
        let Some(image) = site.and_then(|site| site.images.get_mut(id)) else { return };
        image.tags = tags;
        let tier = images::tier_of(image);
        drop(state);
        let fate = self.fate(id);
        if let Some(tier) = tier.filter(|tier| !fate.tiers.contains(tier)) {
            fate.tiers.push(tier);
        }
        if !truth::is_recorded(self, id) {
            match tier {
                Some(tier) => self.expected.insert(id.clone(), tier),
                None => self.expected.remove(id),
            };
        }
    }
}
