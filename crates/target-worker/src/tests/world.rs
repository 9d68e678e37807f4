//! A target role over hand-written ports, with what a case usually states.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use amiferry_core::decide::vault::Effect;
use amiferry_core::decide::{Decision, Pace};
use amiferry_core::fault::Fault;
use amiferry_core::fleet::{Fleet, Place};
use amiferry_core::model::{Image, RetentionMode};
use amiferry_core::names::RecoveryPointId;
use amiferry_core::pacing::{CallBudget, CallRate};
use amiferry_core::plan::Budget;
use amiferry_core::ports::{Clock, Listing};
use amiferry_core::span::Span;
use amiferry_service::config::{Config, Source};
use amiferry_service::reconcile::{Answers, Found, Role};

use super::facts::*;
use super::ports::{Calls, Ports, TestClock};
use crate::assemble;
use crate::claims::Claims;
use crate::copies::Copies;
use crate::copy::Copier;
use crate::default_lock::DefaultLock;
use crate::observe::{Observer, SourceView, VaultView};
use crate::role::TargetRole;
use crate::share::Share;

/// Two sources; `daily` has images restored, `weekly` does not, and what has no tag `backup` is
/// nobody's.
const CONFIG: &str = r#"
[[source]]
account = "111111111111"
region = "us-east-1"
queue_url = "https://sqs.us-east-1.amazonaws.com/111111111111/q"
staging_bucket = "staging-one"
read_role_arn = "arn:aws:iam::111111111111:role/read"

[[source]]
account = "333333333333"
region = "us-east-1"
queue_url = "https://sqs.us-east-1.amazonaws.com/333333333333/q"
staging_bucket = "staging-two"
read_role_arn = "arn:aws:iam::333333333333:role/read"

[[vault]]
account = "222222222222"
region = "us-west-2"
queue_url = "https://sqs.us-west-2.amazonaws.com/222222222222/q"
bucket = "vault"
key_arn = "arn:aws:kms:us-west-2:222222222222:key/11111111-2222-3333-4444-555555555555"

[[policy]]
name = "daily"
select = { tags = { backup = "daily" } }
family = { tag = "app" }
target_regions = ["us-west-2"]
rpo = "24h"
tier = "ready"
retention = "35d"

[[policy]]
name = "weekly"
select = { tags = { backup = "weekly" } }
family = { tag = "app" }
target_regions = ["us-west-2"]
rpo = "8d"
tier = "archive"
retention = "35d"
"#;

/// The restore quota in GB.
pub(super) const QUOTA: u64 = 600;

/// What a look asks about the vault itself, when it has not for a minute.
pub(super) const VAULT_FACTS: [&str; 3] =
    ["vault encryption", "vault examine bucket", "vault examine ebs"];

/// A role with the ports that it asks.
pub(super) struct World {
    calls: Calls,
    pub(super) source: Arc<Ports>,
    pub(super) other: Arc<Ports>,
    pub(super) vault: Arc<Ports>,
    pub(super) clock: Arc<TestClock>,
    pub(super) role: TargetRole,
}

impl World {
    /// A vault whose keys are in order, of which nothing else is stated.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with something else in the observer.
    pub(super) fn with(change: impl FnOnce(&mut Observer)) -> Self {
        let config = Config::parse(CONFIG, "test", &BTreeMap::new()).unwrap();
        let calls = Calls::default();
        let [source, other, vault] =
            ["source", "other", "vault"].map(|side| Ports::of(side, &calls));
        let clock = TestClock::at(noon());
        let mut observer = Observer {
            sources: vec![
                source_view(&config.sources[0], &source),
                source_view(&config.sources[1], &other),
            ],
            vault: vault_view(&config, &vault),
            policies: config.policies.clone(),
            pace: Pace { poll: Span::from_secs(60), park: Span::from_secs(600) },
            capacity: assemble::capacity(&config, &config.vaults[0]),
            prices: Arc::new(config.prices.clone()),
            floor: config.prune.floor,
        };
        change(&mut observer);
        let copier = Copier {
            objects: Arc::clone(&vault) as _,
            lock: DefaultLock::new(
                Arc::clone(&vault) as _,
                observer.vault.account.clone(),
                observer.vault.bucket.clone(),
            ),
            uploads: Arc::clone(&vault) as _,
            parts: Arc::clone(&vault) as _,
            account: observer.vault.account.clone(),
            region: observer.vault.region.clone(),
            bucket: observer.vault.bucket.clone(),
            key: observer.vault.key.to_string(),
            // One after another, so that calls have an order.
            parts_in_flight: 1,
            part_size: None,
            poll: std::time::Duration::from_secs(60),
            claims: Claims::default(),
            copies: Copies::default(),
            clock: Arc::clone(&clock) as _,
        };
        let calls_left = CallBudget::full(CallRate::default(), noon());
        let clock_port = Arc::clone(&clock) as _;
        let role = TargetRole::new(observer, copier, QUOTA, calls_left, clock_port);
        for (name, arn) in [("bucket", BUCKET_KEY), ("ebs", EBS_KEY), ("staging", STAGING_KEY)] {
            vault.examine.about(name, Ok(key(arn, true)));
        }
        vault.default_encryption.is(Ok(Some(EBS_KEY.parse().unwrap())));
        Self { calls, source, other, vault, clock, role }
    }

    /// The source shows these images, and nothing is staged or in the vault.
    pub(super) fn of(images: Vec<Image>) -> Self {
        let world = Self::new();
        world.shows(images);
        world
    }

    pub(super) fn shows(&self, images: Vec<Image>) {
        self.source.describe.is(Ok(images.into()));
        self.source.head.is(Ok(None));
        self.vault.head.is(Ok(None));
        self.vault.read.is(Ok(None));
    }

    /// A look at the recovery points of these images of the first source.
    pub(super) async fn answers(
        &self,
        numbers: &[u32],
    ) -> Result<Answers<RecoveryPointId, Effect>, Fault> {
        let ids: Vec<RecoveryPointId> = numbers.iter().copied().map(point).collect();
        self.role.look(&ids).await
    }

    /// The decisions of a look in words, in the order of the question, and the numbers of those
    /// whose turn it found to have come.
    pub(super) async fn look(&self, numbers: &[u32]) -> (String, Vec<RecoveryPointId>) {
        let Answers { decisions, due } = self.answers(numbers).await.unwrap();
        assert_eq!(decisions.len(), numbers.len(), "one answer each");
        let decisions: BTreeMap<_, _> = decisions.into_iter().collect();
        let words = numbers.iter().map(|number| in_words(&decisions[&point(*number)]));
        (words.collect::<Vec<_>>().join(", "), due)
    }

    /// Takes the step that a look at an image decides.
    pub(super) async fn step(&self, number: u32) -> Result<(), Fault> {
        let effect = self.effect(number).await;
        self.role.perform(&point(number), effect).await
    }

    /// The step that a look at an image decides.
    pub(super) async fn effect(&self, number: u32) -> Effect {
        let answers = self.answers(&[number]).await.unwrap();
        match answers.decisions.into_iter().next() {
            Some((_, Ok(Decision::Act(effect)))) => effect,
            other => panic!("nothing to perform: {other:?}"),
        }
    }

    /// How the fleet shows an image: its state and code, why it is left out, or that it is not
    /// assessed; nothing where it is not in scope.
    pub(super) fn standing(&self, number: u32) -> String {
        let fleet = self.role.fleet();
        let Some(row) = fleet.row(&point(number)) else { return "-".to_owned() };
        if row.unobserved().is_some() {
            return "not assessed".to_owned();
        }
        match (row.point(), row.left_out()) {
            (Some(shown), _) => format!("{} {}", shown.state.as_str(), shown.code),
            (None, Some(left_out)) => format!("left out {}", left_out.code),
            (None, None) => "unseen".to_owned(),
        }
    }

    /// A whole walk that meets these images of the first source, and something of those in the vault.
    pub(super) fn walked(&self, in_source: &[u32], in_vault: &[u32]) {
        let mut fleet = self.role.fleet();
        let places: Vec<Place> = fleet.places().map(|(place, _)| place.clone()).collect();
        for place in places {
            fleet.walk_began(&place, self.clock.now());
            let met = match &place {
                Place::Vault => in_vault,
                Place::Source(id) if *id == point(0).source() => in_source,
                Place::Source(_) => &[],
            };
            for number in met {
                fleet.met(&place, &point(*number));
            }
            fleet.walked(&place);
        }
    }

    /// The last of [`Self::calls`].
    pub(super) fn last_call(&self) -> String {
        self.calls().pop().unwrap_or_default()
    }

    /// The calls since this was last asked, in their order.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

fn source_view(source: &Source, ports: &Arc<Ports>) -> SourceView {
    SourceView {
        scope: assemble::scope(source),
        share: Share { weight: 1, budget: Budget { images: 1_000, gb: 100_000 } },
        images: Arc::clone(ports) as _,
        details: Arc::clone(ports) as _,
        store_tasks: Arc::clone(ports) as _,
        objects: Arc::clone(ports) as _,
    }
}

fn vault_view(config: &Config, ports: &Arc<Ports>) -> VaultView {
    let vault = &config.vaults[0];
    VaultView {
        account: vault.account.clone(),
        region: vault.region.clone(),
        bucket: vault.bucket.clone(),
        prefix: vault.prefix.clone(),
        key: BUCKET_KEY.parse().unwrap(),
        lock_mode: RetentionMode::Compliance,
        images: Arc::clone(ports) as _,
        details: Arc::clone(ports) as _,
        restore_tasks: Arc::clone(ports) as _,
        protection: Arc::clone(ports) as _,
        objects: Arc::clone(ports) as _,
        versions: Arc::clone(ports) as _,
        uploads: Arc::clone(ports) as _,
        parts: Arc::clone(ports) as _,
        keys: Arc::clone(ports) as _,
    }
}

/// A decision or fault in few words: `act restore`, `wait settling`, `fault denied`.
pub(super) fn in_words(decision: &Result<Decision<Effect>, Fault>) -> String {
    match decision {
        Ok(Decision::Act(effect)) => format!("act {}", name_of(effect)),
        Ok(Decision::Wait { code, .. }) => format!("wait {code}"),
        Ok(Decision::Park { code, .. }) => format!("park {code}"),
        Ok(Decision::Ineligible { code, .. }) => format!("ineligible {code}"),
        Ok(Decision::Done(code)) => format!("done {code}"),
        Err(fault) => format!("fault {}", fault.class),
    }
}

fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Copy(_) => "copy",
        Effect::Lock(..) => "lock",
        Effect::Restore(order) if order.name.split('/').count() > 4 => "restore again",
        Effect::Restore(_) => "restore",
        Effect::Protect(_) => "protect",
        Effect::DemandImdsV2(_) => "demand",
        Effect::Record(_) => "record",
        Effect::RecordAgain(_) => "record again",
    }
}

/// A sweep into a sink, with what it reported.
pub(super) async fn walk(
    world: &World,
    fleet: &Mutex<Fleet>,
) -> (Vec<(Place, Fault)>, Vec<RecoveryPointId>) {
    let (found, mut ids) = Found::channel(100);
    let observer = &world.role.observer;
    let walking = async move {
        let odd = Some(&world.role.unreadable);
        crate::walk::walk(observer, fleet, world.clock.as_ref(), &found, odd).await
    };
    let collecting = async {
        let mut all = Vec::new();
        while let Some(id) = ids.recv().await {
            all.push(id);
        }
        all
    };
    tokio::join!(walking, collecting)
}

/// One whole page.
pub(super) fn page<T>(
    items: impl IntoIterator<Item = T>,
) -> Result<(Listing<T>, Option<String>), Fault> {
    Ok((items.into_iter().collect::<Vec<T>>().into(), None))
}
