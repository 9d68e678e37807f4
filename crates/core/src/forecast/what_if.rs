//! Images that a person thinks of: `40 x 200GiB gold`.

use std::fmt;
use std::str::FromStr;

use crate::text::visible;

/// So many images of one size under one policy, each a family of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf {
    pub count: u32,
    /// The volumes of each in GiB, which EC2 counts as its gigabytes.
    pub size_gb: u64,
    /// The name of the policy.
    pub policy: String,
}

/// Most images at once.
pub const MOST: u32 = 100_000;

/// The most that EC2 stores of one image, in GB (EC2 user guide, *Store and restore an AMI*).
pub const LARGEST_GB: u64 = 5_000;

/// Why a text is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not understood: {why}; write COUNT x SIZE POLICY, such as 40 x 200GiB gold")]
pub struct Misread {
    text: String,
    why: String,
}

impl FromStr for WhatIf {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Misread> {
        let misread = |why: String| Misread { text: visible(text, 80), why };
        let spaced = text.replace(['×', '*'], "x");
        let Some((count, rest)) = spaced.split_once('x') else {
            return Err(misread("it has no x between the count and the size".to_owned()));
        };
        let count = count.trim();
        let count = match count.parse::<u32>() {
            Ok(count @ 1..=MOST) => count,
            _ => {
                let why =
                    format!("the count {:?} is not a number from 1 to {MOST}", visible(count, 20));
                return Err(misread(why));
            }
        };
        let rest = rest.trim();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at(digits);
        let rest = rest.trim_start();
        let units = [("GiB", 1), ("TiB", 1_024), ("GB", 1), ("TB", 1_000)];
        let unit = units.iter().find_map(|(unit, gb)| Some((*gb, rest.strip_prefix(unit)?)));
        let Some((unit_gb, policy)) = unit else {
            return Err(misread("the size has no unit GiB or TiB".to_owned()));
        };
        let size_gb = number.parse::<u64>().ok().and_then(|size| size.checked_mul(unit_gb));
        let size_gb = match size_gb {
            Some(size @ 1..=LARGEST_GB) => size,
            _ => {
                let why = format!("EC2 stores images of 1 to {LARGEST_GB} GB");
                return Err(misread(why));
            }
        };
        let is_apart = policy.starts_with(char::is_whitespace);
        let policy = policy.trim();
        if !is_apart || policy.is_empty() || policy.contains(char::is_whitespace) {
            return Err(misread("after the size comes the name of one policy".to_owned()));
        }
        Ok(Self { count, size_gb, policy: policy.to_owned() })
    }
}

impl fmt::Display for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}GiB {}", self.count, self.size_gb, self.policy)
    }
}
