//! The demo's images: five families in every kind that matters, and three that cannot be
//! protected.

use std::time::Duration;

use amiferry_core::ids::ImageId;
use jiff::{SignedDuration, Timestamp};

use super::Landscape;
use crate::World;
use crate::ec2::image::{Metadata, RootDeviceType, Virtualization};
use crate::ec2::{self, ImageSpec, VolumeSpec};

/// An image that will be made at some time of the demo.
#[derive(Debug, Clone)]
pub struct Planned {
    /// How long after the start its event is sent; `None`: it is there before, without an event,
    /// for a sweep to find.
    pub after: Option<Duration>,
    spec: ImageSpec,
}

impl Planned {
    /// Puts the image into the source account, with or without its event.
    pub fn appear(&self, world: &World, landscape: &Landscape) -> ImageId {
        let at = world.now();
        let (account, region) = &landscape.source;
        let mut state = world.lock();
        ec2::add_image(&mut state, at, account, region, self.spec.clone())
    }
}

#[derive(Clone, Copy)]
enum Key {
    Plain,
    Customer,
    /// `aws/ebs`, which cannot be shared across accounts: only store and restore moves it.
    AwsManaged,
}

struct Row {
    workload: &'static str,
    name: &'static str,
    gib: &'static [u32],
    key: Key,
    hours_old: i64,
    after: Option<u64>,
}

const fn row(
    workload: &'static str,
    name: &'static str,
    gib: &'static [u32],
    key: Key,
    hours_old: i64,
    after: Option<u64>,
) -> Row {
    Row { workload, name, gib, key, hours_old, after }
}

/// More gigabytes than the store quota of 1,200 and the restore quota of 600 admit at once.
const ROWS: &[Row] = &[
    row("web", "web-2041", &[30], Key::Plain, 20, None),
    row("web", "web-2042", &[30], Key::Plain, 8, Some(100)),
    row("web", "web-2043", &[30, 10], Key::Plain, 1, Some(900)),
    row("orders-db", "orders-db-17", &[40, 360], Key::Customer, 22, None),
    row("orders-db", "orders-db-18", &[40, 460], Key::Customer, 10, Some(200)),
    row("orders-db", "orders-db-19", &[40, 460], Key::Customer, 2, Some(300)),
    row("payments", "payments-8", &[60], Key::AwsManaged, 13, Some(400)),
    row("payments", "payments-9", &[80], Key::AwsManaged, 3, Some(500)),
    row("render-batch", "render-batch-51", &[300], Key::Plain, 60, None),
    row("render-batch", "render-batch-52", &[350], Key::Plain, 30, Some(600)),
    row("analytics", "analytics-3", &[250], Key::Customer, 90, None),
    row("analytics", "analytics-4", &[250], Key::Customer, 40, Some(700)),
];

/// All images of the demo, in the order of their appearance.
pub fn fleet(landscape: &Landscape, now: Timestamp) -> Vec<Planned> {
    let mut fleet: Vec<Planned> = ROWS.iter().map(|row| planned(row, landscape, now)).collect();
    let legacy = row("web", "web-legacy-pv", &[8], Key::Plain, 5_000, Some(800));
    let mut legacy = planned(&legacy, landscape, now);
    legacy.spec.metadata.virtualization = Virtualization::Paravirtual;
    let lake = row("analytics", "analytics-lake", &[4_000, 1_500], Key::Customer, 12, Some(1_000));
    let scratch = row("", "scratch-of-jo", &[20], Key::Plain, 2, Some(1_100));
    let mut scratch = planned(&scratch, landscape, now);
    scratch.spec.tags.clear();
    fleet.extend([legacy, planned(&lake, landscape, now), scratch]);
    fleet.sort_by_key(|planned| planned.after);
    fleet
}

/// The images that a running demo goes on to register, family by family, with the number that
/// follows those of [`ROWS`].
const RELEASES: &[(Row, usize)] = &[
    (row("web", "web", &[30], Key::Plain, 0, Some(0)), 2044),
    (row("payments", "payments", &[60], Key::AwsManaged, 0, Some(0)), 10),
    (row("orders-db", "orders-db", &[40, 360], Key::Customer, 0, Some(0)), 20),
    (row("render-batch", "render-batch", &[300], Key::Plain, 0, Some(0)), 53),
    (row("analytics", "analytics", &[250], Key::Customer, 0, Some(0)), 5),
];

/// The image that the owners of a running demo register after `before` others: the families take
/// turns.
pub fn release(landscape: &Landscape, before: usize, now: Timestamp) -> Option<Planned> {
    let (row, first) = RELEASES.get(before % RELEASES.len())?;
    let mut release = planned(row, landscape, now);
    release.spec.name = format!("{}-{}", row.name, first + before / RELEASES.len());
    Some(release)
}

fn planned(row: &Row, landscape: &Landscape, now: Timestamp) -> Planned {
    let (account, region) = &landscape.source;
    let key = match row.key {
        Key::Plain => None,
        Key::Customer => Some(landscape.workload_key.clone()),
        Key::AwsManaged => format!("arn:aws:kms:{region}:{account}:alias/aws/ebs").parse().ok(),
    };
    let devices = ["/dev/xvda", "/dev/sdf"];
    let volumes = row.gib.iter().zip(devices).map(|(size, device)| VolumeSpec {
        device: device.to_owned(),
        size_gib: *size,
        encrypted: key.clone(),
        ..VolumeSpec::default()
    });
    let age = SignedDuration::from_hours(row.hours_old);
    let spec = ImageSpec {
        name: row.name.to_owned(),
        tags: [("workload".to_owned(), row.workload.to_owned())].into_iter().collect(),
        volumes: volumes.collect(),
        metadata: Metadata {
            root_device_type: RootDeviceType::Ebs,
            boot_mode: Some("uefi-preferred".to_owned()),
            imds_support: Some("v2.0".to_owned()),
            ..Metadata::default()
        },
        created: Some(now.saturating_sub(age).unwrap_or(now)),
        announced: row.after.is_some(),
    };
    Planned { after: row.after.map(Duration::from_millis), spec }
}
