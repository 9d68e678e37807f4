//! Objects in archive classes of S3: complete where the policy wants them there, and retrieved before
//! they are restored.

use amiferry_audit::archived::groups;
use amiferry_core::code::Code;
use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::ImageId;
use amiferry_core::model::{Retrieval, Speed};
use amiferry_core::policy::StorageClass;
use amiferry_recovery::report::{Recovered, State};
use amiferry_recovery::run::Event;
use amiferry_service::config::Config;
use amiferry_simulator::faults::{Effect, FaultPlan, Refusal, Rule, When};
use amiferry_simulator::landscape::VAULT_BUCKET;
use amiferry_simulator::s3::archive::{self, AccessTier, Destination};
use amiferry_simulator::s3::storage_class;
use amiferry_simulator::wire::scope::Service;
use jiff::SignedDuration;

use super::{
    PointState, ami, audit_is_green, destroy, disaster, everything, image, recoverer,
    remove_restored, restore,
};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// Every policy keeps objects in a class, or lets lifecycle rules move them there.
fn policies(config: &mut Config, change: fn(&mut amiferry_core::policy::Policy)) {
    config.policies.0.iter_mut().for_each(change);
}

fn in_deep_archive() -> Options {
    let configure: fn(&mut Config) = |config| {
        policies(config, |policy| {
            if policy.name.as_str() == "archive" {
                policy.storage_class = StorageClass::DeepArchive;
            }
        });
    };
    Options { configure, ..Options::default() }
}

fn in_glacier() -> Options {
    let configure: fn(&mut Config) = |config| {
        policies(config, |policy| {
            if policy.name.as_str() == "archive" {
                policy.storage_class = StorageClass::FlexibleRetrieval;
            }
        });
    };
    Options { configure, ..Options::default() }
}

/// The classes of what lies under the folder of an image, by file.
fn classes(stage: &Stage, id: &ImageId) -> Vec<(String, &'static str)> {
    let folder = truth::vault_key(stage, id, "");
    let state = stage.world.lock();
    let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
    let found = bucket.all_versions().filter_map(|(key, versions)| {
        let file = key.strip_prefix(folder.as_str())?;
        Some((file.to_owned(), versions.last()?.object()?.storage_class.name()))
    });
    found.collect()
}

/// A rule of the vault bucket's administrator moves what is large, now.
fn archive_by_rule(stage: &Stage, class: storage_class::StorageClass) -> usize {
    archive_to(stage, Destination::Class(class))
}

fn archive_to(stage: &Stage, to: Destination) -> usize {
    let mut state = stage.world.lock();
    archive::transition(&mut state, (VAULT_BUCKET, ""), 1 << 20, to).unwrap()
}

/// Restores with a way of retrieval.
async fn restore_by(stage: &Stage, retrieval: Retrieval) -> (Recovered, Vec<Event>) {
    let mut recoverer = recoverer(stage);
    recoverer.retrieval = retrieval;
    let records = recoverer.records().await.unwrap();
    let recovery = Recovery::default();
    let chosen = recoverer.choose(&records, &everything(), &recovery).await;
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |event: &Event| told.lock().unwrap().push(event.clone());
    let recovered = recoverer.run(&records, chosen, &recovery, &tell).await;
    (recovered, told.into_inner().unwrap())
}

fn took(recovered: &Recovered) -> SignedDuration {
    recovered.ended_at.duration_since(recovered.began_at)
}

#[test]
fn a_copy_in_deep_archive_is_complete_and_restored_once_it_is_retrieved() {
    run_test(in_deep_archive(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let kept = classes(stage, &id);
        let expected = [
            ("image.bin", "DEEP_ARCHIVE"),
            ("manifest.json", "STANDARD"),
            ("source.json", "STANDARD"),
        ];
        assert_eq!(kept, expected.map(|(file, class)| (file.to_owned(), class)));
        assert!(
            truth::manifest(stage, &id).unwrap().contains(r#""storage_class": "DEEP_ARCHIVE""#)
        );

        // Green, and said.
        audit_is_green(stage).await;
        let report = crate::stage::inventory::partial_report(stage).await.unwrap();
        let object = report.recovery_points[0].vault_object.clone().unwrap();
        assert_eq!(object.storage_class.as_deref(), Some("DEEP_ARCHIVE"));
        assert_eq!(object.archived.unwrap().retrieval_seconds, 12 * 3_600);
        let group = &groups(&report.recovery_points)[0];
        assert_eq!((group.place, group.points, group.wait()), ("DEEP_ARCHIVE", 1, "12h 0m".into()));

        let recoverer = recoverer(stage);
        let records = recoverer.records().await.unwrap();
        let answer = recoverer.lookup(&records, id.as_str()).await;
        assert_eq!(answer.points[0].archived.as_deref(), Some("DEEP_ARCHIVE"));
        let before = stage.wire.count();
        let chosen = recoverer.choose(&records, &everything(), &Recovery::default()).await;
        let planned = recoverer.planned(chosen);
        let first = planned.map[0].retrieval.as_ref().unwrap();
        assert_eq!((first.speed, first.takes_seconds), (Speed::Standard, 12 * 3_600));
        assert!(took(&planned) > SignedDuration::from_hours(12), "{planned:#?}");
        let reading = planned.reading.unwrap();
        assert_eq!((reading.objects, reading.retrieved, reading.cost), (1, 1, None), "not priced");
        assert!(stage.wire.all()[before..].iter().all(|call| !call.mutates()));

        let (recovered, told) = restore_by(stage, Retrieval::default()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert_eq!(recovered.map[0].state, State::Restored);
        let waited = took(&recovered);
        let expected = SignedDuration::from_hours(12)..SignedDuration::from_mins(12 * 60 + 15);
        assert!(expected.contains(&waited), "{waited}");
        assert!(matches!(&told[0], Event::Retrieving { speed: Speed::Standard, .. }), "{told:?}");
        assert_eq!(stage.wire.calls("RestoreObject").len(), 1);
        assert!(stage.wire.calls("HeadObject").len() < 400, "it is asked now and then");
        audit_is_green(stage).await;

        let again = restore(stage, &everything()).await;
        assert_eq!(again.map[0].state, State::There);
        // The retrieved copy ends, and nothing changes by it.
        stage.pass(hours(24 * 9)).await;
        audit_is_green(stage).await;
        assert_eq!(stage.wire.calls("RestoreObject").len(), 1);
    });
}

#[test]
fn a_command_that_is_ended_while_it_waits_is_taken_up_and_retrieves_nothing_twice() {
    run_test(in_deep_archive(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let first = restore_by(stage, Retrieval::default());
        assert!(tokio::time::timeout(hours(3), first).await.is_err());
        // Two people take it up.
        let [one, two] = [(); 2].map(|()| restore_by(stage, Retrieval::default()));
        let ((one, _), (two, _)) = tokio::join!(one, two);
        assert!(one.is_whole() && two.is_whole(), "{one:#?} {two:#?}");
        assert!(took(&one) < SignedDuration::from_mins(9 * 60 + 15), "{}", took(&one));
        assert_eq!(ami(&one, &id), ami(&two, &id));
        assert_eq!(stage.wire.calls("RestoreObject").len(), 1);
        assert_eq!(truth::restored(stage, &id).len(), 1);
        audit_is_green(stage).await;
    });
}

#[test]
fn two_commands_that_begin_at_once_retrieve_once() {
    run_test(in_glacier(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let [one, two] = [(); 2].map(|()| restore_by(stage, Retrieval::default()));
        let ((one, _), (two, _)) = tokio::join!(one, two);
        assert!(one.is_whole() && two.is_whole(), "{one:#?} {two:#?}");
        assert_eq!(ami(&one, &id), ami(&two, &id));
        let asked = stage.wire.calls("RestoreObject");
        assert_eq!(asked.iter().filter(|call| call.succeeded()).count(), 1, "{asked:#?}");
        audit_is_green(stage).await;
    });
}

#[test]
fn without_capacity_for_expedited_retrievals_the_remedy_leads_out() {
    run_test(in_glacier(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        stage.world.lock().settings.s3.expedited_retrievals = false;
        let expedited = Retrieval { speed: Speed::Expedited, ..Retrieval::default() };
        let (refused, _) = restore_by(stage, expedited).await;
        let row = &refused.not_restored[0];
        assert_eq!(row.code, Some(Code::ObjectArchived), "{row:#?}");
        assert!(row.reason.contains("GlacierExpeditedRetrievalNotAvailable"), "{row:#?}");
        assert!(row.remedy.contains("--retrieval standard"), "{row:#?}");
        let (recovered, _) = restore_by(stage, Retrieval::default()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert!(took(&recovered) < SignedDuration::from_mins(5 * 60 + 15));
        // With capacity, it takes minutes.
        remove_restored(stage, &ami(&recovered, &id));
        stage.pass(hours(24 * 9)).await;
        stage.world.lock().settings.s3.expedited_retrievals = true;
        let (recovered, _) = restore_by(stage, expedited).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert!(took(&recovered) < SignedDuration::from_mins(15), "{}", took(&recovered));
    });
}

#[test]
fn a_retrieval_that_is_refused_is_that_images_trouble_alone() {
    run_test(in_deep_archive(), async |stage| {
        let ids = [1, 2].map(|n| stage.image(spec("analytics", &format!("analytics-{n}"), &[8])));
        let ready = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        let refusal = Refusal {
            status: 403,
            code: "AccessDenied".to_owned(),
            message: "Refused for a test.".to_owned(),
        };
        let rule = Rule::new(Effect::Refuse(refusal)).on(Service::S3, "RestoreObject");
        let rule = rule.when(When::nth(1));
        stage.world.faults().install(FaultPlan::new().fault(rule)).unwrap();
        let (recovered, _) = restore_by(stage, Retrieval::default()).await;
        assert_eq!(recovered.not_restored.len(), 1, "{recovered:#?}");
        assert_eq!(recovered.not_restored[0].code, Some(Code::Denied));
        assert_eq!(recovered.map.len(), 2, "{recovered:#?}");
        assert_eq!(recovered.map[0].source_image_id, ready, "it does not wait for the archived");
        let (recovered, _) = restore_by(stage, Retrieval::default()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert!(ids.iter().all(|id| truth::restored(stage, id).len() == 1));
        audit_is_green(stage).await;
    });
}

#[test]
fn a_worker_that_needs_an_archived_object_again_waits_for_the_command_that_its_remedy_names() {
    let configure: fn(&mut Config) = |config| {
        policies(config, |policy| policy.lifecycle_class = Some(StorageClass::DeepArchive));
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(2)).await;
        assert_eq!(archive_by_rule(stage, storage_class::StorageClass::DeepArchive), 1);
        stage.pass(hours(1)).await;
        audit_is_green(stage).await;
        remove_restored(stage, &truth::restored(stage, &id)[0].id);
        stage.until_parked(Role::Target, Code::ObjectArchived, hours(2)).await;
        let report = stage.report().await;
        let point = &report.recovery_points[0];
        assert_eq!((point.state, point.code), (PointState::Lost, Code::RestoredImageLost));
        assert!(point.detail.contains("object_archived: S3 has it in DEEP_ARCHIVE"), "{point:#?}");
        let remedies = [point.code.remedy(), Code::ObjectArchived.remedy()];
        assert!(remedies.iter().all(|remedy| remedy.contains("amiferry restore")), "{remedies:?}");
        assert!(stage.wire.calls("RestoreObject").is_empty(), "no worker retrieves anything");

        let (recovered, _) = restore_by(stage, Retrieval::default()).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        stage.pass(hours(1)).await;
        audit_is_green(stage).await;
        assert_eq!(truth::restored(stage, &id).len(), 1);
        assert_eq!(stage.wire.calls("RestoreObject").len(), 1);
    });
}

#[test]
fn what_intelligent_tiering_archived_as_the_policy_allows_is_complete_and_leaves_its_tier_for_good()
{
    let configure: fn(&mut Config) = |config| {
        policies(config, |policy| {
            policy.storage_class = StorageClass::IntelligentTiering;
            policy.lifecycle_class = Some(StorageClass::FlexibleRetrieval);
        });
    };
    for (speed, hours) in [(Speed::Standard, 5), (Speed::Bulk, 12)] {
        run_test(Options { configure, ..Options::default() }, async |stage| {
            let id = stage.image(spec("analytics", "analytics-1", &[8]));
            disaster(stage).await;
            assert_eq!(classes(stage, &id)[0].1, "INTELLIGENT_TIERING");
            assert_eq!(archive_to(stage, Destination::Tier(AccessTier::Archive)), 1);
            audit_is_green(stage).await;
            let retrieval = Retrieval { speed, ..Retrieval::default() };
            let (recovered, _) = restore_by(stage, retrieval).await;
            assert!(recovered.is_whole(), "{recovered:#?}");
            assert!(took(&recovered) >= SignedDuration::from_hours(hours), "{recovered:#?}");
            assert_eq!(stage.wire.calls("RestoreObject").len(), 1);
            audit_is_green(stage).await;
            stage.pass(minutes(60 * 24 * 30)).await;
            let state = stage.world.lock();
            let bucket = state.s3.bucket(VAULT_BUCKET).unwrap();
            let object = bucket.latest(&truth::vault_key(stage, &id, "image.bin")).unwrap();
            assert!(object.object().unwrap().is_readable(stage.world.now()), "it stays readable");
        });
    }
}

#[test]
fn what_intelligent_tiering_archived_deeper_than_the_policy_allows_is_unusable() {
    let configure: fn(&mut Config) = |config| {
        policies(config, |policy| {
            policy.storage_class = StorageClass::IntelligentTiering;
            policy.lifecycle_class = Some(StorageClass::FlexibleRetrieval);
        });
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        assert_eq!(archive_to(stage, Destination::Tier(AccessTier::DeepArchive)), 1);
        let report = crate::stage::inventory::partial_report(stage).await.unwrap();
        let point = &report.recovery_points[0];
        assert_eq!((point.state, point.code), (PointState::Unusable, Code::ObjectArchived));
        assert!(point.detail.contains("DEEP_ARCHIVE_ACCESS"), "{point:#?}");
    });
}

#[test]
fn a_class_that_is_read_at_once_is_restored_at_once_and_shown() {
    let configure: fn(&mut Config) = |config| {
        policies(config, |policy| policy.storage_class = StorageClass::InstantRetrieval);
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        assert_eq!(classes(stage, &id)[0].1, "GLACIER_IR");
        remove_restored(stage, &truth::restored(stage, &id)[0].id);
        let recovered = restore(stage, &image(&id)).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert!(took(&recovered) < SignedDuration::try_from(minutes(10)).unwrap());
        let report = crate::stage::inventory::partial_report(stage).await.unwrap();
        let object = report.recovery_points[0].vault_object.clone().unwrap();
        assert_eq!((object.storage_class.as_deref(), object.archived), (Some("GLACIER_IR"), None));
    });
}

#[test]
fn an_object_that_a_rule_archives_against_the_policy_is_unusable_and_restored_for_a_person() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(60)).await;
        stage.kill_all();
        archive_by_rule(stage, storage_class::StorageClass::GlacierFlexibleRetrieval);
        let report = stage.report().await;
        let point = &report.recovery_points[0];
        assert_eq!((point.state, point.code), (PointState::Unusable, Code::ObjectArchived));
        destroy(stage);
        let bulk = Retrieval { speed: Speed::Bulk, days: 1 };
        let (recovered, _) = restore_by(stage, bulk).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        let waited = took(&recovered);
        assert!(waited > SignedDuration::from_hours(12), "{waited}");
        assert_eq!(truth::restored(stage, &id).len(), 1);
    });
}
