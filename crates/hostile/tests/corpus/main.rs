//! The corpus: handwritten cases, bodies that mutators make from valid ones, and arbitrary bytes.

#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod properties;
