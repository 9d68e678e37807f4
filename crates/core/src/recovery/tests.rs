//! What is chosen, in which order it goes, and when it ends.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::forecast::{copied, finish};
use super::line::{Waiting, line};
use super::select::{Candidate, Selection};
use crate::decide::tests::fixture::{With, image, manifest, now};
use crate::forecast::Rate;
use crate::ids::ImageId;
use crate::manifest::Manifest;
use crate::names::RecoveryPointId;
use crate::pacing::{CallBudget, CallRate};
use crate::plan::{Turns, plan};
use crate::policy::{Pattern, Policies};

fn id(number: u8) -> ImageId {
    format!("ami-0000000000000000{number}").parse().unwrap()
}

/// A recorded image of a family, so many hours old.
fn recorded(number: u8, family: &str, hours: i64) -> Manifest {
    manifest(&image(), None).with(|manifest| {
        manifest.recovery_point.source_image_id = id(number);
        manifest.family = family.to_owned();
        manifest.source.created_at = now() - SignedDuration::from_hours(hours);
        manifest.source.shape.tags.insert("app".to_owned(), family.to_owned());
    })
}

/// Three of `web`, the newest of which is unusable, and one each of `db` and `lost`.
fn vault() -> Vec<(Manifest, bool)> {
    vec![
        (recorded(1, "web", 3), true),
        (recorded(2, "web", 1), false),
        (recorded(3, "web", 2), true),
        (recorded(4, "db", 9), true),
        (recorded(5, "lost", 5), false),
    ]
}

/// Which images a selection wants, and which stand in its way.
fn choice(selection: &Selection) -> (Vec<u8>, Vec<u8>) {
    let vault = vault();
    let (numbers, meant): (Vec<u8>, Vec<Candidate<'_>>) = (1..)
        .zip(&vault)
        .filter(|(_, (manifest, _))| selection.may_choose(manifest))
        .map(|(number, (manifest, usable))| (number, Candidate { manifest, usable: *usable }))
        .unzip();
    let chosen = selection.choose(&meant);
    let named = |set: &std::collections::BTreeSet<usize>| set.iter().map(|i| numbers[*i]).collect();
    (named(&chosen.wanted), named(&chosen.unusable))
}

fn families(names: &[&str]) -> Selection {
    let families = names.iter().map(|name| Pattern::new(*name)).collect();
    Selection { families, ..Selection::default() }
}

#[test]
fn a_family_gives_its_newest_usable_image_and_says_which_newer_ones_are_not() {
    assert_eq!(choice(&families(&["web"])), (vec![3], vec![2]));
    assert_eq!(choice(&families(&["w*", "db"])), (vec![3, 4], vec![2]));
    assert_eq!(choice(&families(&["lost"])), (vec![], vec![5]), "its only one");
}

#[test]
fn a_time_leaves_out_what_was_created_later() {
    let by = |hours: i64| Selection {
        as_of: Some(now() - SignedDuration::from_hours(hours)),
        ..Selection::default()
    };
    assert_eq!(choice(&by(0)), (vec![3, 4], vec![2, 5]));
    assert_eq!(choice(&by(2)), (vec![3, 4], vec![5]), "created at that very time");
    assert_eq!(choice(&by(3)), (vec![1, 4], vec![5]));
    assert_eq!(choice(&by(10)), (vec![], vec![]));
    let vault = vault();
    let young = by(4).too_young(vault.iter().map(|(manifest, _)| manifest));
    let young: Vec<&str> = young.iter().map(|one| one.family.as_str()).collect();
    assert_eq!(young, ["web"], "what has nothing so old is said");
}

#[test]
fn families_of_one_name_under_two_policies_are_two() {
    let under = |number, policy: &str, hours| {
        recorded(number, "web", hours).with(|manifest| manifest.policy = policy.to_owned())
    };
    let vault = [under(1, "gold", 9), under(2, "gold", 1), under(3, "silver", 2)];
    let candidates = vault.each_ref().map(|manifest| Candidate { manifest, usable: true });
    let wanted = |selection: &Selection| selection.choose(&candidates).wanted;
    assert_eq!(wanted(&families(&["web"])), [1, 2].into());
    let by = now() - SignedDuration::from_hours(5);
    let early = Selection { as_of: Some(by), ..Selection::default() };
    let fitting: Vec<_> =
        candidates.into_iter().filter(|one| early.may_choose(one.manifest)).collect();
    assert_eq!(early.choose(&fitting).wanted.len(), 1);
    let [young] = early.too_young(vault.iter()).try_into().unwrap();
    assert_eq!((young.policy.as_str(), young.family.as_str()), ("silver", "web"));

    // Nor does one wait for the other's turn.
    let waiting = |manifest: &Manifest| Waiting {
        family: manifest.family.clone(),
        policy: manifest.policy.clone(),
        created: manifest.source.created_at,
        size_gb: 8,
        begun: false,
        failures: 0,
    };
    let all: BTreeMap<_, _> =
        vault.iter().map(|one| (one.recovery_point.clone(), waiting(one))).collect();
    let (members, promises) = line(&all, &crate::decide::tests::fixture::policies());
    let of: Vec<usize> = members.iter().map(|member| member.family).collect();
    assert_eq!((of, promises.len()), (vec![0, 0, 1], 2));
}

#[test]
fn all_takes_every_image_of_what_is_selected_and_named_ones_come_in_addition() {
    let all = Selection { all: true, ..families(&["web"]) };
    assert_eq!(choice(&all), (vec![1, 3], vec![2]));
    let named = Selection { images: [id(1), id(2)].into(), ..families(&["db"]) };
    assert_eq!(choice(&named), (vec![1, 4], vec![2]));
    let tagged = |tags: &[(&str, &str)]| Selection {
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), Pattern::new(*value))).collect(),
        ..Selection::default()
    };
    assert_eq!(choice(&tagged(&[("app", "d*")])), (vec![4], vec![]));
    assert_eq!(choice(&tagged(&[("app", "db"), ("other", "*")])), (vec![], vec![]));
}

#[test]
fn what_is_named_and_not_there_is_said() {
    let selection = Selection {
        images: [id(1), id(9)].into(),
        policies: vec![Pattern::new("none-such")],
        ..families(&["web", "typo"])
    };
    let vault = vault();
    let unmatched = selection.unmatched(vault.iter().map(|(manifest, _)| manifest));
    assert_eq!(
        unmatched,
        [format!("image {}", id(9)), "family typo".into(), "policy none-such".into()]
    );
    assert!(Selection::default().is_empty());
}

#[test]
fn priority_goes_first_over_all_sources_and_then_the_newest_of_each_family() {
    let base = manifest(&image(), None);
    let policies: Policies = crate::decide::tests::fixture::policies();
    let point = |account: &str, number: u8| RecoveryPointId {
        source_account: account.parse().unwrap(),
        source_image_id: id(number),
        ..base.recovery_point.clone()
    };
    let waiting = |family: &str, policy: &str, hours: i64| Waiting {
        family: family.to_owned(),
        policy: policy.to_owned(),
        created: now() - SignedDuration::from_hours(hours),
        size_gb: 8,
        begun: false,
        failures: 0,
    };
    let known = policies.0[0].name.to_string();
    let all: BTreeMap<_, _> = [
        (point("111111111111", 1), waiting("a", "unknown", 2)),
        (point("111111111111", 2), waiting("a", "unknown", 1)),
        (point("333333333333", 3), waiting("b", "unknown", 3)),
        (point("333333333333", 4), waiting("c", &known, 1)),
        (point("333333333333", 5), waiting("c", &known, 2)),
    ]
    .into();
    let raised = policies.with(|policies| policies.0[0].priority = 10);
    let (members, promises) = line(&all, &raised);
    let planned = plan(&members, &promises, &[1], &mut Turns::default(), now());
    let order: Vec<_> = planned.iter().map(|one| one.key.source_image_id.clone()).collect();
    assert_eq!(order, [4, 5, 3, 2, 1].map(id));
}

fn minutes(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_mins()
}

#[test]
fn a_forecast_fills_the_quota_and_keeps_to_the_rate_of_calls() {
    let rate = Rate { start_up: SignedDuration::ZERO, per_gb: SignedDuration::from_secs(60) };
    let calls = |burst| {
        let refill = crate::span::Span::from_secs(600);
        CallBudget::full(CallRate { burst, refill }, now())
    };
    let ends = |sizes: &[u64], burst| {
        let waiting = sizes.iter().map(|size| (*size, now()));
        minutes(now(), finish([], waiting, 20, calls(burst), rate, now()))
    };
    assert_eq!(ends(&[], 50), 0);
    assert_eq!(ends(&[10, 10, 10], 50), 20, "two at once");
    assert_eq!(ends(&[30, 10], 50), 40, "one larger than the quota runs alone");
    assert_eq!(ends(&[1, 1, 1], 1), 21, "a call every ten minutes");
    let running = [(20, now() + SignedDuration::from_mins(7))];
    assert_eq!(minutes(now(), finish(running, [(5, now())], 20, calls(50), rate, now())), 12);
    let later = now() + SignedDuration::from_mins(30);
    let waiting = [(10, now()), (5, later)];
    assert_eq!(minutes(now(), finish([], waiting, 20, calls(50), rate, now())), 35, "copied first");
}

#[test]
fn copies_run_side_by_side_in_their_order() {
    let rate = Rate { start_up: SignedDuration::ZERO, per_gb: SignedDuration::from_secs(60) };
    let ends = |lanes| -> Vec<i64> {
        let ends = copied([10, 5, 5, 20], lanes, rate, now());
        ends.into_iter().map(|end| minutes(now(), end)).collect()
    };
    assert_eq!(ends(1), [10, 15, 20, 40]);
    assert_eq!(ends(2), [10, 5, 10, 30]);
    assert_eq!(ends(9), [10, 5, 5, 20]);
    assert_eq!(ends(0), ends(1));
}
