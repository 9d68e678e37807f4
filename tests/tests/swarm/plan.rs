//! From one number: a fleet, its world's switches, the workers, and everything that goes wrong.

use std::time::Duration;

use amiferry_core::ids::Arn;
use amiferry_service::config::Config;
use amiferry_simulator::Settings;
use amiferry_simulator::ec2::ImageSpec;
use amiferry_simulator::ec2::image::{RootDeviceType, Virtualization};
use amiferry_simulator::ec2::settings::TaskPermissions;
use amiferry_simulator::landscape::{SOURCE_ACCOUNT, SOURCE_REGION};

use crate::bus;
use crate::deceit;
use crate::life;
use crate::mischief::{self, Mischief};
use crate::stage::images::But;
use crate::stage::{self, Options, Role, hours, minutes, spec};
use crate::{neighbour, odd};

/// The names of replicas on the wire.
const SOURCES: [&str; 3] = ["source", "source-2", "source-3"];
/// The names of replicas on the wire.
const TARGETS: [&str; 3] = ["target", "target-2", "target-3"];

/// Seconds.
pub const DAY: u64 = 24 * 3_600;

/// Lives are short from this seed on: as much goes wrong, in less time in which workers only wait.
/// Long runs come to more of it this way; seeds before have lives of an hour.
const SHORT: u64 = 10_000;

/// An image that comes into the source account.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When, counted from the start.
    pub after: Duration,
    /// What it is.
    pub spec: ImageSpec,
    /// How long before that it was made.
    pub age: Duration,
    /// Whether its volumes are encrypted, and with which kind of key.
    pub key: VolumeKey,
}

/// What encrypts the volumes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeKey {
    /// Nothing.
    None,
    /// The account's `alias/aws/ebs`.
    Aws,
    /// A key of the customer's.
    Customer,
}

/// One run, before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all of it comes from.
    pub seed: u64,
    /// The rates and switches of the simulated AWS.
    pub settings: Settings,
    /// How long things go wrong.
    pub chaos: Duration,
    /// Between two sweeps of a worker.
    pub sweep: Duration,
    /// The workers, by role and name on the wire.
    pub workers: Vec<(Role, &'static str)>,
    /// The images.
    pub fleet: Vec<Arrival>,
    /// What goes wrong; any part of it makes a plan too.
    pub mischief: Vec<Mischief>,
    /// Whether the checks that follow the truth are made: see [`Plan::deceived`].
    pub deceived: bool,
    /// Whether the vault tells an event bus.
    pub told: bool,
    /// Whether workers and audits act in the roles of `deploy/iam`, and not as their accounts.
    pub in_roles: bool,
    /// Whether the rules of retention give something up in the end.
    pub pruned: bool,
}

impl Plan {
    /// The plan of a seed; equal seeds give equal plans.
    pub fn of(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x0a51_9e11);
        let chaos = minutes(dice.u64(if seed < SHORT { 10..=75 } else { 3..=22 }));
        let replicas = |dice: &mut fastrand::Rng| [1, 1, 1, 1, 2, 3][dice.usize(..6)];
        let sources = SOURCES[..replicas(&mut dice)].iter().map(|who| (Role::Source, *who));
        let targets = TARGETS[..replicas(&mut dice)].iter().map(|who| (Role::Target, *who));
        let workers: Vec<_> = sources.chain(targets).collect();
        let images = [2, 2, 3, 3, 4, 5, 8, 12][dice.usize(..8)];
        let mut fleet: Vec<_> = (0..images).map(|n| arrival(&mut dice, n, chaos)).collect();
        let sweep = minutes([5, 10, 15, 15][dice.usize(..4)]);
        let mut mischief = mischief::draw(&mut dice, chaos, &workers);
        // Behind the others and from dice of their own: what earlier seeds found stays theirs.
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x11fe_07a9);
        mischief.extend(life::draw(&mut dice, chaos, images, &workers));
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x1e4d_5002);
        mischief.extend(life::harden(&mut dice, chaos, images));
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x57a6_ed01);
        mischief.extend(life::expire(&mut dice, chaos));
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x0dd1_7e35);
        life::age(&mut dice, &mut fleet);
        mischief.extend(odd::draw(&mut dice, chaos, &fleet));
        let neighbour = neighbour::draw(&mut dice);
        // The roles of `deploy/iam` are those of one source.
        let alone = seed >= SHORT && neighbour.is_none();
        let in_roles = alone && fastrand::Rng::with_seed(seed ^ 0x0401_e5a5).u8(..3) == 0;
        mischief.extend(neighbour.map(Mischief::Neighbour));
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x0b05_7e11);
        let (told, outages) = bus::draw(&mut dice, chaos);
        mischief.extend(outages);
        let mut settings = Settings::randomised(seed);
        if in_roles {
            // The other answer demands the deletion of objects, which no role of ours may do.
            settings.ec2.task_permissions = TaskPermissions::ByDirection;
        }
        Self {
            seed,
            settings,
            chaos,
            sweep,
            workers,
            fleet,
            mischief,
            deceived: false,
            told,
            in_roles,
            pruned: false,
        }
    }

    /// The plan of a seed with what others do to deceive, with listings of several pages, and with
    /// the checks that follow the truth.
    pub fn deceived(seed: u64) -> Self {
        let mut plan = Self::of(seed);
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x0dec_e175);
        plan.mischief.extend(deceit::draw(&mut dice, plan.chaos, plan.fleet.len()));
        plan.settings.ec2.longest_page = [usize::MAX, 100, 2][dice.usize(..3)];
        // From dice of their own: what earlier seeds found stays theirs.
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x07e5_11e5);
        plan.mischief.extend(deceit::notes(&mut dice, plan.fleet.len()));
        Self { deceived: true, ..plan }
    }

    /// The plan of a seed that ends with prunes instead of losses.
    pub fn pruned(seed: u64) -> Self {
        Self { pruned: true, ..Self::of(seed) }
    }

    /// How its stage is set up.
    pub fn options(&self) -> Options {
        let configure: fn(&mut Config) = match self.told {
            false => in_large_parts,
            true => |config: &mut Config| {
                in_large_parts(config);
                stage::bus::tell(config);
            },
        };
        Options {
            seed: self.seed,
            settings: self.settings.clone(),
            configure,
            logged: std::env::var_os("AMIFERRY_LOG").is_some(),
            // Keeping the log takes a good part of a run.
            kept: self.seed % 16 == 3,
        }
    }

    /// The same run with only some of its mischief, by index.
    pub fn with_only(&self, indexes: &[usize]) -> Self {
        let chosen = indexes.iter().filter_map(|index| self.mischief.get(*index));
        Self { mischief: chosen.cloned().collect(), ..self.clone() }
    }

    /// How long after the heal everything must be in order: the slowest AWS that settings draw
    /// moves the largest fleet one image after the other in less.
    pub fn deadline(&self) -> Duration {
        hours(2 + self.fleet.len() as u64)
    }

    /// All of it, to be read by a person.
    pub fn describe(&self) -> String {
        let mut text = format!(
            "seed {}: chaos for {:?}, sweeps every {:?}, workers {:?}{}\n",
            self.seed,
            self.chaos,
            self.sweep,
            self.workers.iter().map(|(_, who)| *who).collect::<Vec<_>>(),
            if self.in_roles { " in their roles" } else { "" }
        );
        for Arrival { after, spec, age, key } in &self.fleet {
            let sizes: Vec<u32> = spec.volumes.iter().map(|volume| volume.size_gib).collect();
            let told = if spec.announced { "announced" } else { "unannounced" };
            text += &format!(
                "  image {} of {:?} GiB after {after:?}, {} days old, {told}, key {key:?}\n",
                spec.name,
                sizes,
                age.as_secs() / DAY
            );
        }
        for (index, mischief) in self.mischief.iter().enumerate() {
            text += &format!("  [{index}] {}\n", mischief.describe());
        }
        let settings = serde_json::to_string(&self.settings).unwrap();
        text + &format!("  settings {settings}\n")
    }
}

/// The AWS managed key of EBS in the source.
pub fn aws_managed() -> Arn {
    format!("arn:aws:kms:{SOURCE_REGION}:{SOURCE_ACCOUNT}:alias/aws/ebs").parse().unwrap()
}

fn in_large_parts(config: &mut Config) {
    config.workers.part_size_mib = 2_048.try_into().ok();
}

fn arrival(dice: &mut fastrand::Rng, n: usize, chaos: Duration) -> Arrival {
    let workload = ["web", "orders-db", "payments", "analytics", "reports"][dice.usize(..5)];
    let volumes = dice.usize(1..=3);
    let sizes: Vec<u32> = (0..volumes).map(|_| [1, 2, 8, 12][dice.usize(..4)]).collect();
    let mut spec = spec(workload, &format!("{workload}-{n}"), &sizes);
    match dice.u8(..16) {
        0 => spec.metadata.virtualization = Virtualization::Paravirtual,
        1 => spec.metadata.root_device_type = RootDeviceType::InstanceStore,
        2 => spec.tags.clear(),
        3 => spec.volumes[0].size_gib = 5_001,
        _ => {}
    }
    if dice.u8(..4) == 0 {
        spec = spec.unannounced();
    }
    let after = match dice.u8(..3) {
        0 => Duration::ZERO,
        _ => chaos.mul_f64(dice.f64()),
    };
    let key = [VolumeKey::None, VolumeKey::Aws, VolumeKey::Customer][dice.usize(..3)];
    Arrival { after, spec, age: Duration::ZERO, key }
}
