//! The corpus: what is made by hand, what is made of valid bodies by mutators, and any bytes.

mod by_hand;
mod generated;
mod limits;
mod properties;
