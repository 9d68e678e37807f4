//! `amiferry sim serve`: the simulated AWS over HTTP on loopback.

use std::process::ExitCode;

use amiferry_core::ports::Clock;
use amiferry_service::clock::SystemClock;
use amiferry_simulator::landscape::{self, Landscape, Pace};
use amiferry_simulator::{Settings, SimClock, World, serve};
use anyhow::{Context, anyhow};

use super::print;
use crate::args::{Serve, Sim};
use crate::exit::Exit;
use crate::runtime;

/// Runs the command.
///
/// # Errors
/// An address that cannot be listened on.
pub fn run(command: &Sim) -> anyhow::Result<ExitCode> {
    let Sim::Serve(options) = command;
    runtime::block_on(serve_until_stopped(options))?;
    Ok(Exit::Ok.into())
}

/// A world in which hours pass in seconds, with the demo's landscape.
///
/// # Errors
/// A landscape that cannot be built.
pub fn world(seed: u64) -> anyhow::Result<(World, Landscape)> {
    let clock = SimClock::starting_at(SystemClock.now(), 1);
    let settings = Settings { seed, ..landscape::brisk() };
    let world = World::new(clock, settings);
    let landscape = Landscape::build(&world).map_err(|error| anyhow!(error))?;
    Ok((world, landscape))
}

async fn serve_until_stopped(options: &Serve) -> anyhow::Result<()> {
    let (world, landscape) = world(options.seed)?;
    let listener = serve::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr().context("cannot learn the bound address")?;
    let config = landscape.config(Some(&format!("http://{address}")), Pace::Demo);
    match &options.write_config {
        Some(path) => std::fs::write(path, &config)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => print(&config)?,
    }
    if options.with_images {
        for planned in landscape::fleet(&landscape, world.now()) {
            planned.appear(&world, &landscape);
        }
    }
    announce(&address.to_string(), options);
    tokio::select! {
        biased;
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C"),
        () = terminated() => Ok(()),
        () = serve::serve(world, listener) => Ok(()),
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[expect(clippy::print_stderr, reason = "talk goes to stderr, the configuration to stdout")]
fn announce(address: &str, options: &Serve) {
    let config = match &options.write_config {
        Some(path) => path.display().to_string(),
        None => "FILE (the text on stdout)".to_owned(),
    };
    eprintln!(
        "simulated AWS on http://{address}: EC2, S3, SQS, STS, KMS; Ctrl-C ends it\n\
         source account {source} in {source_region}, vault account {vault} in {vault_region}\n\
         an access key id of 12 digits acts as that account, with any secret:\n\
         \n  \
         AWS_ACCESS_KEY_ID={source} AWS_SECRET_ACCESS_KEY=x amiferry source run --config {config}\n  \
         AWS_ACCESS_KEY_ID={vault} AWS_SECRET_ACCESS_KEY=x amiferry target run --config {config}\n  \
         AWS_ACCESS_KEY_ID={vault} AWS_SECRET_ACCESS_KEY=x amiferry audit --config {config}\n  \
         AWS_ACCESS_KEY_ID={source} AWS_SECRET_ACCESS_KEY=x \
         aws --endpoint-url http://{address} --region {source_region} ec2 describe-images --owners self",
        source = landscape::SOURCE_ACCOUNT,
        source_region = landscape::SOURCE_REGION,
        vault = landscape::VAULT_ACCOUNT,
        vault_region = landscape::VAULT_REGION,
    );
}
