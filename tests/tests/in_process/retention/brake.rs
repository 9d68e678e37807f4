//! The brake: it counts what would go now, and nothing that a lock, a hold or a use keeps.

use super::*;

/// The rules, with the brake as it is without any key.
fn default_brake() -> Options {
    Options { configure: keep_two, ..Options::default() }
}

#[test]
fn the_brake_stops_a_run_that_would_take_too_much_until_a_person_says_so() {
    let configure = |config: &mut Config| {
        last_two(config);
        config.prune.most = 2;
    };
    run_test(Options { configure, ..Options::default() }, async |stage| {
        let ids = family(stage, "orders-db", 5).await;
        days(stage, LOCKS).await;
        let pruned = prune(stage, APPLY).await;
        assert!(!pruned.is_whole() && pruned.refused[0].contains("--yes-really"), "{pruned:#?}");
        assert!(pruned.refused[0].starts_with("3 of 5 "), "{pruned:#?}");
        assert!(ids.iter().all(|id| is_whole(stage, id)));
        let pruned = prune(stage, Allowed { apply: true, really: true }).await;
        assert!(pruned.is_whole() && ids[..3].iter().all(|id| is_gone(stage, id)), "{pruned:#?}");
    });
}

#[test]
fn what_is_locked_does_not_count_so_a_scheduled_run_deletes_the_few_that_are_free() {
    run_test(default_brake(), async |stage| {
        let ids = family(stage, "orders-db", 33).await;
        days(stage, LOCKS).await;
        for id in &ids[1..] {
            with_object(stage, id, |object| {
                let lock = object.retention.as_mut().unwrap();
                lock.until += SignedDuration::from_hours(24 * 365);
            });
        }
        let pruned = prune(stage, APPLY).await;
        use Outcome::{Gone, Held, Kept};
        let expected = [&[Gone][..], &[Held; 30], &[Kept; 2]].concat();
        assert_eq!(outcomes(&pruned, &ids), expected, "{pruned:#?}");
        assert!(pruned.is_whole() && is_gone(stage, &ids[0]), "{pruned:#?}");
        assert!(ids[1..].iter().all(|id| is_whole(stage, id)));
    });
}

#[test]
fn what_is_free_counts_and_the_list_says_what_holds_the_rest() {
    run_test(default_brake(), async |stage| {
        let ids = family(stage, "orders-db", 12).await;
        days(stage, LOCKS).await;
        with_object(stage, &ids[0], |object| object.legal_hold = true);
        let ami = truth::restored(stage, &ids[1])[0].id.clone();
        let instance = "arn:aws:ec2:us-west-2:222222222222:instance/i-0a";
        refer(stage, &ami, instance, "ec2:Instance");
        let pruned = prune(stage, APPLY).await;
        assert!(pruned.refused[0].starts_with("8 of 12 "), "{pruned:#?}");
        use Outcome::{Goes, Held, Kept};
        let expected = [&[Held; 2][..], &[Goes; 8], &[Kept; 2]].concat();
        assert_eq!(outcomes(&pruned, &ids), expected, "{pruned:#?}");
        assert!(!pruned.is_whole() && ids.iter().all(|id| is_whole(stage, id)));
    });
}
