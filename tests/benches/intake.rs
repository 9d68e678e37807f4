//! How long a source worker takes to work off 20,000 messages about 15 images, and how much
//! processor time a message costs, against `sqs-consumer` with 8 pollers.
//!
//! `cargo bench -p amiferry-tests --bench intake [-- ROUNDS]` prints the medians of 5 rounds, in
//! which the two take turns at one simulated AWS over HTTP on loopback. The worker receives, parses,
//! looks and deletes; the JavaScript consumer only receives and deletes. Each of the three is a
//! process of its own; without Node.js and npm the consumer is left out, and that is said.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and fails loudly")]

#[path = "parts/mod.rs"]
#[expect(dead_code, reason = "other benches use the rest")]
mod parts;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use amiferry_aws::Session;
use amiferry_core::ids::{Arn, ImageId};
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::metrics::Exporter;
use amiferry_service::stop::Stopper;
use amiferry_simulator::landscape::{self, Landscape, Pace};
use amiferry_simulator::{Settings, SimClock, World, ec2, serve, sqs};
use parts::process::{Process, lines, load};
use tokio::time::Instant;

const MESSAGES: usize = 20_000;
const IMAGES: usize = 15;
const POLLERS: usize = 8;

/// Versions that were measured.
const PEERS: [&str; 2] = ["sqs-consumer@14.2.8", "@aws-sdk/client-sqs@3.940.0"];

/// Receives and deletes in batches of 10, prints a line once it is idle, and its processor time.
const CONSUMER: &str = r#"
import { Consumer } from "sqs-consumer";
import { SQSClient } from "@aws-sdk/client-sqs";
import { createInterface } from "node:readline";
const [queueUrl, region, accessKeyId, pollers] = process.argv.slice(2);
const endpoint = new URL(queueUrl).origin;
const credentials = { accessKeyId, secretAccessKey: "any" };
const start = process.cpuUsage();
const consumers = Array.from({ length: Number(pollers) }, () => Consumer.create({
  queueUrl, batchSize: 10, waitTimeSeconds: 20, handleMessageBatch: async (messages) => messages,
  sqs: new SQSClient({ endpoint, region, credentials }),
}));
for (const consumer of consumers) { consumer.on("error", (error) => console.error(error)); consumer.start(); }
createInterface({ input: process.stdin }).on("line", () => {
  const { user, system } = process.cpuUsage(start);
  console.log((user + system) / 1e6);
  process.exit(0);
});
"#;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["serve", config] => serve_world(Path::new(config)),
        ["work", config] => work(Path::new(config)),
        rounds => measure(rounds.first().map_or(5, |rounds| rounds.parse().unwrap())),
    }
}

/// What one round took.
#[derive(Clone, Copy)]
struct Round {
    seconds: f64,
    processor_seconds: f64,
}

fn measure(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("amiferry.toml");
    let mut world = Process::of_bench("serve", &config, landscape::SOURCE_ACCOUNT);
    let queue_url = world.ask("start");
    let consumer = consumer();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first round of each does not count.
    for round in 0..=rounds {
        let worker = || Process::of_bench("work", &config, landscape::SOURCE_ACCOUNT);
        let mut of_worker = vec![play(&mut world, worker)];
        let mut of_consumer = Vec::new();
        if let Some(folder) = &consumer {
            of_consumer.push(play(&mut world, || {
                let mut command = Command::new("node");
                command.current_dir(folder).arg("consumer.mjs").arg(&queue_url);
                let account = landscape::SOURCE_ACCOUNT;
                command.args([landscape::SOURCE_REGION, account, &POLLERS.to_string()]);
                Process::start(&mut command)
            }));
        }
        if round > 0 {
            ours.append(&mut of_worker);
            theirs.append(&mut of_consumer);
        }
    }
    println!("{MESSAGES} messages about {IMAGES} images, {rounds} rounds; {}", load());
    let ours = show("amiferry, source worker", &ours).unwrap();
    match show(&format!("sqs-consumer, {POLLERS} pollers"), &theirs) {
        Some(theirs) => {
            let wall = ours.seconds / theirs.seconds;
            let processor = ours.processor_seconds / theirs.processor_seconds;
            println!("ratio: time {wall:.2}, processor time {processor:.2}");
        }
        None => println!("SKIPPED: sqs-consumer, which needs Node.js and npm"),
    }
}

/// Fills the queue, starts a consumer, and measures until the queue is empty.
fn play(world: &mut Process, start: impl FnOnce() -> Process) -> Round {
    world.ask("fill");
    let began = Instant::now();
    let mut process = start();
    world.ask("empty");
    let seconds = began.elapsed().as_secs_f64();
    let processor_seconds = process.ask("stop").parse().unwrap();
    Round { seconds, processor_seconds }
}

/// Prints the medians, and answers them; `None` without rounds.
fn show(name: &str, rounds: &[Round]) -> Option<Round> {
    let median = |of: fn(&Round) -> f64| {
        let mut sorted: Vec<f64> = rounds.iter().map(of).collect();
        sorted.sort_by(f64::total_cmp);
        Some((*sorted.get(sorted.len() / 2)?, *sorted.first()?, *sorted.last()?))
    };
    let (seconds, min, max) = median(|round| round.seconds)?;
    let (processor_seconds, ..) = median(|round| round.processor_seconds)?;
    let each = processor_seconds * 1e6 / f64::from(u32::try_from(MESSAGES).unwrap());
    println!("{name:<26} {seconds:>6.2} s (min {min:.2}, max {max:.2}), {each:.0} us a message");
    Some(Round { seconds, processor_seconds })
}

/// The folder with the JavaScript consumer, where Node.js and npm are there to make it.
fn consumer() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sqs-consumer");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("consumer.mjs"), CONSUMER).unwrap();
    if folder.join("node_modules/sqs-consumer").is_dir() {
        return Some(folder);
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder).args(["install", "--silent", "--no-save", "--no-fund", "--no-audit"]);
    let made = npm.args(PEERS).stdin(Stdio::null()).status().is_ok_and(|status| status.success());
    made.then_some(folder)
}

/// The simulated AWS: writes a configuration for it, then fills its queue and tells when it is
/// empty, as often as it is asked.
#[tokio::main(flavor = "current_thread")]
async fn serve_world(config: &Path) {
    let world = World::new(SimClock::starting_at(now(), 1), Settings::default());
    let landscape = Landscape::build(&world).unwrap();
    let listener = serve::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    fs::write(config, landscape.config(Some(&endpoint), Pace::Real)).unwrap();
    let (account, region) = landscape.source.clone();
    let queue: Arn =
        format!("arn:aws:sqs:{region}:{account}:{}", landscape::SOURCE_QUEUE).parse().unwrap();
    let images = images(&world, &landscape);
    tokio::spawn(serve::serve(world.clone(), listener));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "fill" => {
                // The last consumer's connections are closed by then: none takes messages along.
                tokio::time::sleep(Duration::from_millis(200)).await;
                for image in images.iter().cycle().take(MESSAGES) {
                    sqs::deliver(&mut world.lock(), now(), &queue, event(&landscape, image));
                }
            }
            "empty" => {
                while sqs::depth(&world.lock(), &queue) > 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            _ => {}
        }
        println!("{endpoint}/{account}/{}", landscape::SOURCE_QUEUE);
    }
}

fn now() -> jiff::Timestamp {
    amiferry_core::ports::Clock::now(&SystemClock)
}

/// Images that no policy selects: what is measured is the way to that answer.
fn images(world: &World, landscape: &Landscape) -> Vec<ImageId> {
    let (account, region) = &landscape.source;
    let spec = |number| ec2::ImageSpec {
        name: format!("image-{number}"),
        announced: false,
        ..ec2::ImageSpec::default()
    };
    let add = |number| ec2::add_image(&mut world.lock(), now(), account, region, spec(number));
    (0..IMAGES).map(add).collect()
}

fn event(landscape: &Landscape, image: &ImageId) -> String {
    let (account, region) = &landscape.source;
    serde_json::json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "EC2 AMI State Change",
        "source": "aws.ec2",
        "account": account,
        "time": "2026-01-02T03:04:05Z",
        "region": region,
        "resources": [format!("arn:aws:ec2:{region}::image/{image}")],
        "detail": { "RequestId": "r", "ImageId": image, "State": "available", "ErrorMessage": "" },
    })
    .to_string()
}

/// A source worker as `amiferry source run` makes it, until it is sent a line: then it tells its
/// processor time.
#[tokio::main]
async fn work(config: &Path) {
    let config = Config::load(config).unwrap();
    let source = config.sources.first().unwrap();
    let endpoint = config.aws.endpoint_url.as_deref();
    let session = Session::from_environment(&source.region, None, endpoint, false).await.unwrap();
    let clock = Arc::new(SystemClock);
    Exporter::install().unwrap();
    let (reconciler, _) =
        amiferry_source_worker::assemble::worker(&config, source, &session, clock, 1);
    tokio::spawn(reconciler.run(Stopper::new()));
    lines().recv().await;
    println!("{}", processor_seconds());
}

/// User and system time of this process, from `/proc/self/stat`, in ticks of 10 ms.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap());
    f64::from(ticks.sum::<u32>()) / 100.0
}
