//! One odd item in a listing of AWS: it works or is shown under its id, and affects no other item.

use amiferry_audit::report::{Report, Verdict};
use amiferry_core::code::Code;
use amiferry_core::ids::{ImageId, Region};
use amiferry_simulator::faults::{Edit, Effect, FaultPlan, Rule};
use amiferry_simulator::wire::scope::Service;

use crate::stage::images::But;
use crate::stage::{Options, Role, Stage, hours, inventory, run_test, spec, truth};

/// What AWS answers in another way than it should.
struct Odd {
    service: Service,
    operation: &'static str,
    region: Region,
}

impl Odd {
    fn source(stage: &Stage, operation: &'static str) -> Self {
        Self { service: Service::Ec2, operation, region: stage.landscape.source.1.clone() }
    }

    fn vault(stage: &Stage, operation: &'static str) -> Self {
        Self { region: stage.landscape.vault.1.clone(), ..Self::source(stage, operation) }
    }

    fn in_s3(self) -> Self {
        Self { service: Service::S3, ..self }
    }

    fn edited(self, stage: &Stage, edit: Edit) {
        let rule = Rule::new(Effect::Edit(edit)).on(self.service, self.operation);
        stage.world.faults().install(FaultPlan::new().fault(rule.in_region(self.region))).unwrap();
    }
}

/// Whether a report speaks of an image.
fn is_shown(report: &Report, id: &ImageId) -> bool {
    report.recovery_points.iter().any(|point| point.source_image_id == *id)
        || report.rejected.iter().any(|image| image.source_image_id == *id)
        || report
            .not_assessed
            .iter()
            .any(|image| image.source_image_id.as_deref() == Some(id.as_str()))
}

/// Plays a good image next to one whose items lack something in every answer: the good one is
/// completed, the other shown, and completed as soon as AWS says all of it again.
fn play(what: &str, odd: impl Fn(&Stage) -> Odd, edit: impl Fn(&ImageId) -> Edit) {
    println!("{what}");
    run_test(Options::default(), async |stage| {
        let well = stage.image(spec("web", "web-1", &[8]));
        let strange = stage.image(spec("web", "web-2", &[8]).unannounced());
        odd(stage).edited(stage, edit(&strange));
        stage.start_both();
        let recorded = |stage: &Stage| truth::is_recorded(stage, &well);
        stage.until(&format!("{what}: the other image is recorded"), hours(1), recorded).await;
        stage.pass(hours(1)).await;
        let report = inventory::partial_report(stage).await.unwrap();
        let nameless = report.not_assessed.iter().any(|image| image.source_image_id.is_none());
        assert!(is_shown(&report, &strange) || nameless, "{what}: nothing speaks of {strange}");
        stage.world.faults().clear();
        stage.complete_within(hours(3)).await;
    });
}

/// The elements of an image in `DescribeImages`.
const IMAGE: &[&str] = &[
    "imageId",
    "imageLocation",
    "imageState",
    "imageOwnerId",
    "creationDate",
    "isPublic",
    "architecture",
    "imageType",
    "platformDetails",
    "usageOperation",
    "name",
    "rootDeviceType",
    "rootDeviceName",
    "blockDeviceMapping",
    "deviceName",
    "ebs",
    "snapshotId",
    "volumeSize",
    "volumeType",
    "deleteOnTermination",
    "encrypted",
    "virtualizationType",
    "hypervisor",
    "enaSupport",
    "bootMode",
    "imdsSupport",
    "deregistrationProtection",
    "tagSet",
    "key",
];

#[test]
fn an_image_of_the_source_without_any_one_field_keeps_no_other_from_its_copy() {
    for field in IMAGE {
        let odd = |stage: &Stage| Odd::source(stage, "DescribeImages");
        play(field, odd, |id| Edit::dropping(field).of(id.as_str()));
    }
}

#[test]
fn a_restored_image_without_any_one_field_keeps_no_other_from_its_record() {
    for field in IMAGE {
        let odd = |stage: &Stage| Odd::vault(stage, "DescribeImages");
        play(field, odd, |id| Edit::dropping(field).of(id.as_str()));
    }
}

#[test]
fn a_snapshot_without_any_one_field_keeps_no_other_image_from_its_record() {
    for field in ["snapshotId", "status", "encrypted", "kmsKeyId", "progress", "tagSet"] {
        let odd = |stage: &Stage| Odd::vault(stage, "DescribeSnapshots");
        play(field, odd, |id| Edit::dropping(field).of(id.as_str()));
    }
}

#[test]
fn a_store_task_without_any_one_field_keeps_no_other_image_from_being_stored() {
    for field in
        ["amiId", "taskStartTime", "bucket", "s3objectKey", "progressPercentage", "storeTaskState"]
    {
        let odd = |stage: &Stage| Odd::source(stage, "DescribeStoreImageTasks");
        play(field, odd, |id| Edit::dropping(field).of(id.as_str()));
    }
}

#[test]
fn an_object_or_upload_without_any_one_field_keeps_no_other_image_from_its_copy() {
    for (operation, field) in [
        ("ListObjectsV2", "Key"),
        ("ListMultipartUploads", "Key"),
        ("ListMultipartUploads", "UploadId"),
        ("ListMultipartUploads", "Initiated"),
    ] {
        for place in [Odd::source, Odd::vault] {
            let odd = |stage: &Stage| place(stage, operation).in_s3();
            play(&format!("{operation} {field}"), odd, |id| Edit::dropping(field).of(id.as_str()));
        }
    }
}

#[test]
fn a_value_that_this_version_does_not_know_keeps_no_other_image_from_its_copy() {
    for (field, value) in [
        ("imageState", "resting"),
        ("virtualizationType", "nested"),
        ("rootDeviceType", "tape"),
        ("architecture", "riscv128"),
        ("deregistrationProtection", "perhaps"),
        ("bootMode", "quantum"),
    ] {
        for place in [Odd::source, Odd::vault] {
            let odd = |stage: &Stage| place(stage, "DescribeImages");
            play(&format!("{field} {value}"), odd, |id| {
                Edit::setting(field, value).of(id.as_str())
            });
        }
    }
}

/// What both workers ask for before they start.
async fn start_checks(stage: &Stage) {
    for role in [Role::Source, Role::Target] {
        stage.start_check(role).await.unwrap();
    }
}

const PENDING: &str = include_str!("cases/pending-without-name.xml");
const RAM_DISK: &str = include_str!("cases/ramdisk-image.xml");

#[test]
fn a_pending_image_without_a_name_is_pending_and_a_ram_disk_is_no_image() {
    run_test(Options::default(), async |stage| {
        for odd in [Odd::source, Odd::vault] {
            odd(stage, "DescribeImages").edited(stage, Edit::adding(&[PENDING, RAM_DISK].concat()));
        }
        start_checks(stage).await;
        stage.image(spec("web", "web-1", &[8]).unannounced());
        stage.start_both();
        stage.complete_within(hours(1)).await;
        let report = inventory::partial_report(stage).await.unwrap();
        let pending =
            report.rejected.iter().map(|image| (image.source_image_id.as_str(), image.code));
        assert_eq!(pending.collect::<Vec<_>>(), [("ami-0759a892727a356e9", Code::ImagePending)]);
        assert!(report.not_assessed.is_empty(), "{:?}", report.not_assessed);
        for worker in ["source", "target"] {
            assert_eq!(unreadable_items(stage, worker), Some(0.0), "{worker}");
        }
    });
}

fn unreadable_items(stage: &Stage, worker: &str) -> Option<f64> {
    let series = format!("amiferry_unreadable_items{{worker=\"{worker}\"}} ");
    let metrics = stage.metrics();
    metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

#[test]
fn an_image_that_cannot_be_read_is_logged_once_counted_and_not_assessed() {
    let options = Options { kept: true, ..Options::default() };
    run_test(options, async |stage| {
        let strange = stage.bystander(spec("web", "web-2", &[8]).unannounced());
        let odd = Odd::source(stage, "DescribeImages");
        odd.edited(stage, Edit::dropping("volumeSize").of(strange.as_str()));
        let well = stage.image(spec("web", "web-1", &[8]));
        stage.start_both();
        let recorded = |stage: &Stage| truth::is_recorded(stage, &well);
        stage.until("the other image is recorded", hours(1), recorded).await;
        stage.pass(hours(6)).await;
        for worker in ["source", "target"] {
            assert_eq!(unreadable_items(stage, worker), Some(1.0), "{worker}");
            let told = |line: &&str| {
                line.contains("an item of a listing cannot be read")
                    && line.contains(&format!("\"amiferry.worker\":\"{worker}\""))
                    && line.contains(strange.as_str())
                    && line.contains("it has no volumeSize")
            };
            assert_eq!(stage.logged().lines().filter(told).count(), 1, "{worker}");
        }
        let report = inventory::partial_report(stage).await.unwrap();
        let not_assessed: Vec<_> = report.not_assessed.iter().collect();
        assert_eq!(not_assessed.len(), 1);
        assert_eq!(not_assessed[0].source_image_id.as_deref(), Some(strange.as_str()));
        assert!(not_assessed[0].reason.contains("volumeSize"), "{}", not_assessed[0].reason);
        assert_eq!(report.verdict(), Verdict::Partial);

        stage.world.faults().clear();
        stage.pass(hours(2)).await;
        assert_eq!(unreadable_items(stage, "source"), Some(0.0));
        assert!(truth::is_recorded(stage, &strange), "it is an image like any other again");
    });
}

#[test]
fn a_page_that_cannot_be_parsed_keeps_no_worker_from_its_start() {
    run_test(Options::default(), async |stage| {
        let strange = stage.bystander(spec("web", "web-2", &[8]).unannounced());
        let odd = Odd::source(stage, "DescribeImages");
        odd.edited(stage, Edit::setting("volumeSize", "eight").of(strange.as_str()));
        start_checks(stage).await;
    });
}
