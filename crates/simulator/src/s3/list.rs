//! Listing a bucket page by page: keys in order, folded at a delimiter.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::bucket::Bucket;
use super::object::{Object, Version};

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Fold keys that have this behind the prefix; empty: do not fold.
    pub delimiter: String,
    /// Only keys behind this one; a common prefix is behind if it is itself greater.
    pub after: Option<String>,
    /// How many entries a page has at most.
    pub most: usize,
}

/// One page.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries, in order.
    pub entries: Vec<T>,
    /// The common prefixes, in order.
    pub prefixes: Vec<String>,
    /// The last entry of this page, behind which the next one begins; `None` on the last page.
    pub next: Option<Marker>,
}

/// A place in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// A key or common prefix.
    pub key: String,
    /// A version of the key, where versions are listed.
    pub version: Option<String>,
}

/// A page while it fills.
struct Filling<T> {
    page: Page<T>,
    most: usize,
    last: Option<Marker>,
}

impl<T> Filling<T> {
    fn new(most: usize) -> Self {
        let page = Page { entries: Vec::new(), prefixes: Vec::new(), next: None };
        Self { page, most, last: None }
    }

    /// Adds an entry or prefix; `false` if the page was full.
    fn add(&mut self, marker: Marker, entry: Option<T>) -> bool {
        if self.page.entries.len() + self.page.prefixes.len() == self.most {
            self.page.next = self.last.take();
            return false;
        }
        match entry {
            Some(entry) => self.page.entries.push(entry),
            None => self.page.prefixes.push(marker.key.clone()),
        }
        self.last = Some(marker);
        true
    }
}

/// What a walk over keys meets.
enum Step<'a, T> {
    Key(&'a str, &'a T),
    Prefix(String),
}

/// Visits keys and common prefixes in order until `visit` says stop.
fn walk<'a, T>(
    keys: &'a BTreeMap<String, T>,
    query: &Query,
    mut visit: impl FnMut(Step<'a, T>) -> bool,
) {
    let mut from = Bound::Included(query.prefix.clone());
    if let Some(after) = query.after.as_ref().filter(|after| **after >= query.prefix) {
        let folded = common_prefix(after, query).is_some_and(|prefix| prefix == *after);
        from = Bound::Excluded(if folded { behind(after) } else { after.clone() });
    }
    loop {
        let mut skip = None;
        for (key, value) in keys.range((from.clone(), Bound::Unbounded)) {
            if !key.starts_with(&query.prefix) {
                return;
            }
            let step = match common_prefix(key, query) {
                Some(prefix) => {
                    skip = Some(behind(&prefix));
                    if query.after.as_ref().is_some_and(|after| *after >= prefix) {
                        break;
                    }
                    Step::Prefix(prefix)
                }
                None => Step::Key(key, value),
            };
            if !visit(step) {
                return;
            }
            if skip.is_some() {
                break;
            }
        }
        match skip {
            Some(behind) => from = Bound::Excluded(behind),
            None => return,
        }
    }
}

/// The key up to and with the first delimiter behind the prefix.
fn common_prefix(key: &str, query: &Query) -> Option<String> {
    if query.delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(&query.prefix)?;
    let at = rest.find(&query.delimiter)?;
    Some(key[..query.prefix.len() + at + query.delimiter.len()].to_owned())
}

/// A key behind all keys that begin with `prefix`.
fn behind(prefix: &str) -> String {
    // Keys have at most 1,024 bytes, so none is longer than this and still begins with it.
    format!("{prefix}{}", char::MAX.to_string().repeat(256))
}

/// The current objects of a bucket.
pub fn objects<'a>(bucket: &'a Bucket, query: &Query) -> Page<(&'a str, &'a Version, &'a Object)> {
    let mut filling = Filling::new(query.most);
    walk(&bucket.keys, query, |step| match step {
        Step::Key(key, versions) => {
            let found = versions.last().and_then(|version| Some((key, version, version.object()?)));
            found.is_none_or(|entry| filling.add(marker(key, None), Some(entry)))
        }
        // A common prefix counts only if an object, not just delete markers, is behind it.
        Step::Prefix(prefix) => {
            !bucket.has_under(&prefix) || filling.add(marker(&prefix, None), None)
        }
    });
    filling.page
}

/// A version in a listing.
#[derive(Debug)]
pub struct Listed<'a> {
    pub key: &'a str,
    pub version: &'a Version,
    /// Whether it is the current one.
    pub latest: bool,
}

/// The versions of a bucket, newest first within a key. `after_version` continues inside the key
/// `query.after`.
pub fn versions<'a>(
    bucket: &'a Bucket,
    query: &Query,
    after_version: Option<&str>,
) -> Page<Listed<'a>> {
    let mut filling = Filling::new(query.most);
    let mut add = |listed: Listed<'a>| {
        filling.add(marker(listed.key, Some(&listed.version.id)), Some(listed))
    };
    let begun = query.after.as_deref().zip(after_version).and_then(|(key, id)| {
        let (key, versions) = bucket.keys.get_key_value(key)?;
        Some(newest_first(key, versions).skip_while(move |listed| listed.version.id != id).skip(1))
    });
    let room = begun.into_iter().flatten().all(&mut add);
    if room {
        walk(&bucket.keys, query, |step| match step {
            Step::Key(key, versions) => newest_first(key, versions)
                .all(|listed| filling.add(marker(key, Some(&listed.version.id)), Some(listed))),
            Step::Prefix(prefix) => filling.add(marker(&prefix, None), None),
        });
    }
    filling.page
}

fn marker(key: &str, version: Option<&str>) -> Marker {
    Marker { key: key.to_owned(), version: version.map(str::to_owned) }
}

fn newest_first<'a>(key: &'a str, versions: &'a [Version]) -> impl Iterator<Item = Listed<'a>> {
    versions.iter().rev().enumerate().map(move |(place, version)| Listed {
        key,
        version,
        latest: place == 0,
    })
}

impl Bucket {
    /// Whether a current object's key begins with `prefix`.
    fn has_under(&self, prefix: &str) -> bool {
        self.keys
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .any(|(_, versions)| versions.last().is_some_and(|version| version.object().is_some()))
    }
}
