//! A stage: one world with its landscape, the workers in it, and what a play may do.

pub mod bus;
pub mod events;
pub mod fate;
pub mod images;
pub mod inventory;
pub mod manners;
mod queues;
mod record;
mod roles;
mod running;
pub mod secrets;
pub mod staged;
mod stop;
pub mod story;
pub mod truth;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiferry_audit::report::Report;
use amiferry_aws::{InProcess, Session, SharedHttpClient};
use amiferry_core::code::Code;
use amiferry_core::ids::{AccountId, ImageId, Region};
use amiferry_core::policy::Tier;
use amiferry_core::ports::Clock;
use amiferry_service::answerer::Answerer;
use amiferry_service::clock::TokioClock;
use amiferry_service::config::Config;
use amiferry_service::metrics::{Exporter, Worker};
use amiferry_service::page::Page as _;
use amiferry_service::preflight::Unmet;
use amiferry_service::stop::Stopper;
use amiferry_service::telemetry::{self, LogFormat};
use amiferry_simulator::landscape::{Landscape, Pace, Roles, STAGING_BUCKET};
use amiferry_simulator::{Settings, SimClock, World, ec2};
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use jiff::Timestamp;
use tracing::Instrument as _;
use tracing_subscriber::fmt::TestWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

pub use images::spec;
use running::Running;
use secrets::Log;
pub use wire::{Fault, Mishap, Wire};

/// What a play can set before it begins.
pub struct Options {
    /// The seed of the world, of the workers' jitter and of the SDK's.
    pub seed: u64,
    /// The rates and switches of the simulated AWS; AWS's own by default.
    pub settings: Settings,
    /// Changes to the workers' configuration, which is as in production by default.
    pub configure: fn(&mut Config),
    /// Whether what the workers log is shown with a test that fails.
    pub logged: bool,
    /// Whether all that they log themselves, up to `debug`, is kept and searched for secrets in the end.
    pub kept: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            settings: Settings::default(),
            configure: |_| {},
            logged: true,
            kept: false,
        }
    }
}

impl Options {
    /// The default with another seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The default in an AWS with other switches.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut options = Self::default();
        change(&mut options.settings);
        options
    }
}

/// What is kept of the log: amiferry's own lines. The SDK's spans of `debug` draw an id each, and they
/// would draw it in the plays of other threads too: those would not be the same run any more.
const KEPT: &str = "info,amiferry_core=debug,amiferry_aws=debug,amiferry_service=debug,\
                    amiferry_source_worker=debug,amiferry_target_worker=debug";

/// When every play begins.
fn epoch() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// Plays a test on a stage of its own, in paused time.
///
/// The metrics that the workers record and the lines that they log stay in this test.
pub fn run_test<T>(options: Options, play: impl AsyncFnOnce(&mut Stage) -> T) -> T {
    let (recorder, exporter) = Exporter::build().unwrap();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let log = Log::default();
    fastrand::seed(options.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let lines = if options.kept {
            let log = log.clone();
            Some((LogFormat::Json, KEPT, BoxMakeWriter::new(move || log.clone())))
        } else if options.logged {
            Some((LogFormat::Human, "info", BoxMakeWriter::new(TestWriter::new())))
        } else {
            None
        };
        let _log = lines.map(|(format, filter, writer)| {
            let clock = Arc::new(TokioClock::starting_at(epoch()));
            let log = telemetry::scoped(format, filter, false, writer, clock).unwrap();
            tracing::dispatcher::set_default(&log)
        });
        let mut stage = Stage::build(options, exporter, log);
        let result = play(&mut stage).await;
        stage.kill_all();
        result
    })
}

/// Which worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The source worker.
    Source,
    /// The target worker.
    Target,
}

impl Role {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// One world, and everything in it.
pub struct Stage {
    /// The simulated AWS.
    pub world: World,
    /// What was set up in it.
    pub landscape: Landscape,
    /// The workers' configuration; changes hold for workers that are started later.
    pub config: Config,
    /// Every call of the workers.
    pub wire: Wire,
    clock: Arc<dyn Clock>,
    exporter: Exporter,
    log: Log,
    workers: Vec<Running>,
    started: u64,
    seed: u64,
    /// The images that must become complete, and at which tier.
    expected: BTreeMap<ImageId, Tier>,
    /// The images that their owner changed or took away.
    fates: BTreeMap<ImageId, fate::Fate>,
    /// The images whose notes in the staging bucket are not the source worker's.
    forged_notes: BTreeSet<ImageId>,
    dead_letters_allowed: Vec<Role>,
    /// The roles that the workers run with; their accounts' roots if there are none.
    roles: Option<Roles>,
}

impl Stage {
    fn build(options: Options, exporter: Exporter, log: Log) -> Self {
        let epoch = epoch();
        let settings = Settings { seed: options.seed, ..options.settings };
        let world = World::new(SimClock::starting_at(epoch, 1), settings);
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(epoch));
        let landscape = Landscape::build(&world).unwrap();
        let text = landscape.config(None, Pace::Real);
        let mut config = Config::parse(&text, "the stage", &BTreeMap::new()).unwrap();
        // A copy of 8 GiB in 52 parts shows nothing that one in 7 does not.
        config.workers.part_size_mib = 512.try_into().ok();
        (options.configure)(&mut config);
        Self {
            world,
            landscape,
            config,
            wire: Wire::default(),
            clock,
            exporter,
            log,
            workers: Vec::new(),
            started: 0,
            seed: options.seed,
            expected: BTreeMap::new(),
            fates: BTreeMap::new(),
            forged_notes: BTreeSet::new(),
            dead_letters_allowed: Vec::new(),
            roles: None,
        }
    }

    /// A session of an account's root, whose calls are written down as those of `who`.
    pub fn session(&self, account: &AccountId, region: &Region, who: &'static str) -> Session {
        self.session_by(account, region, who, Arc::clone(&self.clock))
    }

    /// The same by the clock of another machine.
    fn session_by(
        &self,
        account: &AccountId,
        region: &Region,
        who: &'static str,
        clock: Arc<dyn Clock>,
    ) -> Session {
        Session::in_process(InProcess {
            http: SharedHttpClient::new(self.wire.client(&self.world, who)),
            region: region.clone(),
            access_key: account.to_string(),
            secret: secrets::SECRET_KEY.to_owned(),
            clock,
        })
    }

    /// The clock that is right.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The start check of the target worker, which must pass.
    pub async fn check_target(&self) {
        self.start_check(Role::Target).await.unwrap();
    }

    /// The start check of a worker, whose lines are told to be its own.
    pub async fn start_check(&self, role: Role) -> Result<(), Unmet> {
        let worker = if role == Role::Source { Worker::Source } else { Worker::Target };
        self.unmet(role).instrument(telemetry::of_worker(worker)).await
    }

    async fn unmet(&self, role: Role) -> Result<(), Unmet> {
        if role == Role::Source {
            let source = &self.config.sources[0];
            let session = self.session(&source.account, &source.region, "source");
            let session = self.in_role(session, |roles| &roles.source_worker);
            return source_worker::preflight::check(source, &session).await.map(drop);
        }
        let vault = &self.config.vaults[0];
        let session = self.session(&vault.account, &vault.region, "target");
        let session = self.in_role(session, |roles| &roles.vault_worker);
        let observer = target_worker::assemble::observer(&self.config, vault, &session);
        let policies = &self.config.policies;
        target_worker::preflight::check(vault, policies, &session, &observer).await.map(drop)
    }

    /// Starts one more worker.
    pub fn start(&mut self, role: Role) {
        self.start_as(role, role.as_str(), Arc::clone(&self.clock));
    }

    /// Starts one more worker, with a name of its own on the wire and the clock of its machine.
    pub fn start_as(&mut self, role: Role, who: &'static str, clock: Arc<dyn Clock>) {
        self.started += 1;
        self.wire.revive(who);
        let seed = self.seed.wrapping_mul(1_000).wrapping_add(self.started);
        let stopper = Stopper::new();
        let stop = stopper.clone();
        let (task, snapshots, answerer, page, notifier): (_, _, Arc<dyn Answerer>, _, _) =
            match role {
                Role::Source => {
                    let source = &self.config.sources[0];
                    let (account, region) = (&source.account, &source.region);
                    let session = self.session_by(account, region, who, Arc::clone(&clock));
                    let session = self.in_role(session, |roles| &roles.source_worker);
                    let (worker, status) = source_worker::assemble::worker(
                        &self.config,
                        source,
                        &session,
                        clock,
                        seed,
                    );
                    let snapshots = worker.snapshots();
                    let task = tokio::spawn(async move { worker.run(stop).await });
                    (task, snapshots, Arc::new(status) as _, None, None)
                }
                Role::Target => {
                    let vault = &self.config.vaults[0];
                    let (account, region) = (&vault.account, &vault.region);
                    let session = self.session_by(account, region, who, Arc::clone(&clock));
                    let session = self.in_role(session, |roles| &roles.vault_worker);
                    let (worker, page) =
                        target_worker::assemble::worker(&self.config, vault, &session, clock, seed);
                    let snapshots = worker.snapshots();
                    let page = Arc::new(page);
                    let notifier = target_worker::assemble::notifier(vault, &session, &page);
                    let notifier = notifier.map(|notifier| {
                        tokio::spawn(
                            notifier.run().instrument(telemetry::of_worker(Worker::Target)),
                        )
                    });
                    let task = tokio::spawn(async move { worker.run(stop).await });
                    let answerer = Arc::clone(&page) as _;
                    (task, snapshots, answerer, Some(page), notifier)
                }
            };
        self.workers.push(Running {
            role,
            who,
            task,
            stopper,
            snapshots,
            answerer,
            page,
            notifier,
        });
    }

    /// Starts one worker of each role.
    pub fn start_both(&mut self) {
        self.start(Role::Source);
        self.start(Role::Target);
    }

    /// Ends every worker of a role as SIGKILL would: nothing of it runs on.
    pub fn kill(&mut self, role: Role) {
        for worker in self.workers.extract_if(.., |worker| worker.role == role) {
            worker.abort();
        }
    }

    /// Ends the worker of this name as SIGKILL would.
    pub fn kill_named(&mut self, who: &str) {
        for worker in self.workers.extract_if(.., |worker| worker.who == who) {
            worker.abort();
        }
    }

    /// The workers that ended by themselves, by their names on the wire.
    pub fn ended(&self) -> Vec<&'static str> {
        let ended = self.workers.iter().filter(|worker| worker.task.is_finished());
        ended.map(|worker| worker.who).collect()
    }

    /// Ends every worker as SIGKILL would.
    pub fn kill_all(&mut self) {
        self.kill(Role::Source);
        self.kill(Role::Target);
    }

    /// Puts an image into the source account. It must become complete if a policy selects it.
    pub fn image(&mut self, spec: ec2::ImageSpec) -> ImageId {
        let tier = images::tier(&spec);
        let id = self.bystander(spec);
        if let Some(tier) = tier {
            self.expected.insert(id.clone(), tier);
        }
        id
    }

    /// Puts an image into the source account of which nothing may ever be stored.
    pub fn bystander(&mut self, spec: ec2::ImageSpec) -> ImageId {
        let now = self.world.now();
        let (account, region) = &self.landscape.source;
        ec2::add_image(&mut self.world.lock(), now, account, region, spec)
    }

    /// The images that must become complete, and at which tier.
    pub fn expected(&self) -> &BTreeMap<ImageId, Tier> {
        &self.expected
    }

    /// From now on an image need not become complete.
    pub fn forget(&mut self, image: &ImageId) {
        self.expected.remove(image);
    }

    /// Lets time pass.
    pub async fn pass(&self, span: Duration) {
        self.world.clock().sleep(span).await;
    }

    /// Lets time pass until something is so, at most `patience`.
    pub async fn until(&self, what: &str, patience: Duration, mut so: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + patience;
        while !so(self) {
            self.fail_on_dead_worker();
            if tokio::time::Instant::now() >= deadline {
                let states: Vec<_> =
                    self.workers.iter().map(|w| w.snapshots.borrow().clone()).collect();
                panic!("not within {patience:?}: {what}\n{states:#?}");
            }
            self.pass(Duration::from_secs(5)).await;
        }
    }

    /// Lets time pass until every expected image is complete, then until both queues are empty
    /// and all is at rest, and holds the world to it.
    pub async fn complete_within(&self, patience: Duration) {
        self.until("every image is recorded", patience, |stage| {
            stage.expected.keys().all(|id| truth::is_recorded(stage, id))
        })
        .await;
        self.until("the queues are empty", minutes(5), truth::queues_are_empty).await;
        let wrongs = truth::check(self).await;
        let lines: Vec<String> = wrongs.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "the world is not as it must be:\n  {}", lines.join("\n  "));
    }

    /// Why keys of a role are parked, and how many.
    pub fn parked(&self, role: Role) -> BTreeMap<Code, usize> {
        let mut parked = BTreeMap::new();
        for worker in self.workers.iter().filter(|worker| worker.role == role) {
            for (code, count) in &worker.snapshots.borrow().parked {
                *parked.entry(*code).or_default() += count;
            }
        }
        parked
    }

    /// Lets time pass until an image lies in the staging bucket.
    pub async fn until_staged(&self, id: &ImageId) {
        let key = truth::staged_key(self, id);
        self.until("the image is staged", hours(1), |stage| {
            stage.world.lock().s3.bucket(STAGING_BUCKET).is_some_and(|bucket| bucket.has(&key))
        })
        .await;
    }

    /// Lets time pass until a key of a role is parked for a reason.
    pub async fn until_parked(&self, role: Role, code: Code, patience: Duration) {
        let what = format!("{role:?} parked with {code}");
        self.until(&what, patience, |stage| stage.parked(role).contains_key(&code)).await;
    }

    /// What `amiferry audit` would say now.
    pub async fn report(&self) -> Report {
        inventory::report(self).await.unwrap()
    }

    /// What the first target worker shows now, without a call: its report, and its page as HTML.
    pub fn shown(&self) -> Option<(Report, String)> {
        let page = self.workers.iter().find_map(|worker| worker.page.as_ref())?;
        Some((page.report().0, page.render(None).html))
    }

    /// What every target worker shows now, without a call.
    pub fn shown_by_all(&self) -> Vec<Report> {
        let pages = self.workers.iter().filter_map(|worker| worker.page.as_ref());
        pages.map(|page| page.report().0).collect()
    }

    /// The metrics of all workers of this stage in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.exporter.render()
    }

    /// What the workers logged, one JSON object a line, if it is kept.
    pub fn logged(&self) -> String {
        self.log.text()
    }

    fn fail_on_dead_worker(&self) {
        let ended = self.ended();
        assert!(ended.is_empty(), "{ended:?} ended by themselves");
    }
}

/// Minutes of the world's time.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Hours of the world's time.
pub const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}
