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

    /// The pattern that every text matches.
    pub(super) fn any() -> Self {
        Self("*".to_owned())
    }

    /// How long it is, in bytes.
    pub(super) fn length(&self) -> usize {
        self.0.len()
    }

    /// Whether every text that matches `narrow` matches this.
    pub(super) fn contains(&self, narrow: &Self) -> bool {
        // A letter that this does not contain replaces the stars of `narrow`. Only stars of this
        // can match that letter, and they would match any other text in its place too.
        let fresh = ('\u{e000}'..='\u{f8ff}').find(|letter| !self.0.contains(*letter));
        fresh.is_some_and(|fresh| self.matches(&narrow.0.replace('*', &fresh.to_string())))
    }

    /// Whether some text matches both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        // For all ends of both, from the shortest on: whether they have a text in common.
        let mut shorter = vec![false; other.len() + 1];
        for i in (0..=one.len()).rev() {
            let mut row = vec![false; other.len() + 1];
            for j in (0..=other.len()).rev() {
                row[j] = match (one.get(i), other.get(j)) {
                    (None, None) => true,
                    // A star stands for nothing, or for what the other begins with.
                    (Some(b'*'), next) => shorter[j] || (next.is_some() && row[j + 1]),
                    (next, Some(b'*')) => row[j + 1] || (next.is_some() && shorter[j]),
                    (Some(here), Some(there)) => here == there && shorter[j + 1],
                    (None, Some(_)) | (Some(_), None) => false,
                };
            }
            shorter = row;
        }
        shorter.first().copied().unwrap_or(false)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn patterns_are_compared_by_the_texts_that_they_match() {
        for (one, other, contains, overlaps) in [
            ("*", "", true, true),
            ("", "", true, true),
            ("", "*", false, true),
            ("*", "*", true, true),
            ("**", "*", true, true),
            ("a", "a", true, true),
            ("a", "b", false, false),
            ("a*", "ab", true, true),
            ("a*", "*a", false, true),
            ("a*b", "a*cb", true, true),
            ("a*b", "a*c", false, false),
            ("*a*", "*b*", false, true),
            ("*a*", "bab", true, true),
            ("\u{e000}*", "*", false, true),
            ("é*", "è*", false, false),
        ] {
            let (one, other) = (Pattern::new(one), Pattern::new(other));
            assert_eq!(one.contains(&other), contains, "{one} contains {other}");
            assert_eq!(one.overlaps(&other), overlaps, "{one} overlaps {other}");
            assert_eq!(other.overlaps(&one), overlaps, "{other} overlaps {one}");
        }
    }

    /// Every text of up to six letters of `a`, `b` and a third one.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..6 {
            last = last.iter().flat_map(|t| ['a', 'b', 'c'].map(|l| format!("{t}{l}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #[test]
        fn comparing_says_what_trying_every_text_says(one in "[ab*]{0,3}", other in "[ab*]{0,3}") {
            let (one, other) = (Pattern::new(one), Pattern::new(other));
            let texts = texts();
            let both = texts.iter().any(|text| one.matches(text) && other.matches(text));
            let all = texts.iter().all(|text| one.matches(text) || !other.matches(text));
            prop_assert_eq!(one.overlaps(&other), both);
            prop_assert_eq!(one.contains(&other), all);
        }
    }
}
