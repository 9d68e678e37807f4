//! The rehearsal: 200 images of 20 families from the vault alone, against the quota's own bound.

use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::ImageId;
use amiferry_core::pacing::CallRate;
use amiferry_recovery::report::State;
use amiferry_simulator::Settings;
use amiferry_simulator::ec2;
use amiferry_simulator::ec2::settings::Throttling;
use jiff::SignedDuration;

use super::{audit_is_green, destroy, everything, recoverer, remove_restored, restore_as};
use crate::stage::{Options, Stage, hours, run_test, spec, truth};

const IMAGES: usize = 200;
const FAMILIES: usize = 20;
const SIZES: [u32; 5] = [8, 20, 50, 100, 250];

/// An AWS in which the vault is filled fast: how that goes is no part of the rehearsal.
fn options() -> Options {
    let mut options = Options::with(|settings| {
        for pace in [&mut settings.ec2.store, &mut settings.ec2.restore] {
            pace.megabytes_per_second = 100_000;
        }
        settings.ec2.store_quota_gb = 1_000_000;
        settings.ec2.restore_quota_gb = 1_000_000;
        settings.ec2.throttling = Throttling::Off;
    });
    options.logged = false;
    options.configure = |config| {
        config.workers.part_size_mib = 5_120.try_into().ok();
        let calls = CallRate { burst: 1_000, ..CallRate::default() };
        (config.sources[0].store_calls, config.vaults[0].restore_calls) = (calls, calls);
        config.sources[0].store_quota_gb = 1_000_000.try_into().unwrap();
        config.vaults[0].restore_quota_gb = 1_000_000.try_into().unwrap();
    };
    options
}

/// From now on EC2 has the rates and quotas of AWS, and the configuration says so.
fn as_aws(stage: &mut Stage) {
    let of_aws = Settings::default().ec2;
    let mut state = stage.world.lock();
    state.settings.ec2.restore = of_aws.restore;
    state.settings.ec2.restore_quota_gb = of_aws.restore_quota_gb;
    state.settings.ec2.throttling = of_aws.throttling;
    drop(state);
    stage.config.vaults[0].restore_calls = CallRate::default();
    stage.config.vaults[0].restore_quota_gb = of_aws.restore_quota_gb.try_into().unwrap();
}

/// A third of the families is of tier `archive`.
fn fill(stage: &mut Stage) -> Vec<(ImageId, u32)> {
    let mut images = Vec::new();
    for number in 0..IMAGES {
        let family = number % FAMILIES;
        let kind = if family.is_multiple_of(3) { "data" } else { "app" };
        let size = SIZES[(number / FAMILIES + family) % SIZES.len()];
        let workload = format!("{kind}-{family}");
        let mut spec = spec(&workload, &format!("{kind}-{family}-{number}"), &[size]);
        let age = i64::try_from(number).unwrap() * 3;
        spec.created = Some(stage.world.now() - SignedDuration::from_mins(age * 60));
        images.push((stage.image(spec), size));
    }
    images
}

/// How long it takes to have each restore's gigabytes in progress for its time while the quota is full
/// and no fuller. EC2 admits a restore while what is in progress is below the quota, so the last one
/// may overshoot, and a good order may even be faster.
fn bound(sizes: &[u32]) -> f64 {
    const QUOTA: f64 = 600.0;
    let took = |size: u32| 60.0 + 10.0 * f64::from(size);
    sizes.iter().map(|size| f64::from(*size) * took(*size)).sum::<f64>() / QUOTA
}

#[test]
fn two_hundred_images_are_restored_from_the_vault_alone_within_a_tenth_of_the_quotas_bound() {
    run_test(options(), async |stage| {
        let images = fill(stage);
        stage.start_both();
        stage.complete_within(hours(400)).await;
        stage.kill_all();
        destroy(stage);
        as_aws(stage);
        // Nothing is left of what the workers had restored either.
        for (id, _) in &images {
            for image in truth::restored(stage, id) {
                remove_restored(stage, &image.id);
            }
        }
        let recoverer = recoverer(stage);
        let records = recoverer.records().await.unwrap();
        let recovery = Recovery::default();
        let chosen = recoverer.choose(&records, &everything(), &recovery).await;
        let planned = recoverer.planned(chosen);
        let before = stage.wire.count();
        let (recovered, _) = restore_as(stage, &everything(), &recovery).await;
        assert!(recovered.is_whole(), "{:#?}", recovered.not_restored);
        assert_eq!(recovered.map.len(), IMAGES);
        assert!(recovered.map.iter().all(|row| row.state == State::Restored));

        let sizes: Vec<u32> = images.iter().map(|(_, size)| *size).collect();
        let took = recovered.ended_at.duration_since(recovered.began_at).as_secs_f64();
        let ratio = took / bound(&sizes);
        let expected = planned.ended_at.duration_since(planned.began_at).as_secs_f64();
        let said = format!("{took:.0} s, bound {:.0} s, expected {expected:.0} s", bound(&sizes));
        println!("{said}: {ratio:.3}");
        assert!(ratio <= 1.10, "{said}: {ratio:.3}");
        assert!((took / expected - 1.0).abs() <= 0.10, "{said}");

        // The source was never asked, and no call was refused for a quota.
        let (_, source_region) = &stage.landscape.source;
        let calls = stage.wire.all();
        let ours: Vec<_> = calls[before..].iter().filter(|call| call.who == "restore").collect();
        assert!(ours.iter().all(|call| call.region != source_region.as_str()));
        let restores = ours.iter().filter(|call| call.operation == "CreateRestoreImageTask");
        assert_eq!(restores.clone().count(), IMAGES);
        assert!(restores.into_iter().all(|call| call.succeeded()));
        audit_is_green(stage).await;

        let records = recoverer.records().await.unwrap();
        assert_eq!(recoverer.inventory(&records).map.len(), IMAGES);
        let (account, region) = &stage.landscape.vault;
        let state = stage.world.lock();
        assert_eq!(ec2::images(&state, account, region).count(), IMAGES);
    });
}
