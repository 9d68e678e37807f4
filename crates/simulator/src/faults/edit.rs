//! Edits the items that an XML answer lists: takes fields out, changes them, adds items.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The elements in which EC2 and S3 list things.
const ITEMS: [&str; 4] = ["item", "Contents", "Upload", "Part"];

/// What is done to the items of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edit {
    /// Only items that contain this text, such as an id; every item if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Elements that are taken out of them, at any depth.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Elements that get another text, at any depth; one that an item lacks is added to it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// XML that is added behind the last item, as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub add: String,
}

impl Edit {
    /// Items without this field.
    pub fn dropping(field: &str) -> Self {
        Self { drop: vec![field.to_owned()], ..Self::default() }
    }

    /// Items with another value in this field.
    pub fn setting(field: &str, value: &str) -> Self {
        Self { set: [(field.to_owned(), value.to_owned())].into(), ..Self::default() }
    }

    /// More items than there are.
    pub fn adding(xml: &str) -> Self {
        Self { add: xml.to_owned(), ..Self::default() }
    }

    /// Only in items that contain this text.
    #[must_use]
    pub fn of(self, text: &str) -> Self {
        Self { of: Some(text.to_owned()), ..self }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.drop.is_empty() && self.set.is_empty() && self.add.is_empty() {
            return Err("edit: needs drop, set or add".to_owned());
        }
        let plain = |name: &&String| {
            name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        match self.drop.iter().chain(self.set.keys()).find(plain) {
            Some(name) => Err(format!("edit: {name:?} is no element of an answer")),
            None => Ok(()),
        }
    }

    /// The document with its items edited.
    pub(super) fn apply(&self, document: &str) -> String {
        let mut edited = String::with_capacity(document.len() + self.add.len());
        let mut rest = document;
        let mut end = None;
        while let Some(item) = outermost(rest) {
            edited.push_str(&rest[..item.start]);
            edited.push_str(&self.item(&rest[item.clone()]));
            end = Some(edited.len());
            rest = &rest[item.end..];
        }
        edited.push_str(rest);
        match end {
            _ if self.add.is_empty() => {}
            Some(end) => edited.insert_str(end, &self.add),
            None => edited = into_empty(&edited, &self.add),
        }
        edited
    }

    fn item(&self, item: &str) -> String {
        let mut item = item.to_owned();
        if self.of.as_ref().is_some_and(|text| !item.contains(text.as_str())) {
            return item;
        }
        for name in &self.drop {
            while let Some(element) = element(&item, name) {
                item.replace_range(element, "");
            }
        }
        for (name, value) in &self.set {
            let new = format!("<{name}>{}</{name}>", escaped(value));
            let mut from = 0;
            while let Some(old) = element(&item[from..], name) {
                item.replace_range(from + old.start..from + old.end, &new);
                from += old.start + new.len();
            }
            if from == 0
                && let Some(close) = item.rfind("</")
            {
                item.insert_str(close, &new);
            }
        }
        item
    }
}

/// The first item that is in no other one.
fn outermost(document: &str) -> Option<Range<usize>> {
    let opened = |name| document.find(&format!("<{name}>")).map(|at| (at, name));
    let (start, name) = ITEMS.into_iter().filter_map(opened).min()?;
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut depth = 0;
    let mut at = start;
    loop {
        let rest = &document[at..];
        let closes = rest.find(&close)?;
        match rest.find(&open) {
            Some(opens) if opens < closes => {
                depth += 1;
                at += opens + open.len();
            }
            _ => {
                depth -= 1;
                at += closes + close.len();
            }
        }
        if depth == 0 {
            return Some(start..at);
        }
    }
}

/// The first element of this name, which never contains itself.
fn element(text: &str, name: &str) -> Option<Range<usize>> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let whole = text.find(&open).and_then(|start| {
        let end = text[start..].find(&close)?;
        Some(start..start + end + close.len())
    });
    let empty = format!("<{name}/>");
    let empty = text.find(&empty).map(|start| start..start + empty.len());
    whole.into_iter().chain(empty).min_by_key(|range| range.start)
}

/// The document with something in its list that has no items: EC2's is an element of its own,
/// S3's is the root.
fn into_empty(document: &str, add: &str) -> String {
    let set = document.match_indices('<').find_map(|(at, _)| {
        let tag = &document[at + 1..at + document[at..].find('>')?];
        let name = tag.trim_end_matches('/');
        (name.ends_with("Set") && !tag.starts_with('/')).then_some((at, name, tag.ends_with('/')))
    });
    let mut edited = document.to_owned();
    match set {
        Some((at, name, true)) => {
            let empty = at..at + name.len() + "</>".len();
            edited.replace_range(empty, &format!("<{name}>{add}</{name}>"));
        }
        Some((at, name, false)) => edited.insert_str(at + name.len() + "<>".len(), add),
        None => edited.insert_str(document.rfind("</").unwrap_or(document.len()), add),
    }
    edited
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: &str = "<R><requestId>1</requestId><imagesSet>\
        <item><imageId>a</imageId><name>x</name><tagSet><item><key>k</key></item></tagSet></item>\
        <item><imageId>b</imageId><name>y</name><tagSet/></item>\
        </imagesSet></R>";

    #[test]
    fn a_field_is_taken_out_of_the_items_that_are_meant() {
        let one = Edit::dropping("name").of("<imageId>a<").apply(IMAGES);
        assert_eq!(one, IMAGES.replace("<name>x</name>", ""));
        let all = Edit::dropping("tagSet").apply(IMAGES);
        let tags = "<tagSet><item><key>k</key></item></tagSet>";
        assert_eq!(all, IMAGES.replace(tags, "").replace("<tagSet/>", ""));
    }

    #[test]
    fn a_field_gets_another_value_or_is_added() {
        let changed = Edit::setting("name", "a<b").apply(IMAGES);
        let expected =
            IMAGES.replace("<name>x<", "<name>a&lt;b<").replace("<name>y<", "<name>a&lt;b<");
        assert_eq!(changed, expected);
        let added = Edit::setting("state", "odd").of("<imageId>b<").apply(IMAGES);
        assert_eq!(added, IMAGES.replace("<tagSet/>", "<tagSet/><state>odd</state>"));
    }

    #[test]
    fn an_item_is_added_behind_the_last_one_or_into_an_empty_list() {
        let added = Edit::adding("<item>c</item>").apply(IMAGES);
        assert_eq!(added, IMAGES.replace("</imagesSet>", "<item>c</item></imagesSet>"));
        for (empty, filled) in [
            ("<R><imagesSet/></R>", "<R><imagesSet><item/></imagesSet></R>"),
            ("<R><imagesSet></imagesSet></R>", "<R><imagesSet><item/></imagesSet></R>"),
            ("<R><Name>n</Name></R>", "<R><Name>n</Name><item/></R>"),
        ] {
            assert_eq!(Edit::adding("<item/>").apply(empty), filled);
        }
    }

    #[test]
    fn an_edit_that_does_nothing_or_names_no_element_is_refused() {
        assert!(Edit::default().check().is_err());
        assert!(Edit::dropping("na<me").check().is_err());
        assert!(Edit::dropping("").check().is_err());
        assert_eq!(Edit::dropping("name").check(), Ok(()));
    }
}
