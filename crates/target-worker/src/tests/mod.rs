//! The role by itself: what it asks, decides and does, for each answer of its ports.

mod cases;
mod copy;
mod facts;
mod look;
mod noted;
mod observations;
mod perform;
mod pin;
mod ports;
mod turns;
mod unanswered;
mod walk;
mod world;
