//! What a record gives up while its object is still there: no general selection restores it, all of
//! them say so, and a person who names it has it. A record that gives up another object is not believed.

use amiferry_audit::render::Look;
use amiferry_audit::report::Verdict;
use amiferry_core::code::Code;
use amiferry_core::ids::ImageId;
use amiferry_core::policy::Pattern;
use amiferry_core::recovery::select::Selection;
use amiferry_recovery::render;
use amiferry_recovery::report::{Recovered, State};
use jiff::SignedDuration;

use super::{disaster, everything, image, records_of, recoverer, restore};
use crate::retention::{forge, forge_tombstone};
use crate::stage::{Options, Stage, inventory, run_test, spec};

fn old(stage: &mut Stage, workload: &str, name: &str, hours: i64) -> ImageId {
    let mut spec = spec(workload, name, &[8]);
    spec.created = Some(stage.world.now() - SignedDuration::from_hours(hours));
    stage.image(spec)
}

fn family(name: &str) -> Selection {
    Selection { families: vec![Pattern::new(name)], ..Selection::default() }
}

fn mapped(recovered: &Recovered) -> Vec<ImageId> {
    recovered.map.iter().map(|row| row.source_image_id.clone()).collect()
}

/// The one that is not restored, and how.
fn missing(recovered: &Recovered) -> (ImageId, Option<Code>, &str) {
    let [not] = recovered.not_restored.as_slice() else { panic!("{recovered:#?}") };
    (not.source_image_id.clone().unwrap(), not.code, not.reason.as_str())
}

#[test]
fn what_a_record_gives_up_is_named_while_its_object_is_there_and_restored_by_its_id() {
    run_test(Options::default(), async |stage| {
        let [older, newer] = [30, 3].map(|h| old(stage, "analytics", &format!("analytics-{h}"), h));
        let [first, second] = [40, 2].map(|h| old(stage, "batch", &format!("batch-{h}"), h));
        let ready = old(stage, "orders-db", "orders-db-1", 5);
        disaster(stage).await;
        for id in [&newer, &first, &ready] {
            forge_tombstone(stage, id);
        }
        let reason = "a record gives it up, and its object is still there";

        let of_family = restore(stage, &family("analytics")).await;
        assert_eq!(mapped(&of_family), std::slice::from_ref(&older));
        assert_eq!(missing(&of_family), (newer.clone(), Some(Code::Pruned), reason));
        assert!(!of_family.is_whole());
        let to_do = &of_family.not_restored[0].remedy;
        assert!(to_do.contains(&format!("amiferry restore {newer}")), "{to_do}");
        // One that is older than what the family gives stands in no one's way.
        let of_other = restore(stage, &family("batch")).await;
        assert_eq!((mapped(&of_other), of_other.is_whole()), (vec![second], true));
        let of_lost = restore(stage, &family("orders-db")).await;
        assert_eq!(missing(&of_lost), (ready.clone(), Some(Code::Pruned), reason));
        let all = restore(stage, &everything()).await;
        assert_eq!((all.map.len(), all.not_restored.len()), (2, 3), "{all:#?}");

        let recoverer = recoverer(stage);
        let records = recoverer.records().await.unwrap();
        let listed = recoverer.inventory(&records);
        let state = |id: &ImageId| listed.map.iter().find(|row| row.source_image_id == *id);
        assert_eq!(state(&newer).unwrap().state, State::GivenUp, "{listed:#?}");
        assert_eq!(state(&older).unwrap().state, State::Recorded, "{listed:#?}");
        assert!(!listed.is_whole() && listed.not_restored.is_empty());
        let text = render::inventory(&listed, Look::PLAIN);
        let counts = "2 recorded, 3 given up by a record while the object is there, 0 without a";
        assert!(text.contains(counts), "{text}");
        let answer = recoverer.lookup(&records, "analytics-3").await;
        let [found] = answer.points.as_slice() else { panic!("{answer:#?}") };
        assert_eq!(
            (found.complete, found.code, found.detail.as_str()),
            (false, Code::Pruned, reason)
        );
        assert!(!answer.is_whole());

        for id in [&newer, &ready] {
            let named = restore(stage, &image(id)).await;
            assert_eq!((mapped(&named), named.is_whole()), (vec![id.clone()], true), "{named:#?}");
            let again = restore(stage, &image(id)).await;
            assert_eq!(again.map[0].state, State::There, "{again:#?}");
        }
        assert_eq!(
            records_of(stage, &newer),
            ["record-0001-pruned.json", "record-0001-restored.json"]
        );
        // The record still counts for all others: nothing of this is lost or in doubt.
        let report = inventory::partial_report(stage).await.unwrap();
        assert_ne!(report.verdict(), Verdict::Lost, "{report:#?}");
        let left = report.rejected.iter().filter(|left| left.code == Code::Pruned).count();
        assert_eq!(left, 3, "{report:#?}");
    });
}

#[test]
fn a_record_that_gives_up_another_object_is_not_believed_and_the_point_is_tampered_with() {
    run_test(Options::default(), async |stage| {
        let [one, other] = [30, 3].map(|h| old(stage, "analytics", &format!("analytics-{h}"), h));
        disaster(stage).await;
        forge(stage, &one, true, |record| {
            record.vault_object.at.version = Some("of-another-image".to_owned());
            record.vault_object.size += 1;
        });
        let all = restore(stage, &everything()).await;
        assert_eq!(mapped(&all), [other]);
        let (id, code, reason) = missing(&all);
        assert_eq!((id, code), (one.clone(), Some(Code::ManifestUnreadable)));
        assert!(reason.contains("record-0001-pruned.json gives up an object"), "{reason}");
        let recoverer = recoverer(stage);
        let records = recoverer.records().await.unwrap();
        assert_eq!(missing(&recoverer.inventory(&records)).0, one);
        assert!(!recoverer.lookup(&records, one.as_str()).await.is_whole());
        let report = inventory::partial_report(stage).await.unwrap();
        assert_eq!(report.verdict(), Verdict::Lost, "{report:#?}");
    });
}
