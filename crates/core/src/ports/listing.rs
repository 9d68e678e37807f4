//! The result of a listing: the items that could be read, and those that could not.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::fault::{Fault, FaultClass};
use crate::text::visible;

/// Longest [`Unreadable::id`], in characters: an id of EC2 and a name of ours fit in.
const LONGEST_ID: usize = 200;

/// Longest [`Unreadable::why`], in characters.
const LONGEST_WHY: usize = 200;

/// The answer to a question about many: one item that cannot be read takes no other with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// What could be read.
    pub items: Vec<T>,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Listing<T> {
    /// The same listing with another thing for each item.
    pub fn map<U>(self, thing: impl FnMut(T) -> U) -> Listing<U> {
        let items = self.items.into_iter().map(thing).collect();
        Listing { items, unreadable: self.unreadable }
    }

    /// Adds one item.
    pub fn push(&mut self, item: Result<T, Unreadable>) {
        match item {
            Ok(item) => self.items.push(item),
            Err(unreadable) => self.unreadable.push(unreadable),
        }
    }
}

impl<T> Listing<T> {
    /// The answers about those of `asked` that there is an answer about, and about whatever else is
    /// listed. One that cannot be read is a fault of the class `Bug`. So is one that is not listed
    /// while an item does not say what it is about: it may be that one.
    pub fn by_id<K>(
        self,
        asked: &[K],
        id_of: impl Fn(&T) -> K,
        operation: &'static str,
    ) -> BTreeMap<K, Result<T, Fault>>
    where
        K: Ord + Clone + FromStr + AsRef<str>,
    {
        let read = self.items.into_iter().map(|item| (id_of(&item), Ok(item)));
        let mut answers: BTreeMap<K, Result<T, Fault>> = read.collect();
        let mut fault = |id: K, item: &Unreadable| {
            let fault = item.fault(operation, id.as_ref());
            answers.entry(id).or_insert(Err(fault));
        };
        let (named, nameless): (Vec<_>, Vec<_>) =
            self.unreadable.iter().partition(|item| item.id.is_some());
        for item in named {
            if let Some(id) = item.about() {
                fault(id, item);
            }
        }
        if let Some(item) = nameless.first() {
            asked.iter().cloned().for_each(|id| fault(id, item));
        }
        answers
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Listing<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, unreadable: Vec::new() }
    }
}

impl<T> Extend<Result<T, Unreadable>> for Listing<T> {
    fn extend<I: IntoIterator<Item = Result<T, Unreadable>>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> FromIterator<Result<T, Unreadable>> for Listing<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, Unreadable>>>(items: I) -> Self {
        let mut listing = Self::default();
        listing.extend(items);
        listing
    }
}

/// An item of an answer that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreadable {
    /// What the item is about, in the terms of the question: an id, a key, a name; `None` where
    /// it does not say. Visible and cut.
    pub id: Option<String>,
    /// Which field is missing or has a value without a meaning here. Visible and cut.
    pub why: String,
}

impl Unreadable {
    /// An item about `id`; both texts are made visible and cut.
    pub fn new(id: Option<&str>, why: &str) -> Self {
        let id = id.filter(|id| !id.is_empty());
        Self { id: id.map(|id| visible(id, LONGEST_ID)), why: visible(why, LONGEST_WHY) }
    }

    /// What the item is about, if that is an identifier of this kind.
    pub fn about<K: FromStr>(&self) -> Option<K> {
        self.id.as_deref()?.parse().ok()
    }

    /// The answer about what the item is about: nothing is known of it.
    pub fn fault(&self, operation: &'static str, resource: &str) -> Fault {
        Fault {
            class: FaultClass::Bug,
            operation,
            resource: resource.to_owned(),
            code: "UnexpectedAnswer".to_owned(),
            detail: self.why.clone(),
            request_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ImageId;

    #[test]
    fn an_item_that_cannot_be_read_takes_no_other_with_it() {
        let odd = Unreadable::new(None, "the item has no imageId");
        let listing: Listing<u8> = [Ok(1), Err(odd.clone()), Ok(2)].into_iter().collect();
        assert_eq!((listing.items, listing.unreadable), (vec![1, 2], vec![odd]));
    }

    #[test]
    fn what_was_asked_for_and_cannot_be_read_is_a_fault_and_the_rest_an_answer() {
        let asked = ["ami-00000001", "ami-00000002", "ami-00000003"];
        let asked: Vec<ImageId> = asked.iter().map(|id| id.parse().unwrap()).collect();
        let listed = |odd: &[Option<&str>]| {
            let read = Ok(asked[0].clone());
            let odd = odd.iter().map(|id| Err(Unreadable::new(*id, "it has no volumeSize")));
            let listing: Listing<ImageId> = std::iter::once(read).chain(odd).collect();
            let answers = listing.by_id(&asked, Clone::clone, "ec2:DescribeImages");
            let answers = answers.into_iter().map(|(id, answer)| (id.to_string(), answer.is_ok()));
            answers.collect::<Vec<_>>()
        };
        let answers = |ids: &[(usize, bool)]| -> Vec<(String, bool)> {
            ids.iter().map(|(index, read)| (asked[*index].to_string(), *read)).collect()
        };
        for (odd, expected) in [
            (&[][..], answers(&[(0, true)])),
            (&[Some("ami-00000002")], answers(&[(0, true), (1, false)])),
            (&[Some("no id of an image")], answers(&[(0, true)])),
            (&[Some("ami-00000001")], answers(&[(0, true)])),
            (&[None], answers(&[(0, true), (1, false), (2, false)])),
            (&[Some("")], answers(&[(0, true), (1, false), (2, false)])),
        ] {
            assert_eq!(listed(odd), expected, "{odd:?}");
        }
    }

    #[test]
    fn what_an_item_says_is_shown_visible_and_cut() {
        let long = format!("\u{1b}[2J{}", "x".repeat(5_000));
        let item = Unreadable::new(Some(&long), &long);
        for text in [item.id.as_deref().unwrap(), &item.why] {
            assert!(text.chars().count() <= 200 && !text.contains('\u{1b}'), "{text:?}");
        }
        let fault = item.fault("ec2:DescribeImages", "ami-1");
        assert_eq!((fault.class, fault.detail), (FaultClass::Bug, item.why));
    }
}
