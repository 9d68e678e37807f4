//! Images that another account may launch: recorded first, and so no tampering.

use amiferry_audit::inventory::State as PointState;
use amiferry_core::code::Code;
use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::AccountId;
use amiferry_recovery::report::State;

use super::{ami, audit_is_green, disaster, everything, records_of, restore, restore_as};
use crate::stage::{Options, Stage, inventory, run_test, spec, truth};

fn with(accounts: &[&str]) -> Recovery {
    let share_with = accounts.iter().map(|account| account.parse().unwrap()).collect();
    Recovery { share_with, ..Recovery::default() }
}

fn share_by_hand(stage: &Stage, image: &amiferry_core::ids::ImageId, account: &str) {
    let account: AccountId = account.parse().unwrap();
    let mut state = stage.world.lock();
    let site = state.ec2.get_mut(&stage.landscape.vault).unwrap();
    let image = site.images.get_mut(image).unwrap();
    image.launch_permissions.insert(account);
}

#[test]
fn an_image_is_recorded_as_shared_before_it_is_shared_and_another_sharing_is_tampering() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        disaster(stage).await;
        let (recovered, _) = restore_as(stage, &everything(), &with(&["999999999999"])).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert_eq!(recovered.map[0].shared_with.len(), 1);
        assert_eq!(records_of(stage, &id), ["record-0001-shared.json"]);
        let order: Vec<String> = stage
            .wire
            .all()
            .into_iter()
            .filter(|call| call.who == "restore" && call.mutates())
            .map(|call| call.operation)
            .collect();
        assert_eq!(order, ["PutObject", "ModifyImageAttribute"]);
        audit_is_green(stage).await;

        // One more account, and then nothing more to do.
        let both = with(&["888888888888", "999999999999"]);
        let (recovered, _) = restore_as(stage, &everything(), &both).await;
        assert_eq!(recovered.map[0].shared_with.len(), 2);
        assert_eq!(records_of(stage, &id).len(), 2);
        let again = restore(stage, &everything()).await;
        assert_eq!((again.map[0].state, again.map[0].shared_with.len()), (State::There, 2));
        assert_eq!(records_of(stage, &id).len(), 2);
        audit_is_green(stage).await;

        share_by_hand(stage, &ami(&again, &id), "777777777777");
        let report = inventory::partial_report(stage).await.unwrap();
        let point = &report.recovery_points[0];
        assert_eq!((point.state, point.code), (PointState::Tampered, Code::Shared));
        assert!(point.detail.contains("777777777777") && !point.detail.contains("999999999999"));
        let refused = restore(stage, &everything()).await;
        assert_eq!(refused.not_restored[0].code, Some(Code::Shared));
    });
}

#[test]
fn an_archived_image_that_is_restored_and_shared_has_one_record_for_both() {
    run_test(Options::default(), async |stage| {
        let id = stage.image(spec("analytics", "analytics-1", &[8]));
        disaster(stage).await;
        let (recovered, _) = restore_as(stage, &everything(), &with(&["999999999999"])).await;
        assert!(recovered.is_whole(), "{recovered:#?}");
        assert_eq!(records_of(stage, &id), ["record-0001-restored.json"]);
        assert_eq!(truth::restored(stage, &id)[0].launch_permissions.len(), 1);
        audit_is_green(stage).await;
    });
}
