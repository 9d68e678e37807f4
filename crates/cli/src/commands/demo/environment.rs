//! The demo's environment: the simulated AWS, both workers in this process, and images that appear
//! over time.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use amiferry_aws::{InProcess, Session, SharedHttpClient};
use amiferry_core::ids::{AccountId, Region};
use amiferry_core::ports::Clock;
use amiferry_service::admin::Shown;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::{Config, Workers};
use amiferry_service::metrics::Exporter;
use amiferry_service::reconcile::{Reconciler, Role};
use amiferry_service::stop::{Ended, Stopper};
use amiferry_simulator::landscape::{self, Landscape, Pace, Planned};
use amiferry_simulator::{World, in_process, serve};
use amiferry_source_worker as source_worker;
use amiferry_target_worker as target_worker;
use amiferry_target_worker::observe::Observer;
use anyhow::{Context, anyhow};
use tokio::task::JoinSet;

use super::doors::{self, Doors};
use super::owners;
use crate::args::Demo;
use crate::commands::sim;
use crate::runtime::Signals;
use crate::terminal::{tell, write_private};

/// Everything that runs during the demo.
pub struct Environment {
    world: World,
    landscape: Landscape,
    config: Config,
    clock: Arc<dyn Clock>,
    stopper: Stopper,
    workers: JoinSet<Ended>,
    fleet_size: usize,
    all_appeared: Arc<AtomicBool>,
    servers: JoinSet<std::io::Result<()>>,
    doors: Doors,
    admin: Vec<Served>,
    page: Option<SocketAddr>,
}

/// An admin server that answers.
struct Served {
    worker: &'static str,
    address: SocketAddr,
    /// The port that it would have if no other process had it.
    usual: u16,
}

impl Environment {
    /// Builds the world, starts both workers, and lets images begin to appear.
    ///
    /// # Errors
    /// A world that cannot be built, or preconditions that are not met in it.
    pub async fn open(demo: &Demo) -> anyhow::Result<Self> {
        let (world, landscape) = sim::world(demo.seed)?;
        let text = landscape.config_of_fleet(None, Pace::Demo, &[]);
        let no_environment = std::collections::BTreeMap::new();
        let config = Config::parse(&text, "the demo's configuration", &no_environment)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let fleet = landscape::fleet(&landscape, world.now());
        let fleet_size = fleet.len();
        let mut environment = Self {
            world,
            landscape,
            config,
            clock,
            stopper: Stopper::new(),
            workers: JoinSet::new(),
            fleet_size,
            all_appeared: Arc::new(AtomicBool::new(false)),
            servers: JoinSet::new(),
            doors: Doors::of(demo),
            admin: Vec::new(),
            page: None,
        };
        let (before, during): (Vec<_>, Vec<_>) =
            fleet.into_iter().partition(|planned| planned.after.is_none());
        for planned in before {
            planned.appear(&environment.world, &environment.landscape);
        }
        environment.start_workers(demo.seed).await?;
        environment.let_appear(during);
        Ok(environment)
    }

    /// How many images the demo has.
    pub fn fleet_size(&self) -> usize {
        self.fleet_size
    }

    /// The clock of workers and audit.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Whether the last image is there.
    pub fn has_all_appeared(&self) -> bool {
        self.all_appeared.load(Ordering::Acquire)
    }

    /// The observer of the vault, for an inventory.
    ///
    /// # Errors
    /// None with the demo's configuration.
    pub fn observers(&self) -> anyhow::Result<Vec<Observer>> {
        let vault = self.config.vault(None)?;
        let session = self.session(&vault.account, &vault.region);
        Ok(vec![target_worker::assemble::observer(&self.config, vault, &session)])
    }

    /// Completes when a worker ends by itself, which none should.
    pub async fn worker_ended(&mut self) -> String {
        match self.workers.join_next().await {
            Some(Ok(ended)) => ended.to_string(),
            Some(Err(error)) => error.to_string(),
            None => "none is running".to_owned(),
        }
    }

    /// Serves the world and both workers, and lets new images appear, until Ctrl-C.
    ///
    /// # Errors
    /// No free port, or a worker that ended early.
    pub async fn keep(&mut self, signals: &mut Signals) -> anyhow::Result<()> {
        let listener = doors::simulated_aws().await?;
        let address = listener.local_addr().context("cannot learn the bound address")?;
        let endpoint = format!("http://{address}");
        let config = self.landscape.config_of_fleet(Some(&endpoint), Pace::Demo, &[]);
        let path = std::env::temp_dir().join(format!("amiferry-demo-{}.toml", address.port()));
        write_private(&path, &config)?;
        self.announce(&endpoint, &path);
        let (world, landscape) = (self.world.clone(), self.landscape.clone());
        let ended = tokio::select! {
            biased;
            () = signals.stopped() => Ok(()),
            ended = self.worker_ended() => Err(anyhow!("a worker ended early: {ended}")),
            () = serve::serve(world.clone(), listener) => Ok(()),
            () = owners::go_on(&world, &landscape) => Ok(()),
        };
        let _ = std::fs::remove_file(&path);
        ended
    }

    fn announce(&self, endpoint: &str, config: &Path) {
        let source = landscape::SOURCE_ACCOUNT;
        let vault = landscape::VAULT_ACCOUNT;
        tell(
            "\nEverything keeps running, and a new image appears now and then. Ctrl-C stops it.\n",
        );
        if let Some(address) = self.page {
            tell(&format!("  status page    http://{address}/  (open it in a browser)"));
        }
        for Served { worker, address, usual } in &self.admin {
            tell(&format!("  {worker} http://{address}/metrics, /livez, /readyz"));
            if address.port() != *usual {
                tell(&format!("                 (another process has port {usual})"));
            }
        }
        tell(&format!(
            "  simulated AWS  {endpoint} (access key id {source} or {vault}, any secret)"
        ));
        tell(&format!(
            "  configuration  {path}\n\n\
             Audit what is in AWS:\n  \
             AWS_ACCESS_KEY_ID={vault} AWS_SECRET_ACCESS_KEY=x amiferry audit --config {path}\n\
             Watch it with Prometheus and Grafana: deploy/observability/README.md",
            path = config.display()
        ));
    }

    /// Stops both workers as a SIGTERM would.
    ///
    /// # Errors
    /// A worker that panicked.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.stopper.drain();
        while let Some(ended) = self.workers.join_next().await {
            if let Ended::Failed(why) = ended.context("a worker panicked")? {
                return Err(anyhow!("a worker failed: {why}"));
            }
        }
        Ok(())
    }

    fn session(&self, account: &AccountId, region: &Region) -> Session {
        let http = SharedHttpClient::new(in_process::InProcess::new(self.world.clone()));
        Session::in_process(InProcess {
            http,
            region: region.clone(),
            access_key: account.to_string(),
            secret: "any".to_owned(),
            clock: Arc::clone(&self.clock),
        })
    }

    async fn start_workers(&mut self, seed: u64) -> anyhow::Result<()> {
        let config = self.config.clone();
        let exporter = Exporter::install()?;
        tokio::spawn(exporter.clone().upkeep());
        let source = config.source(None)?;
        let session = self.session(&source.account, &source.region);
        source_worker::preflight::check(source, &session).await?;
        let clock = Arc::clone(&self.clock);
        let (reconciler, status) =
            source_worker::assemble::worker(&config, source, &session, clock, seed);
        let shown = Shown { answerer: Arc::new(status), page: None };
        let usual = Workers::default().source_listen.port();
        self.start("source worker ", reconciler, usual, &exporter, shown).await?;

        let vault = config.vault(None)?;
        let session = self.session(&vault.account, &vault.region);
        let observer = target_worker::assemble::observer(&config, vault, &session);
        let policies = &config.policies;
        target_worker::preflight::check(vault, policies, &session, &observer).await?;
        let clock = Arc::clone(&self.clock);
        let (reconciler, page) =
            target_worker::assemble::worker(&config, vault, &session, clock, seed);
        let page = Arc::new(page);
        let shown = Shown { answerer: Arc::clone(&page) as _, page: Some(page) };
        let usual = Workers::default().target_listen.port();
        self.start("target worker ", reconciler, usual, &exporter, shown).await
    }

    async fn start<R: Role>(
        &mut self,
        worker: &'static str,
        reconciler: Reconciler<R>,
        usual: u16,
        exporter: &Exporter,
        shown: Shown,
    ) -> anyhow::Result<()> {
        let mut admin = self.doors.admin(usual, exporter, &reconciler.snapshots()).await?;
        if shown.page.is_some() {
            self.page = Some(admin.address());
        }
        admin = admin.showing(shown);
        self.admin.push(Served { worker, address: admin.address(), usual });
        self.servers.spawn(admin.serve());
        let stopper = self.stopper.clone();
        self.workers.spawn(async move { reconciler.run(stopper).await });
        Ok(())
    }

    fn let_appear(&self, fleet: Vec<Planned>) {
        let (world, landscape) = (self.world.clone(), self.landscape.clone());
        let all_appeared = Arc::clone(&self.all_appeared);
        let start = tokio::time::Instant::now();
        tokio::spawn(async move {
            for planned in fleet {
                if let Some(after) = planned.after {
                    tokio::time::sleep_until(start + after).await;
                }
                planned.appear(&world, &landscape);
            }
            all_appeared.store(true, Ordering::Release);
        });
    }
}
