//! What an event bus is told of the fleet, and that nothing depends on it.

use amiferry_aws::EventBus;
use amiferry_core::decide::vault::Recovery;
use amiferry_core::ids::Arn;
use amiferry_core::ports::Notifications as _;
use amiferry_prune::Pruner;
use amiferry_prune::run::Allowed;
use amiferry_simulator::faults::{FaultPlan, Outage};
use amiferry_simulator::iam;
use amiferry_simulator::wire::scope::Service;

use crate::losses::{deregister_copy, lose_source};
use crate::recovery::formats::assert_fits;
use crate::recovery::{everything, restore_as};
use crate::stage::bus::{self, BUS};
use crate::stage::{Options, Role, Stage, hours, minutes, run_test, spec, truth};

fn told() -> Options {
    Options { configure: bus::tell, kept: true, ..Options::default() }
}

/// What arrived since the last time, in words; all of it fits the schema.
fn arrived(stage: &Stage, queue: &Arn) -> Vec<String> {
    let told = bus::arrived(stage, queue).into_iter().map(|event| {
        let detail = &event["detail"];
        assert_fits(detail, "notification-1.json");
        let text = |name: &str| detail[name].as_str().unwrap_or("-").to_owned();
        match event["detail-type"].as_str().unwrap() {
            "Recovery Point State Change" | "Family State Change" => {
                let what = detail.get("source_image_name").unwrap_or(&detail["family"]);
                format!("{} {} > {}", what.as_str().unwrap(), text("previous"), text("state"))
            }
            "Restore Finished" => {
                format!("restored {}, not {}", detail["restored"], detail["not_restored"])
            }
            "Prune Finished" => {
                format!("pruned {}, held {}", detail["pruned"], detail["held"])
            }
            other => panic!("{other}"),
        }
    });
    told.collect()
}

#[test]
fn the_bus_is_told_what_becomes_complete_breached_and_lost() {
    run_test(told(), async |stage| {
        let queue = bus::listen(stage);
        stage.start_both();
        stage.pass(minutes(3)).await;
        arrived(stage, &queue);
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(2)).await;
        let words = arrived(stage, &queue);
        assert!(words.contains(&"orders-db-1 - > complete".to_owned()), "{words:?}");

        lose_source(stage, &id);
        deregister_copy(stage, &id);
        stage.pass(hours(2)).await;
        let words = arrived(stage, &queue);
        let of_image: Vec<_> =
            words.iter().filter(|word| word.starts_with("orders-db-1")).collect();
        assert_eq!(of_image, ["orders-db-1 complete > lost", "orders-db-1 lost > complete"]);

        stage.pass(hours(48)).await;
        let words = arrived(stage, &queue);
        assert!(words.contains(&"orders-db within_rpo > breached".to_owned()), "{words:?}");
        stage.pass(hours(2)).await;
        assert_eq!(arrived(stage, &queue), [""; 0], "nothing has changed");

        stage.kill(Role::Target);
        stage.start(Role::Target);
        stage.pass(minutes(30)).await;
        let words = arrived(stage, &queue);
        assert!(words.contains(&"orders-db - > breached".to_owned()), "{words:?}");
        let complete = |word: &String| word.ends_with("complete");
        assert!(!words.iter().any(complete), "what is well is not told again: {words:?}");
    });
}

#[test]
fn an_outage_of_the_bus_delays_what_is_told_and_nothing_else() {
    run_test(told(), async |stage| {
        let queue = bus::listen(stage);
        let region = stage.landscape.vault.1.clone();
        let outage = Outage::of_service(Service::Events, region);
        stage.world.faults().install(FaultPlan::new().outage(outage)).unwrap();
        stage.start_both();
        stage.pass(minutes(3)).await;
        stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.complete_within(hours(1)).await;
        stage.pass(minutes(20)).await;
        assert_eq!(arrived(stage, &queue), [""; 0]);
        let lines = |stage: &Stage, words: &str| stage.logged().matches(words).count();
        assert_eq!(lines(stage, "notifications do not reach the event bus"), 1);

        stage.world.faults().clear();
        stage.pass(minutes(5)).await;
        let words = arrived(stage, &queue);
        assert!(words.contains(&"orders-db-1 - > complete".to_owned()), "{words:?}");
        assert_eq!(lines(stage, "notifications reach the event bus again"), 1);
    });
}

#[test]
fn without_the_permission_the_log_says_which_one_is_missing() {
    run_test(told(), async |stage| {
        stage.act_in_roles();
        let queue = bus::listen(stage);
        let without = |policy: &mut iam::Policy| {
            for statement in &mut policy.statements {
                statement.actions.entries.retain(|action| action != "events:putevents");
            }
        };
        let account = stage.landscape.vault.0.clone();
        for role in stage.world.lock().iam.get_mut(&account).unwrap().roles.values_mut() {
            without(&mut role.permissions);
        }
        stage.start_both();
        stage.pass(minutes(3)).await;
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        let recorded = |stage: &Stage| truth::is_recorded(stage, &id);
        stage.until("the image is recorded", hours(1), recorded).await;
        stage.pass(minutes(5)).await;
        assert_eq!(arrived(stage, &queue), [""; 0]);
        let log = stage.logged();
        for words in ["notifications do not reach the event bus", "allow", "events:PutEvents", BUS]
        {
            assert!(log.contains(words), "{words}");
        }
        let counted = r#"amiferry_notifications_total{outcome="failed"}"#;
        let metrics = stage.metrics();
        let line = metrics.lines().find(|line| line.starts_with(counted)).unwrap();
        assert!(!line.ends_with(" 0"), "{line}");
    });
}

#[test]
fn the_end_of_a_restore_and_of_a_prune_can_be_told() {
    run_test(told(), async |stage| {
        let queue = bus::listen(stage);
        let id = stage.image(spec("orders-db", "orders-db-1", &[8]));
        stage.start_both();
        stage.complete_within(hours(1)).await;
        stage.kill_all();
        arrived(stage, &queue);
        let restored = restore_as(stage, &everything(), &Recovery::default()).await.0;
        let vault = &stage.config.vaults[0];
        let root = stage.session(&vault.account, &vault.region, "prune");
        let role = stage.landscape.prune_role(&stage.world).unwrap();
        let session = root.assume_role(&role, None, "a-schedule", &vault.region);
        let pruner = Pruner::new(&stage.config, vault, &session, stage.clock());
        let contents = pruner.contents().await.unwrap();
        let pruned = pruner.run(&contents, Allowed::default(), &|_| {}).await;
        let bus = EventBus::new(&session, BUS.parse().unwrap());
        let notifications = [restored.notification(), pruned.notification()];
        assert_eq!(bus.put(&notifications).await.unwrap(), [Ok(()), Ok(())]);
        stage.pass(minutes(1)).await;
        assert_eq!(arrived(stage, &queue), ["restored 1, not 0", "pruned 0, held 0"]);
        assert!(truth::is_recorded(stage, &id));
    });
}
