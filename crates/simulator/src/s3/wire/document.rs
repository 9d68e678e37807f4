//! Reading the XML documents of requests into a tree of elements.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use crate::s3::multipart::malformed_xml;
use crate::wire::ApiError;

/// An element; namespaces and attributes are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// The local name.
    pub name: String,
    /// The text in it, references resolved.
    pub text: String,
    /// The elements in it, in order.
    pub children: Vec<Self>,
}

impl Element {
    /// Reads a document whose root is `root`.
    ///
    /// # Errors
    /// `MalformedXML` for anything else.
    pub fn parse(document: &[u8], root: &str) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(document).map_err(|_| malformed_xml())?;
        let element = tree(text).ok_or_else(malformed_xml)?;
        if element.name == root { Ok(element) } else { Err(malformed_xml()) }
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of a name, without surrounding space.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The text of a child that must be there.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text_of(name).ok_or_else(malformed_xml)
    }
}

fn tree(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let (mut closed, empty) = (None, Element::default);
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push(Element { name: start.local_name().as_ref().to_owned(), ..empty() });
            }
            Event::Empty(start) => {
                closed = Some(Element { name: start.local_name().as_ref().to_owned(), ..empty() });
            }
            Event::End(_) => closed = Some(open.pop()?),
            Event::Text(part) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&part.xml10_content());
                }
            }
            Event::CData(part) => open.last_mut()?.text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => {
                let element = open.last_mut()?;
                match reference.resolve_char_ref().ok()? {
                    Some(character) => element.text.push(character),
                    None => {
                        element
                            .text
                            .push_str(resolve_predefined_entity(&reference.xml10_content())?);
                    }
                }
            }
            Event::Eof => return root.filter(|_| open.is_empty()),
            Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
        }
        match (closed, open.last_mut()) {
            (Some(element), Some(parent)) => parent.children.push(element),
            (Some(element), None) => root = Some(element),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree_with_its_references_resolved() {
        let document =
            br#"<?xml version="1.0"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <Object><Key>a &amp; b&#47;c</Key></Object><Quiet/></Delete>"#;
        let element = Element::parse(document, "Delete").unwrap();
        assert_eq!(element.child("Object").unwrap().required("Key").unwrap(), "a & b/c");
        assert_eq!(element.text_of("Quiet"), Some(""));
    }

    #[test]
    fn what_is_not_the_document_is_malformed() {
        for bad in [
            "",
            "<Delete>",
            "<Other/>",
            "<Delete><A></B></Delete>",
            "<Delete>&nope;</Delete>",
            "text",
        ] {
            let error = Element::parse(bad.as_bytes(), "Delete").unwrap_err();
            assert_eq!(error.code, "MalformedXML", "{bad:?}");
        }
    }
}
