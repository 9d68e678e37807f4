//! The role by itself: what it asks, decides and does, for each answer of its ports.

mod look;
mod perform;
mod ports;
mod sweep;
mod world;
