//! The arguments of `sim`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Sim {
    /// Serve it over HTTP on a loopback address, for workers, the AWS CLI and SDKs
    Serve(Serve),
}

/// How to serve the simulated AWS.
#[derive(Debug, Args)]
pub struct Serve {
    /// Loopback address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    pub listen: SocketAddr,
    /// Start with two empty accounts, to deploy the CloudFormation templates into
    #[arg(long, conflicts_with_all = ["with_images", "more_sources", "write_config"])]
    pub bare: bool,
    /// Put the demo's images into the source account
    #[arg(long)]
    pub with_images: bool,
    /// Add this many sources to the vault, each an account of its own with no queue yet
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1_000))]
    pub more_sources: u16,
    /// Scenario file: what the simulated AWS contains, what goes wrong and when (docs/faults.md)
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Seed of every random choice [default: the scenario's, or 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Speed of the clock, as a multiple of real time [default: the scenario's, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub speed: Option<u32>,
    /// Write the configuration for both workers to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub write_config: Option<PathBuf>,
}
