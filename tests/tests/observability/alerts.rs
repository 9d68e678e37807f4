//! Every alert fires in a real Prometheus when the simulated AWS causes its problem for real
//! workers, and a healthy state raises none.
//!
//! Two worlds side by side: in one AWS answers and promises break, in the other it does not answer.

use std::collections::BTreeSet;

use amiferry_service::metrics;
use serde_json::json;

use crate::prometheus::{Prometheus, brisk};
use crate::support::image::text;
use crate::support::{Account, Process, Role, Simulator, scrape, wait};
use crate::tools::{root, run, tool};

/// A simulated AWS, both workers, and a Prometheus that watches them.
struct Watched {
    prometheus: Prometheus,
    source: Option<Process>,
    // Runs until the end of the test.
    _target: Process,
    addresses: [String; 2],
    simulator: Simulator,
}

impl Watched {
    /// Starts both workers with the simulator's configuration after these changes.
    fn start(simulator: Simulator, changes: &[(&str, &str)]) -> Option<Self> {
        let rules = brisk(&root().join("deploy/prometheus/amiferry.rules.yml"));
        let prometheus = Prometheus::start(&rules)?;
        let config = simulator.changed_config("watched.toml", changes);
        let source = simulator.worker(Role::Source, &config);
        let target = simulator.worker(Role::Target, &config);
        let addresses = [&source, &target].map(scrape::address);
        prometheus
            .scrape(&[("amiferry-source", &addresses[0]), ("amiferry-target", &addresses[1])]);
        let watched =
            Self { prometheus, source: Some(source), _target: target, addresses, simulator };
        // A counter that has grown before it is first seen has not grown for Prometheus.
        watched.until_value("count(up == 1) == 2");
        Some(watched)
    }

    /// The names of the alerts that fire.
    fn firing(&self) -> BTreeSet<String> {
        self.prometheus.firing().into_iter().map(|labels| labels["alertname"].clone()).collect()
    }

    /// Waits until all of these have fired, together or one after another. Prometheus remembers
    /// those that fired between two polls.
    fn until_fired(&self, alerts: &[&str]) {
        let fired = "group by (alertname) (last_over_time(ALERTS{alertstate=\"firing\"}[1d]))";
        wait::until(&format!("the alerts {alerts:?}"), || {
            let fired = self.prometheus.query(fired);
            let has_fired = |alert: &&str| {
                let name = format!("Amiferry{alert}");
                fired.iter().any(|series| series.labels["alertname"] == name)
            };
            alerts.iter().all(has_fired).then_some(())
        });
    }

    /// Waits until all of these fire, which last.
    fn until_firing(&self, alerts: &[&str]) {
        wait::until(&format!("the alerts {alerts:?} to fire together"), || {
            let firing = self.firing();
            let fires = |alert: &&str| firing.contains(&format!("Amiferry{alert}"));
            alerts.iter().all(fires).then_some(())
        });
    }

    /// Waits until an alert fires for this value of a label and for no other.
    fn until_labelled(&self, alert: &str, label: &str, only: &str) {
        let name = format!("Amiferry{alert}");
        wait::until(&format!("{name} to speak of {label} {only} alone"), || {
            let firing = self.prometheus.firing().into_iter();
            let values: BTreeSet<String> =
                firing.filter(|l| l["alertname"] == name).map(|l| l[label].clone()).collect();
            (values == BTreeSet::from([only.to_owned()])).then_some(())
        });
    }

    /// Waits until none of these fires. On a busy machine a sweep can take longer than brisk rules
    /// have patience, and then they are right for a moment.
    fn until_silent(&self, alerts: &[&str]) {
        let names: Vec<String> = alerts.iter().map(|alert| format!("Amiferry{alert}")).collect();
        wait::until(&format!("the alerts {alerts:?} to be silent"), || {
            let firing = self.firing();
            names.iter().all(|name| !firing.contains(name)).then_some(())
        });
    }

    /// The first value that an expression gives.
    fn until_value(&self, expression: &str) -> f64 {
        wait::until(expression, || self.prometheus.query(expression).first().map(|s| s.value))
    }

    /// The metrics of both workers.
    fn pages(&self) -> [String; 2] {
        self.addresses.each_ref().map(|address| {
            let answer = scrape::get(address, "/metrics");
            answer.split_once("\r\n\r\n").unwrap().1.to_owned()
        })
    }
}

/// Makes the restored image of a family public.
fn share_restored(simulator: &Simulator, family: &str) {
    let filter = format!("Name=tag:amiferry:family,Values={family}");
    let found = simulator
        .aws(Account::Vault, &["ec2", "describe-images", "--owners", "self", "--filters", &filter]);
    let image = text(&found["Images"][0]["ImageId"]);
    let ec2 = |arguments: &[&str]| {
        simulator.aws(Account::Vault, &[&["ec2"], arguments, &["--image-id", &image]].concat())
    };
    ec2(&["modify-image-attribute", "--launch-permission", "Add=[{UserId=333333333333}]"]);
}

/// The ARN of the vault's key, as the configuration names it.
fn vault_key(simulator: &Simulator) -> String {
    let config = std::fs::read_to_string(simulator.config()).unwrap();
    let (_, rest) = config.split_once("key_arn = \"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// Every metric of the table is exposed by one worker or the other, and promtool is content.
fn assert_exposed(pages: &[String; 2]) {
    for metric in metrics::ALL {
        let line = format!("# TYPE {} ", metric.name);
        assert!(pages.iter().any(|page| page.contains(&line)), "no worker exposes {}", metric.name);
    }
    let Some(promtool) = tool("promtool") else { return };
    for page in pages {
        let (content, said) = run(&promtool, &["check", "metrics"], page);
        assert!(content && said.trim().is_empty(), "{said}\n{page}");
    }
}

#[test]
fn promises_that_break_raise_their_alerts() {
    let scenario = root().join("tests/tests/observability/alerts.toml");
    let Some(simulator) = Simulator::with(&["--scenario", scenario.to_str().unwrap()]) else {
        return;
    };
    let dead = simulator.queue_url(Account::Vault, "amiferry-target-dead");
    let send = ["sqs", "send-message", "--queue-url", &dead, "--message-body", "given up"];
    simulator.aws(Account::Vault, &send);
    let changes = [
        ("sweep_interval = \"10s\"", "sweep_interval = \"3s\""),
        // Silver's images grow old; gold lists a family that no image belongs to.
        ("name = \"silver\"\n", "name = \"silver\"\nfamilies = [\"payments\", \"web\"]\n"),
        ("rpo = \"24h\"\ntier = \"ready\"\n\n", "rpo = \"20h\"\ntier = \"ready\"\n\n"),
        ("name = \"gold\"\n", "name = \"gold\"\nfamilies = [\"orders-db\", \"ghost\"]\n"),
        ("staging_bucket = ", "store_quota_gb = 4\ndaily_images = 5\nstaging_bucket = "),
    ];
    let Some(watched) = Watched::start(simulator, &changes) else { return };
    watched.simulator.send(Account::Source, "no event");
    let complete = "sum(amiferry_recovery_points{state=\"complete\"}) >= 3";
    assert_eq!(watched.until_value(complete), 3.0);
    let refuse = json!({ "fault": {
        "service": "sqs", "operation": "ReceiveMessage", "account": Account::Vault.id(),
        "effect": "unavailable",
    } });
    watched.simulator.steer("faults", &refuse);
    share_restored(&watched.simulator, "orders-db");
    watched.simulator.steer("clock", &json!({ "advance": "1h" }));
    watched.until_fired(&[
        "RecoveryPointStale",
        "RecoveryPointMissing",
        "RecoveryPointAtRisk",
        "RecoveryPointWillBreach",
        "RecoveryPointLost",
        "CopyMismatch",
        "WorkParked",
        "StageFailing",
        "DeadLetters",
        "MessagesQuarantined",
        "EventsMissing",
        "ClockJumped",
        "QueueStuck",
        "QuotaFull",
        "BudgetSpent",
    ]);
    assert_exposed(&watched.pages());
    watched.until_silent(&[
        "WorkerDown",
        "KmsKeyUnusable",
        "InventoryStale",
        "SweepStalled",
        "NotAssessed",
        "UnreadableItems",
    ]);
    // Each speaks of what was done, and of nothing else.
    watched.until_labelled("RecoveryPointMissing", "family", "ghost");
    watched.until_labelled("CopyMismatch", "reason", "shared");
    watched.until_labelled("RecoveryPointLost", "state", "tampered");
    watched.until_labelled("QueueStuck", "worker", "target");
    // Last, because from then on everything waits for the key.
    let key = vault_key(&watched.simulator);
    // The key's policy lets only the break-glass role disable it: an administrator changes that first.
    let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*"}]}"#;
    let policy = ["kms", "put-key-policy", "--key-id", &key, "--policy", open];
    watched.simulator.aws(Account::Vault, &policy);
    watched.simulator.aws(Account::Vault, &["kms", "disable-key", "--key-id", &key]);
    watched.until_fired(&["KmsKeyUnusable"]);
}

#[test]
fn an_aws_that_does_not_answer_raises_its_alerts_and_moves_no_recovery_point() {
    let Some(simulator) = Simulator::with_images() else { return };
    let changes = [("sweep_interval = \"10s\"", "sweep_interval = \"3s\"")];
    let Some(mut watched) = Watched::start(simulator, &changes) else { return };
    let complete = "sum(amiferry_recovery_points{state=\"complete\"}) == 12";
    watched.until_value(complete);
    // The standing of every family is known, and nothing is wrong with any.
    watched.until_value("count(family:amiferry_rpo_margin_seconds:min >= 0) == 5");
    wait::until("no critical alert to fire", || {
        let firing = watched.prometheus.firing();
        firing.iter().all(|labels| labels["severity"] != "critical").then_some(())
    });

    let refuse = |operation: &str, account: Account| {
        let fault = json!({
            "service": "s3", "operation": operation, "account": account.id(), "effect": "unavailable",
        });
        watched.simulator.steer("faults", &json!({ "fault": fault }));
    };
    // Sweeps of the target worker go on, its looks fail; those of the source worker fail at once.
    refuse("HeadObject", Account::Vault);
    refuse("ListObjectsV2", Account::Source);
    let odd = "<item><imageId>ami-0123456789abcdef0</imageId></item>";
    let add = json!({ "fault": {
        "service": "ec2", "operation": "DescribeImages", "account": Account::Source.id(),
        "effect": { "edit": { "add": odd } },
    } });
    watched.simulator.steer("faults", &add);
    watched.until_firing(&["NotAssessed", "SweepStalled", "AwsCallsFailing", "UnreadableItems"]);
    // Without the vault's keys there is no new inventory.
    refuse("ListObjectVersions", Account::Vault);
    watched.until_firing(&["InventoryStale"]);
    let taken = "max(amiferry_inventory_last_success_timestamp_seconds)";
    let last_good = watched.until_value(taken);
    drop(watched.source.take());
    watched.until_fired(&["WorkerDown"]);
    // The last good values stay, and so does when they were.
    watched.until_value(complete);
    assert_eq!(watched.until_value(taken), last_good);
    let broken = watched.firing();
    assert!(!broken.contains("AmiferryRecoveryPointMissing"), "{broken:?}");
}
