//! What must survive a restore, what may differ, and what is the same although it looks different.

use proptest::prelude::*;

use super::*;
use crate::decide::tests::fixture::{With, device, image, tags};
use crate::model::{
    BlockDevice, DeregistrationProtection, EbsDevice, ImageState, RootDeviceType, Virtualization,
};

type Change = fn(&mut Image);

/// The attributes in which a changed image differs from the ordinary one.
fn differing(change: impl FnOnce(&mut Image)) -> Vec<String> {
    let changed = Shape::of(&image().with(change));
    Shape::of(&image()).differences(&changed).into_iter().map(|d| d.attribute).collect()
}

#[test]
fn each_attribute_that_must_survive_is_compared() {
    fn root(image: &mut Image) -> &mut EbsDevice {
        image.devices[0].ebs.as_mut().unwrap()
    }
    let rows: &[(&str, Change)] = &[
        ("architecture", |i| i.architecture = "arm64".into()),
        ("virtualization", |i| i.virtualization = Virtualization::Paravirtual),
        ("root_device_type", |i| i.root_device_type = RootDeviceType::InstanceStore),
        ("root_device_name", |i| i.root_device_name = Some("/dev/sda1".into())),
        ("root_device_name", |i| i.root_device_name = None),
        ("boot_mode", |i| i.boot_mode = Some("legacy-bios".into())),
        ("ena_support", |i| i.ena_support = false),
        ("sriov_net_support", |i| i.sriov_net_support = None),
        ("imds_support", |i| i.imds_support = None),
        ("tpm_support", |i| i.tpm_support = None),
        ("devices", |i| drop(i.devices.pop())),
        ("devices", |i| i.devices.push(device("/dev/xvdz", "snap-0abcdef1", 1))),
        ("devices", |i| i.devices[0].name = "/dev/sda1".into()),
        ("devices", |i| i.devices[2].virtual_name = Some("ephemeral1".into())),
        ("devices", |i| i.devices[0].ebs = None),
        // An empty volume of the same size would hide lost data.
        ("devices", |i| root(i).snapshot = None),
        ("devices", |i| root(i).size_gib += 1),
        ("devices", |i| root(i).volume_type = Some("gp2".into())),
        ("devices", |i| root(i).iops = Some(4_000)),
        ("devices", |i| root(i).throughput = Some(250)),
        ("devices", |i| root(i).delete_on_termination = false),
        ("platform", |i| i.platform = Some("windows".into())),
        ("platform_details", |i| i.platform_details = None),
        ("usage_operation", |i| i.usage_operation = Some("RunInstances:0002".into())),
        ("product_codes", |i| {
            i.product_codes.insert("marketplace:x".into());
        }),
        ("tag:Name", |i| drop(i.tags.remove("Name"))),
        ("tag:app", |i| drop(i.tags.insert("app".into(), "other".into()))),
    ];
    for (attribute, change) in rows {
        assert_eq!(differing(change), [*attribute]);
    }
}

#[test]
fn what_every_image_has_and_an_answer_of_ec2_left_out_is_no_difference() {
    let told: &[Change] = &[
        |i| i.root_device_name = None,
        |i| i.devices[0].ebs.as_mut().unwrap().volume_type = None,
        |i| i.platform_details = None,
        |i| i.usage_operation = None,
    ];
    for (n, change) in told.iter().enumerate() {
        let source = Shape::of(&image().with(change));
        assert_eq!(source.differences(&Shape::of(&image())), [], "row {n}");
    }
}

#[test]
fn rules_for_launches_are_compared_and_not_demanded() {
    let ruled = Shape::of(&image().with(|i| {
        i.launch_rules.watermarks.insert("111111111111:approved".into());
        i.launch_rules.supported_instance_types.insert("m7*".into());
    }));
    let differences = ruled.differences(&Shape::of(&image()));
    let attributes: Vec<_> = differences.iter().map(|d| d.attribute.as_str()).collect();
    assert_eq!(attributes, ["instance_types", "watermarks"]);
    assert!(differences.iter().all(|found| not_demanded(found).is_some()));
    assert_eq!(ruled.differences(&ruled), []);
    // A record of a version that did not ask holds nothing to them.
    assert_eq!(Shape::of(&image()).differences(&ruled), []);
    let others = Shape::of(&image()).differences(&Shape { ena_support: false, ..ruled });
    assert!(others.iter().all(|found| not_demanded(found).is_none()));
}

#[test]
fn what_changes_by_design_or_in_the_vault_is_no_difference() {
    let rows: &[(&str, Change)] = &[
        ("nothing", |_| ()),
        ("id", |i| i.id = "ami-0abcdef1".parse().unwrap()),
        ("owner", |i| i.owner = "222222222222".parse().unwrap()),
        ("name", |i| i.name = "amiferry/x".into()),
        ("description", |i| i.description = "restored".into()),
        ("state", |i| i.state = ImageState::Pending),
        ("dates", |i| i.created = jiff::Timestamp::UNIX_EPOCH),
        ("sharing", |i| i.public = true),
        ("origin", |i| i.source_image = None),
        ("instance", |i| i.source_instance = Some("i-0abcdef1".into())),
        ("protection", |i| {
            i.deregistration_protection = DeregistrationProtection::Enabled;
        }),
        ("snapshot ids", |i| i.devices[0] = device("/dev/xvda", "snap-0abcdef1", 8)),
        ("encryption", |i| i.devices[0].ebs.as_mut().unwrap().encrypted = true),
        ("device order", |i| i.devices.reverse()),
        ("a tag more", |i| drop(i.tags.insert("cost".into(), "7".into()))),
        ("our tags", |i| drop(i.tags.insert(tag::MANAGED.into(), "true".into()))),
    ];
    for (what, change) in rows {
        assert_eq!(differing(change), [""; 0], "{what}");
    }
    // Each exception is listed with its source, and tried here.
    for (what, source) in CHANGED_BY_DESIGN {
        let tried =
            rows.iter().any(|(name, _)| name == what || (*what == "created" && *name == "dates"));
        assert!(tried && !source.is_empty(), "{what}");
    }
}

#[test]
fn what_is_absent_equals_its_default() {
    fn root(image: &mut Image) -> &mut EbsDevice {
        image.devices[0].ebs.as_mut().unwrap()
    }
    let empty = |kind: Option<&str>| BlockDevice {
        name: "/dev/xvdz".into(),
        virtual_name: None,
        ebs: Some(EbsDevice {
            snapshot: None,
            size_gib: 8,
            volume_type: kind.map(str::to_owned),
            iops: None,
            throughput: None,
            delete_on_termination: true,
            encrypted: false,
        }),
    };
    let nothing = || BlockDevice { name: "/dev/xvdy".into(), virtual_name: None, ebs: None };
    let with = |device: BlockDevice| move |image: &mut Image| image.devices.push(device);
    type Step = Box<dyn FnOnce(&mut Image)>;
    let pairs: Vec<(&str, Step, Step)> = vec![
        ("gp3's IOPS", Box::new(|i| root(i).iops = None), Box::new(|_| ())),
        ("gp3's throughput", Box::new(|i| root(i).throughput = None), Box::new(|_| ())),
        ("an empty volume's type", Box::new(with(empty(None))), Box::new(with(empty(Some("gp2"))))),
        ("an entry that stands for nothing", Box::new(with(nothing())), Box::new(|_| ())),
        (
            "a text",
            Box::new(|i| i.boot_mode = None),
            Box::new(|i| i.boot_mode = Some(String::new())),
        ),
        (
            "a bill",
            Box::new(|i| i.usage_operation = None),
            Box::new(|i| i.usage_operation = Some(String::new())),
        ),
    ];
    for (what, one, other) in pairs {
        let [one, other] = [Shape::of(&image().with(one)), Shape::of(&image().with(other))];
        assert_eq!((one.differences(&other), other.differences(&one)), (vec![], vec![]), "{what}");
    }
    // Other types have no default that EC2 leaves out.
    let io2 = |iops| {
        Shape::of(&image().with(|i| {
            *root(i) = EbsDevice { volume_type: Some("io2".into()), iops, ..root(i).clone() };
        }))
    };
    assert_eq!(io2(None).differences(&io2(Some(3_000))).len(), 1);
    let sizes = [Shape::of(&image().with(with(empty(None)))), Shape::of(&image())];
    assert_eq!(sizes[0].differences(&sizes[1]).len(), 1, "an empty volume is not nothing");
}

#[test]
fn a_record_that_did_not_ask_for_the_bill_is_not_held_to_it() {
    let old = Shape { billing: None, ..Shape::of(&image()) };
    let restored = Shape::of(&image().with(|image| image.platform_details = None));
    assert_eq!(old.differences(&restored), []);
    let json = serde_json::to_value(&old).unwrap();
    assert!(json.get("billing").is_none());
    assert_eq!(serde_json::from_value::<Shape>(json).unwrap(), old);
}

#[test]
fn uefi_data_is_compared_where_it_is_known_of_both() {
    let with = |data| Shape { uefi_data: data, ..Shape::of(&image()) };
    for (source, restored, differs) in [
        (Some(true), Some(false), true),
        (Some(false), Some(true), true),
        (Some(true), Some(true), false),
        (Some(true), None, false),
        (None, Some(false), false),
    ] {
        let found = with(source).differences(&with(restored));
        assert_eq!(!found.is_empty(), differs, "{source:?} {restored:?}");
    }
}

#[test]
fn every_difference_that_can_be_accepted_is_one_that_is_found() {
    let other = image()
        .with(|i| i.boot_mode = None)
        .with(|i| i.ena_support = false)
        .with(|i| i.sriov_net_support = None)
        .with(|i| i.tpm_support = None)
        .with(|i| i.platform = Some("windows".into()))
        .with(|i| i.platform_details = None)
        .with(|i| i.usage_operation = None)
        .with(|i| {
            i.product_codes.insert("marketplace:x".into());
        });
    let with = |data, image: &Image| Shape { uefi_data: Some(data), ..Shape::of(image) };
    let found = with(true, &image()).differences(&with(false, &other));
    let found: Vec<_> = found.iter().map(|difference| difference.attribute.as_str()).collect();
    for attribute in Acceptable::ALL {
        assert!(found.contains(&attribute.as_str()), "{attribute:?}");
    }
    assert_eq!(found.len(), Acceptable::ALL.len());
}

#[test]
fn a_difference_shows_both_values_and_what_is_not_there() {
    let bios = image().with(|image| image.boot_mode = None).with(|image| image.tags.clear());
    let found = Shape::of(&image()).differences(&Shape::of(&bios));
    let shown: Vec<_> = found.iter().map(|d| (&*d.attribute, &*d.source, &*d.restored)).collect();
    assert_eq!(
        shown,
        [
            ("boot_mode", "\"uefi\"", "null"),
            ("tag:Name", "\"web\"", "null"),
            ("tag:app", "\"shop\"", "null"),
            ("tag:backup", "\"daily\"", "null"),
        ]
    );
}

#[test]
fn reserved_tags_are_not_passed_on_and_their_look_alikes_are() {
    let all = tags([
        ("aws:backup:source", "x"),
        ("amiferry:managed", "true"),
        ("amiferry:", "x"),
        ("amiferry", "x"),
        ("my:amiferry:managed", "x"),
        ("awsome", "x"),
    ]);
    let kept = tags([("amiferry", "x"), ("awsome", "x"), ("my:amiferry:managed", "x")]);
    assert_eq!(passed_on(&all), kept);
}

proptest! {
    #[test]
    fn no_difference_means_that_all_source_tags_are_there(
        source in prop::collection::btree_map("[a-c]{1,2}", "[a-b]{0,1}", 0..5),
        restored in prop::collection::btree_map("[a-c]{1,2}", "[a-b]{0,1}", 0..5),
    ) {
        let shape = |tags: &Tags| Shape::of(&image().with(|image| image.tags = tags.clone()));
        let equal = shape(&source).differences(&shape(&restored)).is_empty();
        let there = source.iter().all(|(key, value)| restored.get(key) == Some(value));
        prop_assert_eq!(equal, there);
    }
}

#[test]
fn what_ec2_did_not_tell_of_the_bill_is_no_difference() {
    let untold = |image: &mut Image| (image.platform_details, image.usage_operation) = (None, None);
    let recorded = Shape::of(&image().with(untold));
    assert_eq!(recorded.differences(&Shape::of(&image())), []);
}
