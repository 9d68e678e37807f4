//! Starts, watches and stops the processes of a test.
//!
//! `program` finds the executable, `process` is one that runs, `scrape` reads its metrics, `simulator` is the simulated AWS with
//! everything that talks to it, `image` makes images, `aws` runs the `aws` CLI, `browser` a Chromium, `silence` keeps a port at
//! which nothing listens, `wait` is the only way to wait.

pub mod aws;
pub mod browser;
pub mod image;
pub mod process;
pub mod program;
pub mod scrape;
pub mod silence;
pub mod simulator;
pub mod wait;

pub use process::{Outcome, Process};
pub use simulator::{Account, Role, Simulator};
