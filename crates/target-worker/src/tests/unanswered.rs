//! What a look decides, shows and asks where a question gets no answer, or one that cannot be read.

use amiferry_core::fault::FaultClass;
use amiferry_core::ports::Listing;

use super::cases::*;
use super::facts::*;
use super::ports::fault;
use super::world::*;

const UNANSWERED: &[Case] = &[
    (
        "its source refuses",
        || but(nothing(), |w| w.source.describe.is(Err(fault(FaultClass::Denied)))),
        "fault denied",
        "not assessed",
        BEFORE,
    ),
    (
        "its source never answers",
        || but(nothing(), |w| w.source.describe.never_comes()),
        "fault unavailable",
        "not assessed",
        BEFORE,
    ),
    (
        "the item under its id cannot be read",
        || but(nothing(), |w| w.source.describe.is(Ok(unreadable(Some("ami-00000001"))))),
        "fault bug",
        "not assessed",
        BEFORE,
    ),
    (
        "an item that does not say what it is about cannot be read",
        || but(nothing(), |w| w.source.describe.is(Ok(unreadable(None)))),
        "fault bug",
        "not assessed",
        BEFORE,
    ),
    (
        "an item under another id cannot be read",
        || {
            but(nothing(), |w| {
                let odd = unreadable(Some("ami-00000002"));
                w.source.describe.is(Ok(Listing { items: vec![image(1)], ..odd }));
            })
        },
        "wait not_staged",
        "in_progress not_staged",
        STAGED,
    ),
    (
        "the staging bucket refuses",
        || but(nothing(), |w| w.source.head.is(Err(fault(FaultClass::Denied)))),
        "fault denied",
        "not assessed",
        STAGED,
    ),
    (
        "the vault bucket does not answer",
        || but(nothing(), |w| w.vault.head.is(Err(fault(FaultClass::Unavailable)))),
        "fault unavailable",
        "not assessed",
        &["source describe 1", "vault head 1/image.bin"],
    ),
    (
        "its manifest cannot be had",
        || but(nothing(), |w| w.vault.read.is(Err(fault(FaultClass::Unavailable)))),
        "fault unavailable",
        "not assessed",
        BEFORE,
    ),
    (
        "KMS does not answer about the key of its staged object",
        || {
            but(is_staged(), |w| {
                w.vault.examine.about("staging", Err(fault(FaultClass::Throttled)))
            })
        },
        "fault throttled",
        "not assessed",
        KEY,
    ),
    (
        "the vault's images cannot be had",
        || but(is_restored(), |w| w.vault.named.is(Err(fault(FaultClass::Throttled)))),
        "fault throttled",
        "not assessed",
        NAMED,
    ),
    (
        "its restored image cannot be read",
        || but(is_restored(), |w| w.vault.named.is(Ok(unreadable(Some(&restored(1, 1).name))))),
        "fault bug",
        "not assessed",
        NAMED,
    ),
    (
        "its restored image has lost its name",
        || is_copied(vec![with(restored(1, 1), |image| image.name.clear())]),
        "fault bug",
        "not assessed",
        NAMED,
    ),
    (
        "a snapshot of its restored image cannot be read",
        || but(is_restored(), |w| w.vault.snapshots.is(Ok(unreadable(Some("snap-00000011"))))),
        "fault bug",
        "not assessed",
        RESTORED,
    ),
    (
        "a launch permission of its restored image cannot be read",
        || but(is_restored(), |w| w.vault.launch_permissions.is(Ok(unreadable(None)))),
        "fault bug",
        "not assessed",
        RESTORED,
    ),
];

const KEYS: &[Case] = &[
    (
        "the key of its staged object is disabled",
        || but(is_staged(), |w| w.vault.examine.about("staging", Ok(key(STAGING_KEY, false)))),
        "park key_unusable",
        "parked key_unusable",
        KEY,
    ),
    (
        "the key of the vault bucket is disabled",
        || but(is_staged(), |w| w.vault.examine.about("bucket", Ok(key(BUCKET_KEY, false)))),
        "park key_unusable",
        "parked key_unusable",
        KEY,
    ),
    (
        "the key of EBS encryption is disabled",
        || but(is_copied(vec![]), |w| w.vault.examine.about("ebs", Ok(key(EBS_KEY, false)))),
        "park key_unusable",
        "parked key_unusable",
        NAMED,
    ),
];

// In paused time, for the source that never answers.
#[tokio::test(start_paused = true)]
async fn what_gets_no_answer_is_not_assessed_and_decides_nothing() {
    check(UNANSWERED).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_parks_what_needs_it() {
    check(KEYS).await;
}

#[tokio::test]
async fn what_the_vault_bucket_refuses_is_parked_where_its_key_explains_it_by_now() {
    for (class, explained) in [
        (FaultClass::Denied, true),
        (FaultClass::Invalid, true),
        (FaultClass::KeyUnusable, true),
        (FaultClass::Unavailable, false),
    ] {
        let world = nothing();
        assert_eq!(world.look(&[1]).await.0, "wait not_staged", "the key is in order");
        world.clock.pass(3_600);
        world.vault.examine.about("bucket", Ok(key(BUCKET_KEY, true)));
        assert_eq!(world.look(&[1]).await.0, "wait not_staged");
        // Within the minute for which it is taken for granted.
        world.clock.pass(30);
        world.vault.examine.about("bucket", Ok(key(BUCKET_KEY, false)));
        world.vault.head.is(Err(fault(class)));
        world.source.head.is(Ok(Some(staged(1))));
        world.calls();
        let (decision, _) = world.look(&[1]).await;
        let asked = world.calls().ends_with(&VAULT_FACTS.map(str::to_owned));
        let expected = if explained { "park key_unusable" } else { "fault unavailable" };
        assert_eq!((decision.as_str(), asked), (expected, explained), "{class:?}");
        let standing = if explained { "parked key_unusable" } else { "not assessed" };
        assert_eq!(world.standing(1), standing, "{class:?}");
    }
}

#[tokio::test]
async fn the_vaults_key_explains_nothing_about_an_image_of_which_no_answer_says_anything() {
    let world = is_staged();
    world.source.describe.is(Err(fault(FaultClass::Unavailable)));
    world.vault.head.is(Err(fault(FaultClass::Denied)));
    world.vault.examine.about("bucket", Ok(key(BUCKET_KEY, false)));
    assert_eq!(world.look(&[1]).await.0, "fault unavailable", "its message is kept");
}

#[tokio::test]
async fn a_key_or_setting_of_the_vault_that_cannot_be_asked_about_stops_no_copy() {
    let bucket = |w: &World| w.vault.examine.about("bucket", Err(fault(FaultClass::Unavailable)));
    let ebs = |w: &World| w.vault.examine.about("ebs", Err(fault(FaultClass::Unavailable)));
    let setting = |class| move |w: &World| w.vault.default_encryption.is(Err(fault(class)));
    for (make, restore) in [
        (&bucket as &dyn Fn(&World), "act restore"),
        (&ebs, "act restore"),
        (&setting(FaultClass::Unavailable), "park failing"),
        (&setting(FaultClass::Denied), "park denied"),
    ] {
        for (world, expected) in [(is_staged(), "act copy"), (is_copied(vec![]), restore)] {
            make(&world);
            assert_eq!(world.look(&[1]).await.0, expected);
        }
    }
}

#[tokio::test]
async fn a_setting_that_can_be_asked_again_is_noticed_within_a_minute() {
    let world = is_copied(vec![]);
    world.vault.default_encryption.is(Err(fault(FaultClass::Denied)));
    assert_eq!(world.look(&[1]).await.0, "park denied");
    world.vault.default_encryption.is(Ok(Some(EBS_KEY.parse().unwrap())));
    world.clock.pass(60);
    assert_eq!(world.look(&[1]).await.0, "act restore");
}

#[tokio::test]
async fn a_repaired_key_or_setting_is_noticed_within_a_minute() {
    for (fault, repair) in [
        (
            (|w: &World| w.vault.examine.about("bucket", Ok(key(BUCKET_KEY, false)))) as fn(&World),
            (|w: &World| w.vault.examine.about("bucket", Ok(key(BUCKET_KEY, true)))) as fn(&World),
        ),
        (
            |w| w.vault.examine.about("staging", Ok(key(STAGING_KEY, false))),
            |w| w.vault.examine.about("staging", Ok(key(STAGING_KEY, true))),
        ),
    ] {
        let world = is_staged();
        fault(&world);
        assert_eq!(world.look(&[1]).await.0, "park key_unusable");
        repair(&world);
        world.clock.pass(60);
        assert_eq!(world.look(&[1]).await.0, "act copy");
    }
}
