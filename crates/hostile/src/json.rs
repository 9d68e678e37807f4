//! The oracle's own JSON: a strict reader that keeps repeated names, and a writer that can also
//! write invalid JSON.

use std::fmt::Write as _;

/// Deepest nesting that is read.
const DEEPEST: usize = 32;

/// A JSON value, or a token of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is written.
    Number(String),
    /// A string, decoded.
    Text(String),
    List(Vec<Json>),
    /// An object, with names in their order and as often as they are there.
    Object(Vec<(String, Json)>),
    /// Any text, written as it is; never read.
    Raw(String),
}

impl Json {
    /// The field of an object; `None` where it is absent or `null`.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(n, _)| n == name).map(|(_, value)| value).filter(|v| **v != Self::Null)
    }

    /// The text of a field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether any object in it has a name twice.
    pub fn has_a_name_twice(&self) -> bool {
        match self {
            Self::List(items) => items.iter().any(Self::has_a_name_twice),
            Self::Object(fields) => {
                let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                names.windows(2).any(|pair| pair[0] == pair[1])
                    || fields.iter().any(|(_, value)| value.has_a_name_twice())
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Raw(_) => false,
        }
    }

    /// The value as text, without spaces.
    pub fn write(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(token) | Self::Raw(token) => out.push_str(token),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_to(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 0x20 => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads one JSON value (RFC 8259) that is all of the text; `None` for anything else, and for what
/// is nested deeper than 32 levels or has a number that no 64-bit float holds.
pub fn read(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text.as_bytes() };
    let value = reader.value(0)?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token.as_bytes())?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.space();
        match self.rest.first()? {
            b'n' => self.eat("null").map(|()| Json::Null),
            b't' => self.eat("true").map(|()| Json::Bool(true)),
            b'f' => self.eat("false").map(|()| Json::Bool(false)),
            b'"' => self.text().map(Json::Text),
            b'[' if depth < DEEPEST => self.list(depth + 1),
            b'{' if depth < DEEPEST => self.object(depth + 1),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.eat("[")?;
        let mut items = Vec::new();
        self.space();
        if self.eat("]").is_some() {
            return Some(Json::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.space();
            match self.byte()? {
                b',' => {}
                b']' => return Some(Json::List(items)),
                _ => return None,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.eat("{")?;
        let mut fields = Vec::new();
        self.space();
        if self.eat("}").is_some() {
            return Some(Json::Object(fields));
        }
        loop {
            self.space();
            let name = self.text()?;
            self.space();
            self.eat(":")?;
            fields.push((name, self.value(depth)?));
            self.space();
            match self.byte()? {
                b',' => {}
                b'}' => return Some(Json::Object(fields)),
                _ => return None,
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut decoded = Vec::new();
        loop {
            match self.byte()? {
                b'"' => return String::from_utf8(decoded).ok(),
                0..=0x1f => return None,
                b'\\' => match self.byte()? {
                    plain @ (b'"' | b'\\' | b'/') => decoded.push(plain),
                    b'b' => decoded.push(8),
                    b'f' => decoded.push(12),
                    b'n' => decoded.push(b'\n'),
                    b'r' => decoded.push(b'\r'),
                    b't' => decoded.push(b'\t'),
                    b'u' => {
                        let c = self.escaped()?;
                        decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => return None,
                },
                byte => decoded.push(byte),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        self.eat("\\u")?;
        let second = self.four_digits()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + second)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let mut number = 0;
        for _ in 0..4 {
            number = number * 16 + char::from(self.byte()?).to_digit(16)?;
        }
        Some(number)
    }

    fn number(&mut self) -> Option<Json> {
        let before = self.rest;
        let _ = self.eat("-");
        let leading_zero = self.rest.first() == Some(&b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return None;
        }
        if self.eat(".").is_some() && self.digits() == 0 {
            return None;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            if let [b'+' | b'-', rest @ ..] = self.rest {
                self.rest = rest;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        let token = &before[..before.len() - self.rest.len()];
        let token = String::from_utf8(token.to_vec()).ok()?;
        token.parse::<f64>().ok().filter(|number| number.is_finite())?;
        Some(Json::Number(token))
    }

    fn digits(&mut self) -> usize {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.rest = &self.rest[count..];
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let text = r#"{"a":[1,-0.5e3,true,null,"\u0001\"\\é"],"a":{},"b":[[]]}"#;
        let value = read(text).unwrap();
        assert_eq!(value.write(), text);
        assert!(value.has_a_name_twice());
        assert!(!read(r#"{"a":{"a":1}}"#).unwrap().has_a_name_twice());
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e999",
            "NaN",
            "nul",
            "\"\n\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\x\"",
            "{}{}",
            "\u{feff}{}",
            "'a'",
            &deep,
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert!(read(&deep[1..65]).is_some());
    }
}
