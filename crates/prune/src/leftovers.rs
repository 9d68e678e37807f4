//! Finds and removes what no recovery point consists of: failed AMIs of ours, snapshots that no image uses,
//! and uploads that nothing will complete.

use std::collections::{BTreeMap, BTreeSet};

use amiferry_core::copy_claim::UploadActivity;
use amiferry_core::cost::{STANDARD, Usage, estimate};
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{ImageId, SnapshotId};
use amiferry_core::model::{Image, ImageState};
use amiferry_core::names::{self, RecoveryPointId, tag};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{OwnSnapshot, Removal, Upload};
use jiff::Timestamp;

use crate::Pruner;
use crate::contents::{Contents, Standing};
use crate::remains::whole;
use crate::report::{Kind, Left, Leftovers, Outcome};
use crate::run::Allowed;

/// How many steps one leftover takes at most, with what EC2 shows late.
const MOST_STEPS: usize = 3;

impl Pruner {
    /// Finds what is left over, and removes it where that is allowed.
    ///
    /// # Errors
    /// A listing that cannot be read to its end: what it does not show may use what looks unused.
    pub async fn leftovers(
        &self,
        contents: &Contents,
        allowed: Allowed,
        tell: &(dyn Fn(&Left) + Sync),
    ) -> Result<Leftovers, Fault> {
        let mut result =
            Leftovers::new(self.vault(), !allowed.apply, self.clock.now(), &self.prices);
        let named = Named::of(contents);
        let images = self.all_images().await?;
        let mut rows = self.failed_images(&images, &named).await;
        rows.extend(self.orphaned_snapshots(&images, &named).await?);
        rows.extend(self.abandoned_uploads(contents).await?);
        let goes = rows.iter().filter(|(row, _)| row.outcome == Outcome::Goes).count();
        if !has(Bug::DoubtsIgnored) {
            result.refused.extend(contents.doubts.iter().cloned());
        }
        if !contents.unknown.is_empty() {
            result.refused.push(format!(
                "{} recovery points cannot be assessed, and may consist of what seems left over",
                contents.unknown.len()
            ));
        }
        let most = usize::try_from(self.limits.most).unwrap_or(usize::MAX);
        if goes > most && !allowed.really {
            result.refused.push(format!(
                "{goes} would go, and one run may take {most}: look at the list, then repeat with \
                 --yes-really"
            ));
        }
        let act = allowed.apply && result.refused.is_empty();
        for (mut row, what) in rows {
            if act && row.outcome == Outcome::Goes {
                match self.remove(&what).await {
                    Ok(None) => row.outcome = Outcome::Gone,
                    Ok(Some(why)) => (row.outcome, row.reason) = (Outcome::Held, why),
                    Err(fault) => {
                        (row.outcome, row.reason) = (Outcome::Failed, fault.to_string());
                    }
                }
                tell(&row);
            }
            result.add(row);
        }
        Ok(result)
    }

    /// All images of the account and Region, disabled ones included.
    async fn all_images(&self) -> Result<Vec<Image>, Fault> {
        let images = &self.observer.vault.images;
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let (page, next) = images.page(token).await?;
            all.extend(whole(page, "ec2:DescribeImages", "the images of the vault")?);
            token = next;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    async fn failed_images(&self, images: &[Image], named: &Named) -> Vec<(Left, What)> {
        let is_left = |image: &&Image| {
            let is_ours = image.owner == self.observer.vault.account
                && image.tags.get(tag::MANAGED).is_some_and(|value| value == "true");
            is_ours && image.state == ImageState::Failed && !named.images.contains(&image.id)
        };
        let mut left = Vec::new();
        for image in images.iter().filter(is_left) {
            let why = image.state_reason.clone().unwrap_or_else(|| "no reason is given".to_owned());
            let mut row = self.left(Kind::FailedImage, image.id.as_str(), image.created);
            row.bytes = image.size_gib() << 30;
            // Its snapshots, which are left over once it is gone.
            let devices = image.devices.iter().filter_map(|device| device.ebs.as_ref());
            let kept = devices.filter(|ebs| ebs.snapshot.is_some()).map(|ebs| ebs.size_gib).sum();
            row.monthly_cost = self.monthly(|usage| usage.keeps_snapshots(kept));
            row.reason = format!("a restore that failed: {why}");
            let mut row = self.young(row);
            if row.outcome == Outcome::Goes
                && let Some(why) = self.held(&image.id).await
            {
                (row.outcome, row.reason) = (Outcome::Held, why);
            }
            left.push((row, What::Image(image.id.clone())));
        }
        left
    }

    /// Why an image that nothing needs stays, if it does: it is in use, or whether it is cannot be asked.
    async fn held(&self, id: &ImageId) -> Option<String> {
        let answer = self.usage.references(id).await;
        let references =
            answer.and_then(|listed| whole(listed, "ec2:DescribeImageReferences", id.as_str()));
        match references {
            Ok(references) => references.first().map(|first| format!("in use by {first}")),
            Err(fault) => Some(format!("not known: {fault}")),
        }
    }

    async fn orphaned_snapshots(
        &self,
        images: &[Image],
        named: &Named,
    ) -> Result<Vec<(Left, What)>, Fault> {
        let there = images.iter().filter(|image| image.state != ImageState::Deregistered);
        let used: BTreeSet<&SnapshotId> = there.flat_map(Image::snapshots).collect();
        let own = whole(self.usage.own_snapshots().await?, "ec2:DescribeSnapshots", "snapshots")?;
        let is_left = |snapshot: &OwnSnapshot| {
            !used.contains(&snapshot.id) && !named.snapshots.contains(&snapshot.id)
        };
        let left = own.into_iter().filter(is_left).map(|snapshot| {
            let mut row = self.left(Kind::OrphanedSnapshot, snapshot.id.as_str(), snapshot.started);
            row.bytes = snapshot.size_gib << 30;
            row.monthly_cost = self.monthly(|usage| usage.keeps_snapshots(snapshot.size_gib));
            row.reason = "no image uses it, and no record names it".to_owned();
            (self.young(row), What::Snapshot(snapshot.id))
        });
        Ok(left.collect())
    }

    async fn abandoned_uploads(&self, contents: &Contents) -> Result<Vec<(Left, What)>, Fault> {
        let vault = &self.observer.vault;
        let folder = names::folder(&vault.prefix);
        let listed = vault.uploads.in_progress(&vault.account, &vault.bucket, &folder).await?;
        let mut left = Vec::new();
        for upload in whole(listed, "s3:ListMultipartUploads", vault.bucket.as_str())? {
            let owner = names::vault_owner(&vault.prefix, &self.vault(), &upload.key);
            let Some(owner) = owner else { continue };
            let parts = match vault.parts.held(&vault.account, &upload).await {
                Ok(parts) => whole(parts, "s3:ListParts", upload.key.as_str())?,
                // It ended meanwhile.
                Err(fault) if fault.class == FaultClass::NotFound => continue,
                Err(fault) => return Err(fault),
            };
            let newest_part = parts.iter().filter_map(|part| part.copied_at).max();
            let activity =
                UploadActivity { id: upload.id.clone(), begun: upload.begun, newest_part };
            let since = newest_part.max(upload.begun);
            let Some(since) = since else { continue };
            let mut row = self.left(Kind::AbandonedUpload, upload.key.as_str(), since);
            row.bytes = parts.iter().map(|part| part.size).sum();
            row.monthly_cost = self.monthly(|usage| usage.keeps_object(row.bytes, STANDARD));
            row.reason = "an upload that nothing will complete".to_owned();
            if !is_needless(contents, &owner) || !activity.is_quiet(self.clock.now()) {
                (row.outcome, row.reason) = (Outcome::Held, "its copy may still go on".to_owned());
            }
            left.push((self.young(row), What::Upload(upload)));
        }
        Ok(left)
    }

    fn left(&self, kind: Kind, id: &str, since: Timestamp) -> Left {
        let (id, reason) = (id.to_owned(), String::new());
        let outcome = Outcome::Goes;
        Left { kind, id, since, bytes: 0, monthly_cost: None, outcome, reason }
    }

    /// What keeping something in the vault's Region costs a month.
    fn monthly(&self, keeps: impl FnOnce(&mut Usage)) -> Option<f64> {
        let (mut usage, region) = (Usage::default(), self.vault().region);
        keeps(&mut usage);
        estimate(&self.prices, &region, &region, &usage).total()
    }

    /// What is younger than the floor stays: it may be about to be used.
    fn young(&self, row: Left) -> Left {
        let age = self.clock.now().duration_since(row.since);
        match row.outcome {
            Outcome::Goes if age < self.limits.floor.signed() => {
                Left { outcome: Outcome::Held, reason: "younger than the floor".to_owned(), ..row }
            }
            _ => row,
        }
    }

    /// Removes one. Returns why it stays, if it does.
    async fn remove(&self, what: &What) -> Result<Option<String>, Fault> {
        match what {
            What::Image(id) => self.remove_image(id).await,
            What::Snapshot(id) => match self.removal.delete_snapshot(id).await? {
                Removal::Gone => Ok(None),
                Removal::NotNow(words) => Ok(Some(words)),
            },
            What::Upload(upload) => {
                let vault = &self.observer.vault;
                vault.uploads.abort(&vault.account, upload).await.map(|()| None)
            }
        }
    }

    async fn remove_image(&self, id: &ImageId) -> Result<Option<String>, Fault> {
        if let Some(why) = self.held(id).await {
            return Ok(Some(why));
        }
        for _ in 0..MOST_STEPS {
            match self.removal.deregister(id).await? {
                Removal::Gone => return Ok(None),
                Removal::NotNow(_) => self.removal.unprotect(id).await?,
            }
        }
        Ok(Some("EC2 does not let it go yet".to_owned()))
    }
}

/// What is to be removed.
#[derive(Debug, Clone)]
enum What {
    Image(ImageId),
    Snapshot(SnapshotId),
    Upload(Upload),
}

/// What the records of recovery points name, also of those that lost it or gave it up.
#[derive(Debug, Default)]
struct Named {
    images: BTreeSet<ImageId>,
    snapshots: BTreeSet<SnapshotId>,
}

impl Named {
    fn of(contents: &Contents) -> Self {
        let mut named = Self::default();
        for known in contents.known.values().filter(|_| !has(Bug::RecordsIgnored)) {
            for image in known.manifest.restored.iter().chain(&known.given_up) {
                named.images.insert(image.image_id.clone());
                named.snapshots.extend(image.snapshots.iter().cloned());
            }
        }
        named
    }
}

/// Whether nothing will complete an upload of this recovery point: it has its object, or was given up.
fn is_needless(contents: &Contents, id: &RecoveryPointId) -> bool {
    let known: &BTreeMap<_, _> = &contents.known;
    known.get(id).is_some_and(|known| !matches!(known.standing, Standing::Other(..)))
}
