//! What never goes: what is locked, held, young, in use, shared, or the newest of its family.

use super::*;
use amiferry_core::ids::AccountId;

use crate::stage::{Fault, Mishap};

#[test]
fn nothing_goes_while_it_is_locked_or_a_legal_hold_is_on_it() {
    run_test(Options { configure: keep_two, ..Options::default() }, async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        days(stage, 20).await;
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Held, Kept};
        assert_eq!(outcomes(&pruned, &ids), [Held, Held, Kept, Kept], "{pruned:#?}");
        assert!(row(&pruned, &ids[0]).reason.starts_with("locked until "), "{pruned:#?}");
        assert!(ids.iter().all(|id| is_whole(stage, id)));
        with_object(stage, &ids[0], |object| object.legal_hold = true);
        days(stage, 20).await;
        let pruned = prune(stage, APPLY).await;
        assert_eq!(outcomes(&pruned, &ids), [Held, Gone, Kept, Kept], "{pruned:#?}");
        assert_eq!(row(&pruned, &ids[0]).reason, "a legal hold is on the object");
        assert!(is_whole(stage, &ids[0]) && is_gone(stage, &ids[1]));
    });
}

#[test]
fn an_ami_in_use_or_shared_keeps_its_recovery_point() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 6).await;
        days(stage, LOCKS).await;
        let ami = |id: &ImageId| truth::restored(stage, id)[0].id.clone();
        refer(
            stage,
            &ami(&ids[0]),
            "arn:aws:ec2:us-west-2:222222222222:instance/i-0a",
            "ec2:Instance",
        );
        let template = "arn:aws:ec2:us-west-2:222222222222:launch-template/lt-0a";
        refer(stage, &ami(&ids[1]), template, "ec2:LaunchTemplate");
        {
            let (shared, other) = (ami(&ids[2]), "999999999999".parse::<AccountId>().unwrap());
            let mut state = stage.world.lock();
            let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
            site.images.get_mut(&shared).unwrap().launch_permissions.insert(other);
        }
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Held, Kept};
        // What is shared beyond its record is not complete: it stays, and takes no one's place.
        assert_eq!(outcomes(&pruned, &ids), [Held, Held, Kept, Gone, Kept, Kept], "{pruned:#?}");
        assert!(row(&pruned, &ids[0]).reason.contains("in use by arn:aws:ec2"), "{pruned:#?}");
        assert!(row(&pruned, &ids[1]).reason.contains("launch-template/lt-0a"), "{pruned:#?}");
        assert!(row(&pruned, &ids[2]).reason.contains("shared"), "{pruned:#?}");
        assert!(has_object(stage, &ids[2]) && truth::restored(stage, &ids[2]).len() == 1);
        assert!(ids[..2].iter().all(|id| is_whole(stage, id)));
    });
}

#[test]
fn a_question_about_references_without_an_answer_keeps_everything_with_an_ami() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        days(stage, LOCKS).await;
        let lost =
            Fault { times: 9, ..Fault::first("DescribeImageReferences", Mishap::RequestLost) };
        stage.wire.upset("prune", lost);
        let pruned = prune(stage, APPLY).await;
        assert_eq!(row(&pruned, &ids[0]).outcome, Outcome::Held, "{pruned:#?}");
        assert!(row(&pruned, &ids[0]).reason.contains("DescribeImageReferences"), "{pruned:#?}");
        assert!(is_whole(stage, &ids[0]));
    });
}

#[test]
fn a_snapshot_that_another_image_uses_stays_and_is_named() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        days(stage, LOCKS).await;
        let ami = truth::restored(stage, &ids[0])[0].clone();
        let snapshot = ami.snapshots().next().unwrap().clone();
        {
            // A person registered another image from it.
            let mut state = stage.world.lock();
            let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
            let other: ImageId = "ami-0123456789abcdef9".parse().unwrap();
            let mut image = ami.clone();
            (image.id, image.name) = (other.clone(), "by-hand".to_owned());
            image.tags.clear();
            site.images.insert(other, image);
        }
        let pruned = prune(stage, APPLY).await;
        let gone = row(&pruned, &ids[0]);
        assert_eq!(gone.outcome, Outcome::Gone, "{pruned:#?}");
        assert!(gone.reason.contains(snapshot.as_str()), "{pruned:#?}");
        let state = stage.world.lock();
        let site = &state.ec2[&stage.landscape.vault];
        assert!(site.snapshots.contains_key(&snapshot) && !site.images.contains_key(&ami.id));
        drop(state);
        // It is not asked for again.
        let again = prune(stage, APPLY).await;
        assert!(again.rows.iter().all(|row| row.outcome == Outcome::Kept), "{again:#?}");
    });
}

#[test]
fn the_newest_complete_one_stays_even_if_newer_ones_are_lost_and_no_rule_keeps_it() {
    let configure = |config: &mut Config| {
        for policy in &mut config.policies.0 {
            let within = Some(Span::from_secs(3_600));
            policy.keep = Some(Keep { within, ..Keep::default() });
        }
        config.prune.most_percent = 100;
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        days(stage, LOCKS).await;
        {
            let key = truth::vault_key(stage, &ids[2], "image.bin");
            let mut state = stage.world.lock();
            let bucket = state.s3.bucket_mut(VAULT_BUCKET).unwrap();
            let version = bucket.latest(&key).unwrap().id.clone();
            bucket.remove(&key, &version);
        }
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Kept};
        assert_eq!(outcomes(&pruned, &ids), [Gone, Kept, Kept], "{pruned:#?}");
        assert!(row(&pruned, &ids[1]).reason.starts_with("the newest complete"), "{pruned:#?}");
        assert!(row(&pruned, &ids[2]).reason.contains("object_lost"), "{pruned:#?}");
        assert!(is_whole(stage, &ids[1]));
    });
}

#[test]
fn nothing_young_goes_and_nothing_of_a_policy_without_rules() {
    run_test(options(), async |stage| {
        let ids = family(stage, "orders-db", 4).await;
        let pruned = prune(stage, APPLY).await;
        assert!(pruned.rows.iter().all(|row| row.outcome == Outcome::Kept), "{pruned:#?}");
        assert_eq!(row(&pruned, &ids[0]).reason, "younger than the floor");
    });
    run_test(Options::default(), async |stage| {
        family(stage, "orders-db", 3).await;
        days(stage, LOCKS).await;
        let pruned = prune(stage, APPLY).await;
        assert!(pruned.rows.iter().all(|row| row.reason == "its policy has no rule"));
    });
}
