//! What can be taken up again, and by whom.

use amiferry_core::code::Code;
use amiferry_core::names::VaultId;
use jiff::SignedDuration;

use super::fixture::*;
use crate::inventory::{Inventory, NotAssessed, RecoveryPoint, State};
use crate::report::Report;
use crate::retry::{Actor, retries};

fn vaults() -> Vec<VaultId> {
    ["222222222222", "444444444444"]
        .map(|account| VaultId {
            account: account.parse().unwrap(),
            region: "us-west-2".parse().unwrap(),
        })
        .to_vec()
}

/// The workers that are asked about these, by the ends of image ids.
fn asked(points: Vec<RecoveryPoint>, unknown: &[Option<&str>]) -> Vec<(String, &'static str)> {
    let not_assessed = unknown.iter().map(|image| NotAssessed {
        source_account: "111111111111".parse().unwrap(),
        source_region: "us-east-1".parse().unwrap(),
        source_image_id: image.map(str::to_owned),
        reason: "denied".to_owned(),
    });
    let inventory = Inventory {
        recovery_points: points,
        not_assessed: not_assessed.collect(),
        ..Inventory::default()
    };
    let report = Report::new(inventory, &policies(), now());
    let who = |actor: &Actor| match actor {
        Actor::Source => "source",
        Actor::Vault(vault) if *vault == vaults()[0] => "vault",
        Actor::Vault(_) => "other vault",
    };
    let all = retries(&report, &vaults());
    all.iter()
        .map(|retry| (retry.image.as_str().replace("ami-0000000", ""), who(&retry.actor)))
        .collect()
}

fn open(number: u32, state: State, code: Code) -> RecoveryPoint {
    RecoveryPoint { code, ..point(number, SignedDuration::from_hours(1), state) }
}

#[test]
fn each_open_recovery_point_goes_to_the_workers_that_have_to_act_on_it_and_a_complete_one_to_none()
{
    let found = asked(
        vec![
            open(1, State::Complete, Code::Complete),
            open(2, State::InProgress, Code::NotStaged),
            open(3, State::Parked, Code::KeyUnusable),
            open(4, State::Lost, Code::ObjectLost),
            open(5, State::InProgress, Code::RestoreRunning),
        ],
        &[],
    );
    let expected =
        [("2", "source"), ("3", "vault"), ("4", "source"), ("4", "vault"), ("5", "vault")];
    assert_eq!(found, expected.map(|(image, who)| (image.to_owned(), who)));
}

#[test]
fn an_image_in_two_vaults_is_stored_once_and_one_that_is_not_assessed_concerns_everyone() {
    let elsewhere = RecoveryPoint {
        target_account: "444444444444".parse().unwrap(),
        ..open(2, State::InProgress, Code::NotStaged)
    };
    let found = asked(
        vec![open(2, State::InProgress, Code::NotStaged), elsewhere],
        &[None, Some("ami-0000000d"), Some("an image without an id")],
    );
    let expected = [("2", "source"), ("d", "source"), ("d", "vault"), ("d", "other vault")];
    assert_eq!(found, expected.map(|(image, who)| (image.to_owned(), who)));
}

#[test]
fn a_store_that_a_source_worker_was_refused_is_for_that_worker_to_try_again() {
    for code in [Code::Denied, Code::StoreFailed, Code::KeyUnusable] {
        let refused = RecoveryPoint { refused_in_source: true, ..open(1, State::Parked, code) };
        assert_eq!(asked(vec![refused], &[]), [("1".to_owned(), "source")], "{code}");
    }
}
