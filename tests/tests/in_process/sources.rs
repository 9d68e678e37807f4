//! Many sources of one vault, some of which fail: what a sweep asks, and how soon an event of
//! another source is looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_service::config::{Config, ExternalId};
use amiferry_simulator::ec2;
use amiferry_simulator::faults::{Effect, FaultPlan, Outage, Rule};
use amiferry_simulator::landscape::{self, Pace};
use amiferry_simulator::wire::scope::Service;
use jiff::{SignedDuration, Timestamp};

use crate::stage::images::But;
use crate::stage::wire::Call;
use crate::stage::{
    Options, Role, Stage, hours, inventory, minutes, run_test, spec, staged, truth,
};

/// Where the sources are: those that are to fail first, two of them in Regions of their own.
const REGIONS: [&str; 40] = {
    let mut regions = [landscape::SOURCE_REGION; 40];
    regions[0] = "sa-east-1";
    regions[1] = "af-south-1";
    regions
};
const IMAGES: usize = 5;

/// The sources of a stage beside the landscape's own, with their images.
type Sources = BTreeMap<(AccountId, Region), Vec<ImageId>>;

/// Gives the vault more sources, each with images that a policy selects and that wait to be stored.
fn more_sources(stage: &mut Stage) -> Sources {
    let more = stage.landscape.add_sources(&stage.world, REGIONS).unwrap();
    let text = stage.landscape.config_with_sources(None, Pace::Real, &more);
    stage.config = Config::parse(&text, "the stage", &BTreeMap::new()).unwrap();
    let now = stage.world.now();
    let image = |(account, region): &(AccountId, Region), number: usize| {
        let spec = spec("web", &format!("web-{number}"), &[8]).unannounced();
        ec2::add_image(&mut stage.world.lock(), now, account, region, spec)
    };
    let images = |source| (0..IMAGES).map(|number| image(source, number)).collect();
    more.iter().map(|source| (source.clone(), images(source))).collect()
}

/// How many sources fail in a play with trouble.
const TROUBLED: usize = 3;

/// From now on the first source does not answer, of the second S3 does not, and the third refuses.
fn trouble(stage: &Stage, sources: &Sources) {
    let mut first = sources.keys();
    let mut next = || first.next().unwrap().clone();
    let (_, silent) = next();
    let (_, half_silent) = next();
    let (refusing, _) = next();
    let denied = Rule::new(Effect::AccessDenied).of(Service::Ec2).from_account(refusing);
    let faults = FaultPlan::new()
        .outage(Outage::of_region(silent))
        .outage(Outage::of_service(Service::S3, half_silent))
        .fault(denied);
    stage.world.faults().install(faults).unwrap();
}

#[test]
fn a_source_whose_external_id_is_not_set_is_not_assessed_and_holds_up_no_other() {
    run_test(Options { logged: false, ..Options::default() }, async |stage| {
        more_sources(stage);
        let last = stage.config.sources.last_mut().unwrap();
        last.external_id = ExternalId::Unset("AMIFERRY_ID".to_owned());
        let account = last.account.clone();
        let id = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        stage.until("the image is recorded", hours(1), |s| truth::is_recorded(s, &id)).await;
        let report = inventory::partial_report(stage).await.unwrap();
        let [only] = &report.not_assessed[..] else { panic!("{:?}", report.not_assessed) };
        assert_eq!(only.source_account, account);
        assert!(only.reason.contains("AMIFERRY_ID is not set"), "{}", only.reason);
    });
}

/// Whether a sweep makes this call: what looks ask names an image, a key or a quota's tasks.
fn is_of_sweep(call: &Call) -> bool {
    match call.operation.as_str() {
        "DescribeImages" => !call.text.contains("ami-") && !call.text.contains("Filter"),
        "ListObjectVersions" | "ListObjectsV2" | "ListMultipartUploads" | "AssumeRole" => true,
        _ => false,
    }
}

/// What the vault's worker asks in the sweep that begins within an interval, by operation.
async fn sweep(stage: &Stage) -> BTreeMap<String, usize> {
    let interval = stage.config.workers.sweep_interval.duration();
    let before = stage.wire.count();
    stage.pass(interval).await;
    let mut calls = BTreeMap::new();
    for call in stage.wire.all()[before..].iter().filter(|call| is_of_sweep(call)) {
        *calls.entry(call.operation.clone()).or_default() += 1;
    }
    calls
}

#[test]
fn the_calls_of_a_sweep_are_its_pages_and_two_a_source() {
    for with_trouble in [false, true] {
        run_test(Options { logged: false, ..Options::default() }, async |stage| {
            let sources = more_sources(stage);
            if with_trouble {
                trouble(stage, &sources);
            }
            stage.start(Role::Target);
            // One of each, with so few images: the images and what is staged of a source, and the keys
            // of the vault.
            let configured = stage.config.sources.len();
            let pages = 2 * configured + 1;
            for _ in 0..3 {
                let calls = sweep(stage).await;
                assert!(calls["DescribeImages"] >= configured, "it asked every source");
                let all = calls.values().sum::<usize>();
                assert!(all <= pages + 2 * configured, "{all} calls: {calls:?}");
            }
        });
    }
}

/// From when a message of another source is sent until the first call about its image, in
/// simulated milliseconds; with or without sources that fail, about whose images there are
/// messages all the time.
fn waits(with_trouble: bool) -> Vec<i128> {
    run_test(Options { logged: false, ..Options::default() }, async |stage| {
        let sources = more_sources(stage);
        stage.start(Role::Target);
        stage.pass(minutes(20)).await;
        if with_trouble {
            trouble(stage, &sources);
        }
        let images_of = |(source, images): (&'_ _, &'_ Vec<ImageId>)| -> Vec<String> {
            images.iter().map(|image| staged::message(source, image)).collect()
        };
        let troubling: Vec<String> = sources.iter().take(TROUBLED).flat_map(images_of).collect();
        let mut troubling = troubling.iter().cycle();
        let mut sent = Vec::new();
        for number in 0..IMAGES {
            for (source, images) in sources.iter().skip(TROUBLED) {
                for _ in 0..TROUBLED {
                    stage.send(Role::Target, troubling.next().unwrap().as_str());
                }
                // At any time of the loop's rounds.
                stage.pass(Duration::from_millis(fastrand::u64(100..3_000))).await;
                let image = &images[number];
                sent.push((image.clone(), stage.world.now(), stage.wire.count()));
                stage.send(Role::Target, staged::message(source, image));
            }
        }
        stage.pass(minutes(1)).await;
        let wait = |(image, at, before): &(ImageId, Timestamp, usize)| {
            let first = stage.wire.read(|calls| {
                let about = |call: &&Call| call.text.contains(image.as_str());
                calls[*before..].iter().find(about).map(|call| call.at)
            });
            first.expect("it is asked about").duration_since(*at).as_millis()
        };
        let mut waits: Vec<i128> = sent.iter().map(wait).collect();
        waits.sort_unstable();
        waits
    })
}

#[test]
fn silent_sources_and_one_that_refuses_delay_no_event_of_another() {
    let (without, with) = (waits(false), waits(true));
    let mean = |waits: &[i128]| waits.iter().sum::<i128>() as f64 / waits.len() as f64;
    let told = format!("{without:?} without trouble, {with:?} with");
    assert!(mean(&with) <= 2.0 * mean(&without), "{told}");
    let late = with.iter().filter(|wait| **wait > 2_000).count();
    assert!(late * 100 <= with.len(), "{told}");
}

#[test]
fn five_thousand_images_that_a_source_makes_up_delay_no_event_of_another() {
    run_test(Options { logged: false, ..Options::default() }, async |stage| {
        let sources = more_sources(stage);
        let near = Rule::new(Effect::DelayResponse(Duration::from_millis(50)));
        stage.world.faults().install(FaultPlan::new().fault(near)).unwrap();
        stage.start(Role::Target);
        stage.pass(minutes(20)).await;
        let mut sources = sources.iter();
        let (liar, _) = sources.next().unwrap();
        for (round, (honest, images)) in sources.take(5).enumerate() {
            for number in 0..1_000 {
                let image = format!("ami-{round:08x}{number:09x}").parse().unwrap();
                stage.send(Role::Target, staged::message(liar, &image));
            }
            let (sent, before) = (stage.world.now(), stage.wire.count());
            stage.send(Role::Target, staged::message(honest, &images[0]));
            let asked = |stage: &Stage| {
                stage.wire.read(|calls| {
                    let about = |call: &&Call| call.text.contains(images[0].as_str());
                    calls[before..].iter().find(about).map(|call| call.at)
                })
            };
            stage.until("it is asked about", minutes(1), |stage| asked(stage).is_some()).await;
            let waited = asked(stage).unwrap().duration_since(sent);
            assert!(waited.as_secs() < 2, "asked about after {waited:#}");
        }
    });
}

#[test]
fn a_start_waits_ten_seconds_at_most_for_sources_that_do_not_answer() {
    run_test(Options { logged: false, ..Options::default() }, async |stage| {
        let sources = more_sources(stage);
        trouble(stage, &sources);
        let before = stage.world.now();
        stage.check_target().await;
        let took = stage.world.now().duration_since(before);
        assert!(took <= SignedDuration::from_secs(10), "{took:#}");
    });
}
