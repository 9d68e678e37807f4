//! Decides what a pattern with stars matches, and what two of them have in common.

use std::fmt;

use serde::Deserialize;

/// A text in which `*` stands for any number of characters. Matches whole texts, case included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the whole text matches. Time is linear in pattern times text, whatever they hold.
    pub fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_texts_with_stars_for_anything() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web-*", "web-", true),
            ("web-*", "my-web-1", false),
            ("*-prod", "web-prod", true),
            ("*-prod", "web-prod-1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("", "", true),
            ("**", "x", true),
            ("Web", "web", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern:?} on {text:?}");
        }
    }
}
