//! `amiferry sim serve`: the simulated AWS over HTTP on loopback.

use std::path::Path;
use std::process::ExitCode;

use amiferry_core::encoding::utf8;
use amiferry_core::ports::Clock;
use amiferry_service::clock::SystemClock;
use amiferry_service::http::ListenError;
use amiferry_simulator::landscape::{self, Landscape, Pace};
use amiferry_simulator::scenario::Scenario;
use amiferry_simulator::{Settings, SimClock, World, serve};
use anyhow::{Context, anyhow};

use crate::args::{Serve, Sim};
use crate::exit::Exit;
use crate::runtime::{self, Signals};
use crate::terminal::{print, tell, write_private};

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
    let world = empty(Settings { seed, ..landscape::brisk() }, 1);
    let landscape = Landscape::build(&world).map_err(|error| anyhow!(error))?;
    Ok((world, landscape))
}

fn empty(settings: Settings, speed: u32) -> World {
    World::new(SimClock::starting_at(SystemClock.now(), speed), settings)
}

async fn serve_until_stopped(options: &Serve) -> anyhow::Result<()> {
    let scenario = options.scenario.as_deref().map(read).transpose()?;
    let world = prepare(options, scenario.as_ref());
    let refused = |why| ListenError {
        server: "the simulated AWS",
        address: options.listen,
        fix: "give another one with --listen, such as 127.0.0.1:0 for any free port",
        why,
    };
    let listener = serve::bind(options.listen).await.map_err(refused)?;
    let address = listener.local_addr().context("cannot learn the bound address")?;
    let endpoint = format!("http://{address}");
    if !options.bare {
        furnish(options, &world, &endpoint)?;
    }
    if let Some(scenario) = &scenario {
        scenario.begin(&world).map_err(|error| anyhow!(error))?;
    }
    let mut signals = Signals::listen()?;
    announce(&address.to_string(), options);
    tokio::select! {
        biased;
        () = signals.stopped() => {}
        () = serve::serve(world, listener) => {}
    }
    Ok(())
}

/// Builds the landscape, and writes the configuration that fits it.
fn furnish(options: &Serve, world: &World, endpoint: &str) -> anyhow::Result<()> {
    let landscape = Landscape::build(world).map_err(|error| anyhow!(error))?;
    let regions = std::iter::repeat_n(landscape::SOURCE_REGION, options.more_sources.into());
    let more = landscape.add_sources(world, regions).map_err(|error| anyhow!(error))?;
    let config = if options.with_images {
        landscape.config_of_fleet(Some(endpoint), Pace::Demo, &more)
    } else {
        landscape.config_with_sources(Some(endpoint), Pace::Demo, &more)
    };
    match &options.write_config {
        Some(path) => write_private(path, &config)?,
        None => print(&config)?,
    }
    if options.with_images {
        for planned in landscape::fleet(&landscape, world.now()) {
            planned.appear(world, &landscape);
        }
    }
    Ok(())
}

/// Reads a scenario file; its mistakes lead to the same status as those of a configuration.
fn read(path: &Path) -> anyhow::Result<Scenario> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let text = utf8(&bytes).with_context(|| format!("cannot read {name}"))?;
    Scenario::parse(text, &name).context("the scenario cannot be played")
}

/// The world of a scenario, or the default one, still empty; options override the file.
fn prepare(options: &Serve, scenario: Option<&Scenario>) -> World {
    let speed = options.speed.or(scenario.and_then(|scenario| scenario.speed)).unwrap_or(1);
    let seed = options.seed.or(scenario.and_then(|scenario| scenario.seed)).unwrap_or(1);
    let settings = scenario.map_or_else(landscape::brisk, |scenario| scenario.settings.clone());
    empty(Settings { seed, ..settings }, speed)
}

fn announce(address: &str, options: &Serve) {
    let accounts = format!(
        "simulated AWS on http://{address}: EC2, S3, SQS, STS, KMS, EventBridge, Service Quotas, CloudFormation, \
         Secrets Manager; Ctrl-C stops it\n\
         source account {source} in {source_region}, vault account {vault} in {vault_region}{empty}\n\
         an access key id of 12 digits acts as that account, with any secret:\n",
        empty = if options.bare { "; both are empty" } else { "" },
        source = landscape::SOURCE_ACCOUNT,
        source_region = landscape::SOURCE_REGION,
        vault = landscape::VAULT_ACCOUNT,
        vault_region = landscape::VAULT_REGION,
    );
    let commands = if options.bare { of_bare(address) } else { of_landscape(address, options) };
    tell(&format!("{accounts}\n{commands}"));
}

fn of_landscape(address: &str, options: &Serve) -> String {
    let config = match &options.write_config {
        Some(path) => path.display().to_string(),
        None => "FILE (the text on stdout)".to_owned(),
    };
    let only = match options.more_sources {
        0 => String::new(),
        _ => format!(" --only {}/{}", landscape::SOURCE_ACCOUNT, landscape::SOURCE_REGION),
    };
    format!(
        "  AWS_ACCESS_KEY_ID={source} AWS_SECRET_ACCESS_KEY=x amiferry source run{only} --config {config}\n  \
         AWS_ACCESS_KEY_ID={vault} AWS_SECRET_ACCESS_KEY=x amiferry target run --config {config}\n  \
         AWS_ACCESS_KEY_ID={vault} AWS_SECRET_ACCESS_KEY=x amiferry audit --config {config}\n  \
         AWS_ACCESS_KEY_ID={source} AWS_SECRET_ACCESS_KEY=x \
         aws --endpoint-url http://{address} --region {source_region} ec2 describe-images --owners self",
        source = landscape::SOURCE_ACCOUNT,
        source_region = landscape::SOURCE_REGION,
        vault = landscape::VAULT_ACCOUNT,
    )
}

/// The command that deploys the first of both stacks.
fn of_bare(address: &str) -> String {
    format!(
        "  AWS_ACCESS_KEY_ID={vault} AWS_SECRET_ACCESS_KEY=x aws --endpoint-url http://{address} --region {vault_region} \
         cloudformation deploy --stack-name amiferry-vault --template-file deploy/cloudformation/vault.yaml \
         --capabilities CAPABILITY_NAMED_IAM --parameter-overrides SourceAccounts={source}",
        source = landscape::SOURCE_ACCOUNT,
        vault = landscape::VAULT_ACCOUNT,
        vault_region = landscape::VAULT_REGION,
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn serve(options: &[&str]) -> Serve {
        let words = ["amiferry", "sim", "serve"].into_iter().chain(options.iter().copied());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Sim(Sim::Serve(serve)) => serve,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn options_win_over_the_scenario_and_the_scenario_over_the_defaults() {
        let scenario = Scenario::parse("seed = 7\nspeed = 60", "x").unwrap();
        for (options, scenario, expected) in [
            (&[][..], None, (1, 1)),
            (&[], Some(&scenario), (7, 60)),
            (&["--seed", "8"], Some(&scenario), (8, 60)),
            (&["--seed", "8", "--speed", "2"], Some(&scenario), (8, 2)),
            (&["--speed", "2"], None, (1, 2)),
        ] {
            let world = prepare(&serve(options), scenario);
            let seed = world.lock().settings.seed;
            assert_eq!((seed, world.clock().speed()), expected, "{options:?}");
        }
    }

    #[test]
    fn a_clock_that_stands_still_is_refused() {
        assert!(Arguments::try_parse_from(["amiferry", "sim", "serve", "--speed", "0"]).is_err());
    }
}
