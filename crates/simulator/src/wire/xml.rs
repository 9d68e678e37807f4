//! Writing XML documents; everything that is not a name is escaped.

use std::fmt::{Display, Write as _};

use quick_xml::escape::escape;

/// An XML document being written.
#[derive(Debug, Default)]
pub struct Xml(String);

impl Xml {
    /// A whole document with one root element, in a namespace if given.
    pub fn document(
        root: &str,
        namespace: Option<&str>,
        content: impl FnOnce(&mut Self),
    ) -> String {
        let mut xml = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        match namespace {
            Some(namespace) => xml.raw(format_args!("<{root} xmlns=\"{namespace}\">")),
            None => xml.raw(format_args!("<{root}>")),
        }
        content(&mut xml);
        xml.raw(format_args!("</{root}>"));
        xml.0
    }

    /// An element with content.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.raw(format_args!("<{name}>"));
        content(self);
        self.raw(format_args!("</{name}>"));
        self
    }

    /// An element with text.
    pub fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = value.to_string();
        self.raw(format_args!("<{name}>{}</{name}>", escape(value.as_str())));
        self
    }

    /// An element with text, left out when there is none.
    pub fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    fn raw(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }
}
