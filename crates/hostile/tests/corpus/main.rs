//! The corpus: what is made by hand, what is made of valid bodies by mutators, and any bytes.

#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod properties;
