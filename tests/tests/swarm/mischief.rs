//! Everything that a run can suffer, and how a seed chooses among it.
//!
//! A seed chooses kinds first and then how bad each is: a uniform mixture of everything would hide
//! what only shows when one thing goes wrong and the others work.

use std::time::Duration;

use amiferry_simulator::faults::{
    Effect, Entry, EventEffect, EventRule, How, KeepAlive, Outage, Outcome, Refusal, Rule, When,
};
use amiferry_simulator::landscape::{SOURCE_REGION, VAULT_REGION};
use amiferry_simulator::wire::scope::Service;

use crate::deceit::Deceit;
use crate::neighbour::Neighbour;
use crate::stage::{Mishap, Role};

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub enum Mischief {
    /// A fault of the simulated AWS.
    Aws(Box<Entry>),
    /// A worker dies and is started again later.
    Crash {
        /// Its name on the wire.
        who: &'static str,
        /// When.
        when: Fall,
        /// How long it stays away.
        away: Duration,
    },
    /// All sessions of the read role end.
    Sessions {
        /// When.
        at: Duration,
        /// Revoked, or expired before their time.
        revoked: bool,
    },
    /// A key is disabled for a while.
    Key {
        /// Which.
        which: WhichKey,
        /// From when.
        at: Duration,
        /// How long.
        lasts: Duration,
    },
    /// The clock of a machine is wrong.
    Clock {
        /// The worker on it.
        who: &'static str,
        /// Seconds ahead; negative is behind.
        ahead: i64,
    },
    /// Everything in flight is delivered once more.
    Redelivery {
        /// Whose queue.
        role: Role,
        /// When.
        at: Duration,
    },
    /// A quota of EC2 is not what it usually is.
    Quota {
        /// Which.
        which: WhichQuota,
        /// Gigabytes in progress.
        gb: u64,
        /// From when.
        at: Duration,
        /// How long; `None` for one that the configuration knows, from the start to the end.
        lasts: Option<Duration>,
    },
    /// An owner does something with an image.
    Image {
        /// Its place in the fleet.
        index: usize,
        /// When, counted from its arrival.
        after: Duration,
        /// What.
        change: Change,
    },
    /// A lifecycle rule removes all that is staged.
    Expire {
        /// When.
        at: Duration,
    },
    /// Others deceive.
    Deceit(Deceit),
    /// The vault has another source, which is no good.
    Neighbour(Neighbour),
    /// Messages that name no work.
    Garbage {
        /// Whose queue.
        role: Role,
        /// When.
        at: Duration,
        /// How many.
        count: usize,
    },
}

/// When a worker dies.
#[derive(Debug, Clone, Copy)]
pub enum Fall {
    /// At this time.
    At(Duration),
    /// At its call of this number, in this way.
    Call(usize, Mishap),
}

/// One of the keys on the way of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichKey {
    /// That of the staging bucket.
    Staging,
    /// A customer's, on volumes.
    Workload,
    /// The vault's.
    Vault,
}

/// One of the two quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichQuota {
    /// Of the source account.
    Store,
    /// Of the vault account.
    Restore,
}

/// What an owner does with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Deregisters it.
    Deregister {
        /// Whether its snapshots are deleted with it.
        with_snapshots: bool,
    },
    /// Disables it for a while.
    Disable {
        /// How long.
        lasts: Duration,
    },
    /// Gives it another tag, of which no policy speaks.
    Tag,
    /// Gives it to another workload, or to none: other policies select it, or none does.
    Workload(Option<&'static str>),
    /// Has its instances demand IMDSv2.
    Harden,
}

impl Mischief {
    /// One line about it.
    pub fn describe(&self) -> String {
        match self {
            Self::Aws(entry) => serde_json::to_string(entry).unwrap(),
            other => format!("{other:?}"),
        }
    }

    /// The name under which it is counted, if the simulated AWS does not count it itself.
    pub fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Aws(_) => None,
            Self::Crash { when: Fall::At(_), .. } => Some("crash-at-a-moment"),
            Self::Crash { when: Fall::Call(_, Mishap::DiesBefore), .. } => {
                Some("crash-before-effect")
            }
            Self::Crash { when: Fall::Call(_, Mishap::DiesAnswered), .. } => {
                Some("crash-after-answer")
            }
            Self::Crash { when: Fall::Call(..), .. } => Some("crash-before-answer"),
            Self::Sessions { .. } => Some("sessions-ended"),
            Self::Key { .. } => Some("key-disabled"),
            Self::Clock { .. } => Some("clock-skewed"),
            Self::Redelivery { .. } => Some("redelivery"),
            Self::Garbage { .. } => Some("garbage"),
            Self::Expire { .. } => Some("staged-expired"),
            Self::Quota { lasts: None, .. } => Some("quota-small"),
            Self::Quota { .. } => Some("quota-changed"),
            Self::Image { change: Change::Deregister { .. }, .. } => Some("image-deregistered"),
            Self::Image { change: Change::Disable { .. }, .. } => Some("image-disabled"),
            Self::Image { change: Change::Tag, .. } => Some("image-tagged"),
            Self::Image { change: Change::Workload(_), .. } => Some("image-given-away"),
            Self::Image { change: Change::Harden, .. } => Some("image-hardened"),
            Self::Neighbour(neighbour) => Some(neighbour.kind()),
            Self::Deceit(Deceit::Forged { .. }) => Some("tags-forged"),
            Self::Deceit(Deceit::Squatted { .. }) => Some("name-squatted"),
            Self::Deceit(Deceit::Noted { .. }) => Some("note-hostile"),
            Self::Deceit(Deceit::Plaintext { .. }) => Some("encryption-off"),
        }
    }
}

const SERVICES: [Service; 5] =
    [Service::Ec2, Service::S3, Service::Sqs, Service::Sts, Service::Kms];

/// The calls that change something, and those on which everything else hangs.
const OPERATIONS: [(Service, &str); 17] = [
    (Service::Ec2, "CreateStoreImageTask"),
    (Service::Ec2, "CreateRestoreImageTask"),
    (Service::Ec2, "DescribeImages"),
    (Service::Ec2, "DescribeStoreImageTasks"),
    (Service::Ec2, "DescribeSnapshots"),
    (Service::Ec2, "CreateTags"),
    (Service::Ec2, "EnableImageDeregistrationProtection"),
    (Service::S3, "HeadObject"),
    (Service::S3, "PutObject"),
    (Service::S3, "CreateMultipartUpload"),
    (Service::S3, "UploadPartCopy"),
    (Service::S3, "CompleteMultipartUpload"),
    (Service::S3, "AbortMultipartUpload"),
    (Service::S3, "ListObjectsV2"),
    (Service::S3, "ListObjectVersions"),
    (Service::Sqs, "DeleteMessageBatch"),
    (Service::Sts, "AssumeRole"),
];

/// What goes wrong in the run of a seed.
pub fn draw(
    dice: &mut fastrand::Rng,
    chaos: Duration,
    workers: &[(Role, &'static str)],
) -> Vec<Mischief> {
    let mut all = Vec::new();
    for _ in 0..dice.usize(0..=5) {
        all.push(Mischief::Aws(Box::new(Entry::Fault(call_fault(dice, chaos)))));
    }
    if dice.bool() {
        for _ in 0..dice.usize(1..=3) {
            all.push(Mischief::Aws(Box::new(Entry::EventFault(event_fault(dice, chaos)))));
        }
    }
    if dice.u8(..3) == 0 {
        all.push(Mischief::Aws(Box::new(Entry::Outage(outage(dice, chaos)))));
    }
    if dice.bool() {
        for _ in 0..dice.usize(1..=6) {
            all.push(crash(dice, chaos, workers));
        }
    }
    if dice.u8(..3) == 0 {
        for _ in 0..dice.usize(1..=4) {
            all.push(Mischief::Sessions { at: moment(dice, chaos), revoked: dice.bool() });
        }
    }
    if dice.u8(..4) == 0 {
        let which = [WhichKey::Staging, WhichKey::Workload, WhichKey::Vault][dice.usize(..3)];
        let at = moment(dice, chaos);
        all.push(Mischief::Key { which, at, lasts: (chaos - at).mul_f64(dice.f64()) });
    }
    if dice.u8(..4) == 0 {
        let (_, who) = workers[dice.usize(..workers.len())];
        all.push(Mischief::Clock { who, ahead: dice.i64(-840..=840) });
    }
    let role = |dice: &mut fastrand::Rng| [Role::Source, Role::Target][dice.usize(..2)];
    if dice.u8(..4) == 0 {
        all.push(Mischief::Redelivery { role: role(dice), at: moment(dice, chaos) });
    }
    if dice.u8(..6) == 0 {
        let count = dice.usize(1..=200);
        all.push(Mischief::Garbage { role: role(dice), at: moment(dice, chaos), count });
    }
    all
}

fn moment(dice: &mut fastrand::Rng, chaos: Duration) -> Duration {
    chaos.mul_f64(dice.f64())
}

/// The whole time of chaos, or a part of it.
/// A part of the chaos, or all of it.
pub fn window(dice: &mut fastrand::Rng, chaos: Duration) -> (Duration, Duration) {
    if dice.bool() {
        return (Duration::ZERO, chaos);
    }
    let begin = moment(dice, chaos);
    (begin, begin + (chaos - begin).mul_f64(dice.f64()) + Duration::from_secs(1))
}

fn call_fault(dice: &mut fastrand::Rng, chaos: Duration) -> Rule {
    const EARLY: [&str; 2] = ["CompleteMultipartUpload", "UploadPartCopy"];
    let span = Duration::from_secs(dice.u64(1..=90));
    let effect = match dice.u8(..18) {
        0 => Effect::ConnectionRefused,
        1 => Effect::ConnectionReset,
        2 => Effect::Timeout,
        3 => Effect::Throttle,
        4 => Effect::InternalError,
        5 => Effect::Unavailable,
        6 => Effect::ExpiredToken,
        7 => Effect::AccessDenied,
        8..=10 => Effect::ResponseLost,
        11 => Effect::ResponseTimeout,
        12 => Effect::DelayRequest(span),
        13 => Effect::DelayResponse(span),
        14 => Effect::Truncate(dice.u64(..200)),
        15 => Effect::EmptyBody,
        16 => Effect::ErrorIn200,
        _ => match dice.u8(..3) {
            0 => Effect::Refuse(Refusal {
                status: 409,
                code: "OperationAborted".to_owned(),
                message: "A conflicting conditional operation is currently in progress".to_owned(),
            }),
            1 => Effect::KeepAlive(KeepAlive { span, then: Outcome::Answer }),
            _ => Effect::KeepAlive(KeepAlive { span, then: Outcome::Error }),
        },
    };
    let early = effect.needs_early_answer();
    let s3_only = matches!(effect, Effect::EmptyBody | Effect::Refuse(_));
    let mut rule = Rule::new(effect);
    rule = match dice.u8(..6) {
        _ if early => rule.on(Service::S3, EARLY[dice.usize(..2)]),
        0..=1 if s3_only => rule.of(Service::S3),
        _ if s3_only => {
            let writes = ["PutObject", "CreateMultipartUpload", "UploadPartCopy"];
            let completes = ["CompleteMultipartUpload", "AbortMultipartUpload"];
            let all = [writes.as_slice(), completes.as_slice()].concat();
            rule.on(Service::S3, all[dice.usize(..all.len())])
        }
        0 => rule,
        1 => rule.of(SERVICES[dice.usize(..SERVICES.len())]),
        _ => {
            let (service, operation) = OPERATIONS[dice.usize(..OPERATIONS.len())];
            rule.on(service, operation)
        }
    };
    let chance = [0.02, 0.1, 0.3, 0.7][dice.usize(..4)];
    let (begin, end) = window(dice, chaos);
    let when = match dice.u8(..4) {
        0 => When::ordinals(1..=dice.u64(1..=6)),
        _ => When::probability(chance),
    };
    rule.when(when.between(begin, end))
}

fn event_fault(dice: &mut fastrand::Rng, chaos: Duration) -> EventRule {
    let later = Duration::from_secs(dice.u64(1..=3_600));
    let effect = match dice.u8(..5) {
        0..=1 => EventEffect::Lose,
        2 => EventEffect::Duplicate(dice.u32(1..=9)),
        3 => EventEffect::Delay(later),
        _ => EventEffect::Reorder(later),
    };
    let chance = [0.1, 0.5, 1.0][dice.usize(..3)];
    let (begin, end) = window(dice, chaos);
    EventRule::new(effect).when(When::probability(chance).between(begin, end))
}

fn outage(dice: &mut fastrand::Rng, chaos: Duration) -> Outage {
    let region = [SOURCE_REGION, VAULT_REGION][dice.usize(..2)].parse().unwrap();
    let (begin, end) = window(dice, chaos);
    let outage = match dice.bool() {
        true => Outage::of_region(region),
        false => Outage::of_service(SERVICES[dice.usize(..SERVICES.len())], region),
    };
    let how = if dice.bool() { How::Timeout } else { How::Unavailable };
    Outage { how, ..outage }.between(begin, end)
}

fn crash(dice: &mut fastrand::Rng, chaos: Duration, workers: &[(Role, &'static str)]) -> Mischief {
    let (_, who) = workers[dice.usize(..workers.len())];
    let modes = [Mishap::DiesBefore, Mishap::DiesAfter, Mishap::DiesAnswered];
    let when = match dice.bool() {
        true => Fall::At(moment(dice, chaos)),
        false => Fall::Call(dice.usize(..150), modes[dice.usize(..3)]),
    };
    Mischief::Crash { who, when, away: Duration::from_secs(dice.u64(1..=600)) }
}
