//! What is known about one place: when it was last walked completely, and what prevents that now.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::code::Code;
use crate::decide::eligibility::LeftOut;
use crate::ids::ImageId;
use crate::names::SourceId;

/// Something that is walked, can fail, and has a budget by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Vault,
    Source(SourceId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("the vault"),
            Self::Source(source) => write!(f, "source {source}"),
        }
    }
}

/// What is known about the walks over a place.
#[derive(Debug, Clone, Default)]
pub struct Walks {
    /// The number of the walk in progress, or of the last one.
    pub(super) number: u32,
    /// When the walk in progress began.
    pub(super) began: Option<Timestamp>,
    /// The last walk that met everything: its number, and when it began.
    pub(super) whole: Option<(u32, Timestamp)>,
    /// What the walk in progress has found so far.
    pub(super) meeting: Met,
    /// What the last complete walk found that is no row.
    pub(super) met: Met,
    /// Why the last walk failed, and since when walks have failed.
    pub(super) fault: Option<PlaceFault>,
}

/// What a walk finds that is no row of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Met {
    /// Images that no policy selects, by reason.
    pub left_out: BTreeMap<Code, usize>,
    /// The same by name with their particulars, in a fleet that names them.
    pub named: BTreeMap<ImageId, Unselected>,
    /// Items that could not be read: the id where there is one, and why.
    pub unreadable: BTreeMap<Option<String>, String>,
}

/// An image that no policy selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unselected {
    /// Its name; empty where EC2 shows none.
    pub name: String,
    /// Why no policy does.
    pub code: Code,
    /// The particulars.
    pub detail: String,
}

/// Why a place is not assessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceFault {
    /// The call, and AWS's message.
    pub why: String,
    /// When the first of its failures in a row happened.
    pub since: Timestamp,
}

/// Most unreadable items of a place that are named.
const NAMED: usize = 1_000;

impl Met {
    /// An image that no policy selects.
    pub(super) fn leave_out(&mut self, image: ImageId, name: String, left: LeftOut, by_name: bool) {
        *self.left_out.entry(left.code).or_default() += 1;
        if by_name {
            let LeftOut { code, detail } = left;
            self.named.insert(image, Unselected { name, code, detail });
        }
    }

    /// An item that could not be read.
    pub(super) fn cannot_read(&mut self, id: Option<&str>, why: &str) {
        if self.unreadable.len() < NAMED {
            self.unreadable.insert(id.map(str::to_owned), why.to_owned());
        }
    }
}

impl Walks {
    /// When the last walk that met everything began.
    pub fn walked_at(&self) -> Option<Timestamp> {
        self.whole.map(|(_, began)| began)
    }

    /// What the last complete walk found that is no row.
    pub fn met(&self) -> &Met {
        &self.met
    }

    /// Why the place is not assessed.
    pub fn fault(&self) -> Option<&PlaceFault> {
        self.fault.as_ref()
    }

    /// Whether any walk over it has ended, with success or not.
    pub(super) fn has_answered(&self) -> bool {
        self.whole.is_some() || self.fault.is_some()
    }
}
