//! A vault with 1,000 sources of 50 images each: the memory of its worker, the calls of a sweep, and
//! how soon an event is looked at while two other sources do not answer and one refuses.
//!
//! `cargo bench -p amiferry-tests --bench sources [-- EVENTS]` starts two simulated AWS and a target
//! worker on each, all of them processes of their own that talk over HTTP on loopback. In one world
//! every source answers. Both get their events at the same time, 300 unless told otherwise, at any
//! time of the worker's rounds. A policy selects all images, none is stored yet: so the worker looks at
//! each again and again, which is the most that it ever has to do. It takes about ten minutes.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and fails loudly")]

#[path = "parts/mod.rs"]
mod parts;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amiferry_aws::Session;
use amiferry_core::ids::{AccountId, Arn, ImageId, Region};
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::metrics::Exporter;
use amiferry_service::stop::Stopper;
use amiferry_simulator::faults::{Effect, FaultPlan, Outage, Rule};
use amiferry_simulator::landscape::{self, Landscape, Pace};
use amiferry_simulator::wire::scope::Service;
use amiferry_simulator::{Settings, SimClock, World, ec2, serve, sqs};
use amiferry_tests::stage::staged;
use parts::process::{self, Process, lines, load};
use parts::witness::Witness;
use tokio::time::Instant;

const SOURCES: usize = 1_000;
const IMAGES: usize = 50;
/// Sources that do not answer or refuse, in the world with trouble.
const TROUBLED: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["serve", config] => serve_world(Path::new(config)),
        ["work", config] => work(Path::new(config)),
        events => measure(events.first().map_or(300, |events| events.parse().unwrap())),
    }
}

/// One simulated AWS with its worker.
struct Side {
    world: Process,
    worker: Process,
    waits: Vec<f64>,
}

impl Side {
    fn start(folder: &Path, name: &str) -> Self {
        let config = folder.join(name);
        let mut world = Process::of_bench("serve", &config, landscape::VAULT_ACCOUNT);
        world.ask("start");
        let worker = Process::of_bench("work", &config, landscape::VAULT_ACCOUNT);
        Self { world, worker, waits: Vec::new() }
    }

    fn number(&mut self, line: &str) -> f64 {
        self.world.ask(line).parse().unwrap()
    }

    /// Sends events one after the other and notes how long each took to its first call.
    fn play(&mut self, events: usize) {
        for _ in 0..events {
            let wait = self.number("event");
            self.waits.push(wait);
        }
        self.waits.sort_by(f64::total_cmp);
    }

    fn show(&self, name: &str) {
        let at = |share: f64| self.waits[((self.waits.len() - 1) as f64 * share) as usize];
        println!(
            "{name}: first call after {:.0} ms on average, median {:.0}, 99 % within {:.0}, at most {:.0}",
            self.mean(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }

    fn mean(&self) -> f64 {
        self.waits.iter().sum::<f64>() / self.waits.len() as f64
    }
}

fn measure(events: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut sides = ["calm", "troubled"].map(|name| Side::start(folder.path(), name));
    println!("{SOURCES} sources of {IMAGES} images, two sides at once; {}", load());
    for side in &mut sides {
        side.world.ask("until all is looked at");
    }
    let [calm, troubled] = &mut sides;
    println!("the first sweep: {}", calm.world.ask("sweep"));
    troubled.world.ask("trouble");
    std::thread::scope(|scope| {
        scope.spawn(|| calm.play(events));
        scope.spawn(|| troubled.play(events));
    });
    calm.show("every source answers");
    troubled.show("two do not, one refuses");
    println!("ratio of the means: {:.2}; {}", troubled.mean() / calm.mean(), load());
    for side in &mut sides {
        println!("memory of the worker: {}", side.worker.ask("memory"));
    }
}

/// The sources of a world with their images.
struct Fleet {
    landscape: Landscape,
    sources: Vec<((AccountId, Region), Vec<ImageId>)>,
}

impl Fleet {
    fn build(world: &World) -> Self {
        let landscape = Landscape::build(world).unwrap();
        let regions = (0..SOURCES).map(|number| match number {
            0 => "sa-east-1",
            1 => "af-south-1",
            _ => landscape::SOURCE_REGION,
        });
        let sources = landscape.add_sources(world, regions).unwrap();
        let image = |(account, region): &(AccountId, Region), number: usize| {
            let spec = ec2::ImageSpec {
                name: format!("app-{number}"),
                tags: [("workload".to_owned(), format!("app-{}", number % 5))].into(),
                announced: false,
                ..ec2::ImageSpec::default()
            };
            ec2::add_image(&mut world.lock(), now(), account, region, spec)
        };
        let mut fleet = Vec::with_capacity(sources.len());
        for source in sources {
            let images = (0..IMAGES).map(|number| image(&source, number)).collect();
            fleet.push((source, images));
        }
        Self { landscape, sources: fleet }
    }

    /// The images of all sources that answer, one of each source after the other.
    fn others(&self) -> impl Iterator<Item = (&(AccountId, Region), &ImageId)> + Clone {
        let of = |number: usize| {
            let sources = self.sources.iter().skip(TROUBLED);
            sources.map(move |(source, images)| (source, &images[number]))
        };
        (0..IMAGES).flat_map(of)
    }

    /// From now on the first source does not answer, of the second S3 does not, the third refuses.
    fn trouble(&self, world: &World) {
        let source = |number: usize| self.sources[number].0.clone();
        let denied = Rule::new(Effect::AccessDenied).of(Service::Ec2).from_account(source(2).0);
        let faults = FaultPlan::new()
            .outage(Outage::of_region(source(0).1))
            .outage(Outage::of_service(Service::S3, source(1).1))
            .fault(denied);
        world.faults().install(faults).unwrap();
    }

    fn queue(&self) -> Arn {
        let (account, region) = &self.landscape.vault;
        format!("arn:aws:sqs:{region}:{account}:{}", landscape::TARGET_QUEUE).parse().unwrap()
    }

    fn send(&self, world: &World, source: &(AccountId, Region), image: &ImageId) {
        let body = staged::message(source, image);
        sqs::deliver(&mut world.lock(), now(), &self.queue(), body);
    }
}

fn now() -> jiff::Timestamp {
    amiferry_core::ports::Clock::now(&SystemClock)
}

/// The simulated AWS behind a witness; it does what it is asked and answers with a line.
#[tokio::main]
async fn serve_world(config: &Path) {
    let world = World::new(SimClock::starting_at(now(), 1), Settings::default());
    let fleet = Fleet::build(&world);
    let listener = serve::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let witness = Witness::before(listener.local_addr().unwrap()).await;
    let endpoint = witness.endpoint();
    let sources: Vec<_> = fleet.sources.iter().map(|(source, _)| source.clone()).collect();
    let text = fleet.landscape.config_with_sources(Some(&endpoint), Pace::Real, &sources);
    fs::write(config, text).unwrap();
    tokio::spawn(serve::serve(world.clone(), listener));
    let mut others = fleet.others().cycle();
    let mut troubling = fleet.sources.iter().take(TROUBLED).cycle();
    let mut has_trouble = false;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let answer = match line.as_str() {
            "until all is looked at" => {
                while witness.images() < SOURCES * IMAGES {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                String::new()
            }
            "sweep" => witness.requests(),
            "trouble" => {
                fleet.trouble(&world);
                has_trouble = true;
                String::new()
            }
            "event" => {
                if has_trouble {
                    let (source, images) = troubling.next().unwrap();
                    fleet.send(&world, source, fastrand::choice(images).unwrap());
                }
                tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1_000))).await;
                let (source, image) = others.next().unwrap();
                let seen = witness.next_sight_of(image);
                let begun = Instant::now();
                fleet.send(&world, source, image);
                let seen = seen.await;
                (seen.duration_since(begun).as_secs_f64() * 1_000.0).to_string()
            }
            _ => endpoint.clone(),
        };
        println!("{answer}");
    }
}

/// A target worker as `amiferry target run` makes it; it tells its memory as often as it is asked.
#[tokio::main]
async fn work(config: &Path) {
    let config = Config::load(config).unwrap();
    let vault = config.vaults.first().unwrap();
    let endpoint = config.aws.endpoint_url.as_deref();
    let session = Session::from_environment(&vault.region, None, endpoint, false).await.unwrap();
    let clock = Arc::new(SystemClock);
    Exporter::install().unwrap();
    let (reconciler, _page) =
        amiferry_target_worker::assemble::worker(&config, vault, &session, clock, 1);
    tokio::spawn(reconciler.run(Stopper::new()));
    let mut lines = lines();
    while lines.recv().await.is_some() {
        let mib = |name| process::mib(std::process::id(), name);
        println!("{:.0} MiB at most, {:.0} MiB now", mib("VmHWM:"), mib("VmRSS:"));
    }
}
