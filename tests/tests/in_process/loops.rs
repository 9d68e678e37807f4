//! Copies are never copied: a restored image starts no work, wherever its events go.

use amiferry_service::config::Config;
use amiferry_simulator::ec2::ImageSpec;

use crate::golden::ami_event;
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

/// One image through to the end, and its restored copy's event in both queues.
async fn replay_the_copy(stage: &mut Stage) {
    let id = stage.image(spec("web", "web-1", &[8]));
    stage.start_both();
    stage.complete_within(hours(1)).await;
    let copy = truth::restored(stage, &id).remove(0);
    let (account, region) = stage.landscape.vault.clone();
    let event = ami_event(account.as_str(), region.as_str(), &copy.id, "available");
    let forged = {
        let (account, region) = &stage.landscape.source;
        ami_event(account.as_str(), region.as_str(), &copy.id, "available")
    };
    for body in [event, forged, format!(r#"{{"image_id":"{}"}}"#, copy.id)] {
        for role in [Role::Source, Role::Target] {
            stage.send(role, body.clone());
        }
    }
    stage.pass(hours(1)).await;
    stage.complete_within(minutes(1)).await;
    assert_eq!(stage.wire.calls("CreateStoreImageTask").len(), 1);
    assert_eq!(stage.wire.calls("CreateRestoreImageTask").len(), 1);
}

#[test]
fn the_events_of_restored_images_start_nothing_in_either_queue() {
    run_test(Options::default(), replay_the_copy);
}

/// The vault account and Region protected as a source too, into the same vault.
fn vault_is_a_source_too(config: &mut Config) {
    let vault = &config.vaults[0];
    let mut source = config.sources[0].clone();
    source.account = vault.account.clone();
    source.region = vault.region.clone();
    source.queue_url = vault.queue_url.clone();
    source.staging_bucket = "staging-of-the-vault".parse().unwrap();
    config.sources.insert(0, source);
}

#[test]
fn restored_images_are_left_alone_by_a_source_worker_of_the_vault_account() {
    let options = Options { configure: vault_is_a_source_too, ..Options::default() };
    run_test(options, async |stage| {
        // Restored by a run before, with all the marks of one, and selected by a policy's tags.
        let id = "ami-0123456789abcdef0".parse().unwrap();
        let name = truth::restored_name(stage, &id);
        let mut copy = spec("web", &name, &[8]);
        copy.tags.insert("amiferry:managed".to_owned(), "true".to_owned());
        copy.tags.insert("workload".to_owned(), "orders-db".to_owned());
        let copy = ImageSpec { announced: false, ..copy };
        let now = stage.world.now();
        let (account, region) = stage.landscape.vault.clone();
        let copy = amiferry_simulator::ec2::add_image(
            &mut stage.world.lock(),
            now,
            &account,
            &region,
            copy,
        );
        let event = ami_event(account.as_str(), region.as_str(), &copy, "available");
        stage.send(Role::Target, event);
        stage.start(Role::Source);
        stage.pass(hours(1)).await;
        assert!(!stage.wire.calls("DescribeImages").is_empty());
        assert!(stage.wire.calls("CreateStoreImageTask").is_empty());
    });
}
