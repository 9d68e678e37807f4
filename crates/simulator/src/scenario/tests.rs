//! Scenario files: what they do, and what is said about those that cannot be played.

use amiferry_core::ids::{AccountId, Arn, Region};
use jiff::SignedDuration;

use super::*;
use crate::ec2::settings::{OneCopy, Throttling};
use crate::landscape::{Landscape, SOURCE_ACCOUNT, SOURCE_REGION};
use crate::testing::pass;
use crate::{SimClock, ec2, kms, sqs};

const STORM: &str = include_str!("../../scenarios/storm.toml");

fn play(text: &str) -> (World, Landscape) {
    let scenario = Scenario::parse(text, "test").unwrap();
    let clock = SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap(), 1);
    let world = World::new(clock, scenario.settings.clone());
    let landscape = Landscape::build(&world).unwrap();
    scenario.begin(&world).unwrap();
    (world, landscape)
}

fn source() -> (AccountId, Region) {
    (SOURCE_ACCOUNT.parse().unwrap(), SOURCE_REGION.parse().unwrap())
}

fn names(world: &World) -> Vec<String> {
    let (account, region) = source();
    let state = world.lock();
    let mut names: Vec<String> =
        ec2::images(&state, &account, &region).map(|image| image.name.clone()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn the_example_can_be_played_to_its_end_without_a_mishap() {
    let scenario = Scenario::parse(STORM, "storm.toml").unwrap();
    assert_eq!((scenario.seed, scenario.speed), (Some(7), Some(60)));
    assert_eq!((scenario.plan.entries().len(), scenario.actions.len()), (12, 7));
    let (world, landscape) = play(STORM);
    assert_eq!(names(&world), ["orders-db-1", "web-1", "web-2", "web-3"]);
    pass(&world, 3_600).await;
    assert!(names(&world).contains(&"web-late".to_owned()));
    pass(&world, 5 * 3_600 + 60).await;
    assert!(kms::usable(&world.lock(), &landscape.vault_key).is_err());
    pass(&world, 3_600).await;
    assert_eq!(kms::usable(&world.lock(), &landscape.vault_key), Ok(()));
    assert_eq!(world.faults().installed().len(), 12);
    pass(&world, 4 * 3_600).await;
    assert_eq!(world.faults().installed(), []);
    assert_eq!(world.lock().mishaps, Vec::<String>::new());
}

#[test]
fn settings_are_those_of_the_base_with_the_files_values_over_them() {
    let settings = Scenario::parse(STORM, "storm.toml").unwrap().settings;
    let brisk = crate::landscape::brisk();
    assert_eq!(settings.seed, 7);
    assert_eq!(settings.ec2.store_quota_gb, 600);
    assert_eq!(settings.ec2.restore_quota_gb, brisk.ec2.restore_quota_gb);
    assert_eq!(settings.ec2.one_copy, OneCopy::PerKey);
    assert_eq!(settings.ec2.throttling, Throttling::On { refill_factor: 10.0 });
    assert_eq!(settings.ec2.restore, brisk.ec2.restore);
    assert_eq!(settings.ec2.store.parallel, 4);
    assert_eq!(settings.s3.copy_rate, brisk.s3.copy_rate);
    assert_eq!(settings.kms.grant_delay, 5);
    let aws = Scenario::parse("base = \"aws\"\n[settings.ec2]\nthrottling = \"off\"", "x").unwrap();
    assert_eq!(aws.settings.ec2.store, ec2::Settings::default().store);
    assert_eq!(aws.settings.ec2.throttling, Throttling::Off);
}

#[tokio::test(start_paused = true)]
async fn actions_happen_at_their_time_and_again_if_they_are_asked_to() {
    let text = r#"
        [[image]]
        name = "gone"
        [[action]]
        at = "10s"
        every = "1m"
        do = { add-image = { name = "new" } }
        [[action]]
        at = "30s"
        do = { deregister-image = { name = "gone" } }
        [[action]]
        at = "2m"
        do = { purge-queue = "arn:aws:sqs:us-east-1:111111111111:amiferry-source" }
        [[action]]
        at = "2m"
        do = { disable-image = { name = "never was" } }
    "#;
    let (world, _) = play(text);
    let queue: Arn = "arn:aws:sqs:us-east-1:111111111111:amiferry-source".parse().unwrap();
    pass(&world, 20).await;
    assert_eq!(names(&world), ["gone", "new"]);
    assert_eq!(sqs::depth(&world.lock(), &queue), 1, "the event of the new one");
    pass(&world, 60).await;
    assert_eq!(names(&world), ["new", "new"]);
    pass(&world, 42).await;
    assert_eq!(sqs::depth(&world.lock(), &queue), 0);
    let mishaps = world.lock().mishaps.clone();
    assert!(mishaps.len() == 1 && mishaps[0].contains("never was"), "{mishaps:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_clock_is_set_forward_everything_on_the_way_happens_at_its_own_time() {
    let (world, _) = play("[[action]]\nat = \"1h\"\ndo = { add-image = { name = \"new\" } }");
    let start = world.now();
    world.clock().advance(std::time::Duration::from_secs(7_200));
    let (account, region) = source();
    let state = world.lock();
    let created = ec2::images(&state, &account, &region).next().unwrap().created;
    assert_eq!(created.duration_since(start), SignedDuration::from_hours(1));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, why) in [
        ("seeds = 1", 1, "unknown field `seeds`"),
        ("seed = \"x\"", 1, "invalid type"),
        ("speed = 0", 1, "real time"),
        ("\n\n[settings.ec2]\nstore_quota = 1", 4, "unknown field `store_quota`"),
        ("\n[settings.ec2]\nname_release = \"soon\"", 3, "1h30m"),
        ("[[fault]]\nservice = \"s4\"\neffect = \"throttle\"", 2, "unknown variant `s4`"),
        ("[[fault]]\nservice = \"s3\"", 1, "missing field `effect`"),
        ("seed = 1\n[[fault]]\neffect = \"error-in-200\"", 2, "CopyObject"),
        ("[[fault]]\neffect = \"explode\"", 2, "unknown variant `explode`"),
        ("[[fault]]\neffect = \"throttle\"\nwhen = { nht = 1 }", 3, "unknown field `nht`"),
        ("[[event-fault]]\neffect = { duplicate = 0 }", 1, "duplicate = 0"),
        (
            "[[action]]\nat = \"1h\"\ndo = { transition-objects = { bucket = \"b\", class = \"COLD\" } }",
            1,
            "not a storage class",
        ),
        ("[[outage]]\nafter = \"2h\"\nuntil = \"1h\"", 1, "must be before"),
        ("[[image]]\nname = \"web\"\ngib = []", 1, "from 1 to 8"),
        (
            "\n[[action]]\nat = \"1h\"\ndo = { disable-key = \"arn:aws:sqs:us-east-1:111111111111:q\" }",
            2,
            "is not of kms",
        ),
        ("[[action]]\nat = \"1h\"\ndo = { disable-key = \"vault\" }", 3, "an ARN"),
        ("[[action]]\nat = \"1h\"\nevery = \"0s\"\ndo = { clear-faults = true }", 1, "at least 1s"),
    ] {
        let error = Scenario::parse(text, "f.toml").unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.to_string().contains(why), "{text}: {error}");
        assert!(error.to_string().starts_with("f.toml, line "), "{error}");
    }
}
