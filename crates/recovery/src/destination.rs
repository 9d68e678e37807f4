//! Looks at a destination: the copies in its bucket, its images, and the vault's objects where there
//! is no copy yet. EC2 of the vault is not asked.

use std::collections::BTreeSet;

use amiferry_core::decide::vault::observation::Observation;
use amiferry_core::decide::vault::{Asked, Recovery, Unanswered, Vault};
use amiferry_core::fault::Fault;
use amiferry_core::manifest::Manifest;
use amiferry_core::names::RecoveryPointId;
use amiferry_core::recovery::destination::{self, Copied};
use amiferry_core::recovery::next::next;
use futures::{StreamExt, stream};

use crate::Recoverer;
use crate::assemble::Elsewhere;
use crate::bucket::Records;
use crate::chosen::Seen;

/// How many objects are asked for at once.
const HEADS_IN_FLIGHT: usize = 16;

impl Recoverer {
    pub(crate) async fn look_in(
        &self,
        there: &Elsewhere,
        ids: &[RecoveryPointId],
        records: &Records,
        facts: &Vault,
        recovery: &Recovery,
        settling: &BTreeSet<RecoveryPointId>,
    ) -> Vec<(RecoveryPointId, Seen)> {
        let wanted: Vec<(RecoveryPointId, Manifest)> =
            ids.iter().filter_map(|id| Some((id.clone(), records.manifest(id)?.clone()))).collect();
        // Collected first: a lazy iterator of borrowing futures is not general enough for Send.
        let objects: Vec<_> = wanted
            .iter()
            .map(|(id, manifest)| self.objects(there, id.clone(), manifest.clone(), recovery))
            .collect();
        let objects: Vec<_> = stream::iter(objects).buffered(HEADS_IN_FLIGHT).collect().await;
        let (mut copies, mut seen) = (Vec::new(), Vec::new());
        for ((id, _), found) in wanted.iter().zip(objects) {
            let (copied, observation) = match found {
                Ok((copied, mut observation)) => {
                    observation.observed.settling = settling.contains(id);
                    (copied, Ok(observation))
                }
                Err(fault) => {
                    let asked = Asked::VaultObjects;
                    (Copied::No, Err(Unanswered { asked, fault, image: None }))
                }
            };
            copies.push(copied);
            seen.push(observation);
        }
        there.observer.look_at_restored(&mut seen, self.clock.now()).await;
        let looked = wanted.into_iter().zip(copies).zip(seen);
        let each = looked.map(|(((id, manifest), copied), answer)| {
            let seen = match answer {
                Ok(Observation { mut observed, .. }) => {
                    destination::shared_by_its_owner(&mut observed);
                    let step = next(&self.judged(facts, &observed), &observed);
                    let step = destination::next(step, &observed, &copied);
                    Seen::of(manifest, step, &observed)
                }
                Err(unanswered) => self.unseen(manifest, &unanswered, facts),
            };
            (id, seen)
        });
        each.collect()
    }

    /// The copy in the destination, and the vault's object where it is needed.
    async fn objects(
        &self,
        there: &Elsewhere,
        id: RecoveryPointId,
        manifest: Manifest,
        recovery: &Recovery,
    ) -> Result<(Copied, Observation), Fault> {
        let key = there.observer.keys_of(&id)?.image;
        let view = &there.observer.vault;
        let found = view.objects.head(&view.account, &view.bucket, &key).await?;
        let copied = Copied::of(&manifest, found.as_ref());
        let (home, at) = (&self.observer.vault, &manifest.vault_object.at);
        let (copied, object) = if copied == Copied::Yes {
            (copied, None)
        } else {
            match home.objects.head(&home.account, &home.bucket, &at.key).await? {
                Some(object) => (copied, Some(object)),
                None => (Copied::Lost, None),
            }
        };
        let place = there.observer.vault_id();
        let observed = destination::observed(&place, &manifest, object, recovery);
        Ok((copied, Observation::of(observed, &[], self.clock.now())))
    }
}
