//! What the tests of the whole system have in common: a stage, on which the real workers play in a
//! simulated AWS. The tests themselves are in `tests/`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test that uses it"
)]

pub mod stage;
