//! AMIs that go before their objects.

use super::*;

/// AMIs for a week, objects for 60 days.
fn week(config: &mut Config) {
    let days = |days: u64| Some(Span::from_secs(days * 86_400));
    for policy in &mut config.policies.0 {
        policy.keep = Some(Keep { within: days(60), ..Keep::default() });
        if policy.tier == amiferry_core::policy::Tier::Ready {
            policy.keep_ami = Some(Keep { within: days(7), ..Keep::default() });
        }
    }
    config.prune.most_percent = 100;
}

#[test]
fn an_ami_goes_after_a_week_its_object_stays_complete_and_the_worker_restores_nothing() {
    run_test(Options { configure: week, ..Options::default() }, async |stage| {
        let ids = family(stage, "orders-db", 3).await;
        days(stage, 10).await;
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Kept};
        assert_eq!(outcomes(&pruned, &ids), [Gone, Gone, Kept], "{pruned:#?}");
        assert_eq!(row(&pruned, &ids[0]).what, What::Ami);
        for id in &ids[..2] {
            assert!(truth::restored(stage, id).is_empty() && has_object(stage, id));
            let files = files_of(stage, id);
            assert!(files.contains(&"record-0001-retired.json".to_owned()), "{files:?}");
        }
        audit_knows(stage, &[], &ids).await;
        let before = stage.wire.calls("CreateRestoreImageTask").len();
        stage.start_both();
        stage.pass(hours(2)).await;
        assert_eq!(stage.wire.calls("CreateRestoreImageTask").len(), before);
        let (shown, _) = stage.shown().unwrap();
        assert!(ids.iter().all(|id| state_of(&shown, id) == Some(PointState::Complete)));
        stage.kill_all();

        // A person restores one of them again: it stays while its recovery point does.
        let again = prune(stage, APPLY).await;
        assert!(again.rows.iter().all(|row| row.outcome == Kept), "{again:#?}");
        days(stage, 60).await;
        let last = prune(stage, APPLY).await;
        assert_eq!(outcomes(&last, &ids), [Gone, Gone, Kept], "{last:#?}");
        assert!(ids[..2].iter().all(|id| is_gone(stage, id)) && is_whole(stage, &ids[2]));
        audit_knows(stage, &ids[..2], &ids[2..]).await;
    });
}

#[test]
fn an_ami_in_its_cooldown_is_retiring_and_the_worker_neither_protects_nor_misses_it() {
    run_test(Options { configure: week, ..Options::default() }, async |stage| {
        let ids = family(stage, "orders-db", 2).await;
        let ami = truth::restored(stage, &ids[0])[0].id.clone();
        {
            let place = stage.landscape.vault.clone();
            ec2::lifecycle::protect(&mut stage.world.lock(), &place, &ami, true).unwrap();
        }
        days(stage, 10).await;
        let pruned = prune(stage, APPLY).await;
        assert_eq!(row(&pruned, &ids[0]).outcome, Outcome::Retiring, "{pruned:#?}");
        assert!(pruned.is_whole());
        stage.start_both();
        stage.pass(hours(2)).await;
        let (shown, _) = stage.shown().unwrap();
        assert_eq!(state_of(&shown, &ids[0]), Some(PointState::Complete), "{shown:#?}");
        audit_knows(stage, &[], &ids).await;
        stage.kill_all();
        let pruned = prune(stage, APPLY).await;
        assert_eq!(row(&pruned, &ids[0]).outcome, Outcome::Retiring, "{pruned:#?}");
        stage.pass(hours(24)).await;
        let pruned = prune(stage, APPLY).await;
        assert_eq!(row(&pruned, &ids[0]).outcome, Outcome::Gone, "{pruned:#?}");
        assert!(truth::restored(stage, &ids[0]).is_empty() && has_object(stage, &ids[0]));
    });
}
