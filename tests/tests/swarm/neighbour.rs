//! Another source of the same vault, which is no good and never becomes any better: it may delay no
//! image of the other, and what is not known of it is said.

use std::collections::BTreeMap;

use amiferry_audit::inventory::{RecoveryPoint, State as AuditState};
use amiferry_audit::report::Verdict;
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_simulator::faults::{Edit, Effect, Entry, FaultPlan, How, Outage, Rule};
use amiferry_simulator::landscape::{self, Landscape};
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::{ec2, s3};

use crate::mischief::Mischief;
use crate::stage::events::object_created;
use crate::stage::truth::Wrong;
use crate::stage::{Role, Stage, inventory, spec};

const ACCOUNT: &str = "333333333333";
const REGION: &str = "eu-central-1";

/// What is wrong with the neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Nothing in its Region answers.
    Silent,
    /// Everything in its Region answers that it is unavailable.
    Unavailable,
    /// The vault may not assume its role.
    Refusing,
    /// EC2 answers with a body that is no XML.
    Garbage,
    /// EC2 answers with an empty body.
    Empty,
    /// EC2 lists images that lack what an image has.
    Odd {
        /// How many.
        images: usize,
    },
    /// The vault may not read what is staged.
    Withheld {
        /// Of so many images.
        images: usize,
    },
    /// Messages name staged objects of images that do not exist.
    MadeUp {
        /// How many.
        messages: usize,
    },
}

/// In some runs there is one.
pub fn draw(dice: &mut fastrand::Rng) -> Option<Neighbour> {
    (dice.u8(..3) == 0).then(|| match dice.u8(..8) {
        0 => Neighbour::Silent,
        1 => Neighbour::Unavailable,
        2 => Neighbour::Refusing,
        3 => Neighbour::Garbage,
        4 => Neighbour::Empty,
        5 => Neighbour::Odd { images: dice.usize(1..=40) },
        6 => Neighbour::Withheld { images: dice.usize(1..=40) },
        _ => Neighbour::MadeUp { messages: dice.usize(1..=200) },
    })
}

impl Neighbour {
    /// The name under which it is counted.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Silent => "source-silent",
            Self::Unavailable => "source-unavailable",
            Self::Refusing => "source-refusing",
            Self::Garbage => "source-garbage",
            Self::Empty => "source-empty-answers",
            Self::Odd { .. } => "source-odd-images",
            Self::Withheld { .. } => "source-withholds",
            Self::MadeUp { .. } => "source-makes-up",
        }
    }

    /// What AWS does in its Region, to the end.
    pub fn faults(self) -> FaultPlan {
        let region = || REGION.parse::<Region>().unwrap();
        let edit = |xml: &str| Effect::Edit(Edit::adding(xml));
        let effect = match self {
            Self::Silent | Self::Unavailable => {
                let how = if self == Self::Silent { How::Timeout } else { How::Unavailable };
                let outage = Outage { how, ..Outage::of_region(region()) };
                return FaultPlan::new().with(Entry::Outage(outage));
            }
            Self::Garbage => edit("<item></items><<"),
            Self::Empty => Effect::EmptyBody,
            Self::Odd { images } => {
                let item = |n: usize| format!("<item><imageId>{}</imageId></item>", made_up(n));
                edit(&(0..images).map(item).collect::<String>())
            }
            Self::Refusing | Self::Withheld { .. } | Self::MadeUp { .. } => {
                return FaultPlan::new();
            }
        };
        FaultPlan::new().fault(Rule::new(effect).of(Service::Ec2).in_region(region()))
    }

    /// Whether the vault can learn all that it has.
    fn is_open(self) -> bool {
        matches!(self, Self::MadeUp { .. })
    }

    /// Puts it into the world and into the configuration of workers that are started later.
    pub fn move_in(self, stage: &mut Stage) {
        let (account, region): (AccountId, Region) =
            (ACCOUNT.parse().unwrap(), REGION.parse().unwrap());
        let trusts = self != Self::Refusing;
        let landscape::Neighbour { account, region, bucket, read_role } =
            Landscape::neighbour(&stage.world, account, region, trusts).unwrap();
        let queue = format!("https://sqs.{region}.amazonaws.com/{account}/amiferry-source");
        let mut source = stage.config.sources[0].clone();
        (source.account, source.region) = (account.clone(), region.clone());
        (source.staging_bucket, source.read_role_arn) = (bucket.parse().unwrap(), read_role);
        source.queue_url = queue.parse().unwrap();
        stage.config.sources.push(source);
        let now = stage.world.now();
        if let Self::Withheld { images } = self {
            stage.world.lock().s3.bucket_mut(&bucket).unwrap().policy = None;
            for n in 0..images {
                let image = spec("web", &format!("web-of-the-neighbour-{n}"), &[8]);
                let mut state = stage.world.lock();
                let id = ec2::add_image(&mut state, now, &account, &region, image.clone());
                let staged = s3::NewObject {
                    content: s3::content::Content::synthetic(n as u64, 1 << 30),
                    metadata: BTreeMap::new(),
                    tags: BTreeMap::new(),
                };
                let key = key(&id);
                s3::put_by_service(&mut state, now, &bucket, &key, staged).unwrap();
                drop(state);
                let message = object_created((&account, &region), &bucket, &key);
                stage.send(Role::Target, message);
            }
        }
        if let Self::MadeUp { messages } = self {
            for n in 0..messages {
                let message = object_created((&account, &region), &bucket, &key(&made_up(n)));
                stage.send(Role::Target, message);
            }
        }
    }

    /// What the audit says of it must be true, and is no promise kept.
    async fn is_shown(self, stage: &Stage) -> Vec<Wrong> {
        let wrong = |what: String| vec![Wrong { invariant: "I-15", what }];
        let report = match inventory::partial_report(stage).await {
            Ok(report) => report,
            Err(fault) => return wrong(format!("no audit can be made: {fault:?}")),
        };
        let named = report.not_assessed.iter().any(|one| one.source_account.as_str() == ACCOUNT);
        if named == self.is_open() {
            return wrong(format!("{self:?}: not assessed are {:?}", report.not_assessed));
        }
        if !self.is_open() && report.verdict() == Verdict::Kept {
            return wrong(format!("{self:?}: every promise is said to be kept"));
        }
        let of_it = |point: &&RecoveryPoint| point.source_account.as_str() == ACCOUNT;
        let mut points = report.recovery_points.iter().filter(of_it);
        let complete = points.find(|point| point.state == AuditState::Complete);
        complete.map_or_else(Vec::new, |point| wrong(format!("{self:?}: complete is {point:?}")))
    }
}

/// What the audit says of the neighbour, if a plan has one.
pub async fn is_shown(stage: &Stage, mischief: &[Mischief]) -> Vec<Wrong> {
    for one in mischief {
        if let Mischief::Neighbour(neighbour) = one {
            return neighbour.is_shown(stage).await;
        }
    }
    Vec::new()
}

/// The id of an image that no account has.
fn made_up(n: usize) -> ImageId {
    format!("ami-{n:017x}").parse().unwrap()
}

/// Where EC2 stages an image of the neighbour's.
fn key(id: &ImageId) -> String {
    format!("{REGION}/{id}.bin")
}
