//! Makes text from outside safe to show: readers see every character that it contains.
//!
//! [`visible`] is for sentences, [`distinct`] for names that must not be mistaken for each other,
//! and [`escaped_json`] for JSON, which keeps its content.

use std::fmt::Write as _;

/// Copies `text` with invisible characters escaped, cut to `max` characters.
///
/// Control characters would forge log lines or drive a terminal, bidirectional controls would
/// reorder what is read, zero-width ones and odd spaces would make two names look equal: each
/// becomes its Rust escape, such as `\n` or `\u{202e}`. Where something was cut, the last character
/// is `…`. Backslashes stay as they are, so the result is for people, not for parsing back.
pub fn visible(text: &str, max: usize) -> String {
    let pieces = text.chars().map(|c| {
        if is_invisible(c) { Piece::Escape(c.escape_default().collect()) } else { Piece::Plain(c) }
    });
    cut(pieces, text.len(), max)
}

/// Copies a name so that two different names never look equal, cut to `max` characters as
/// [`visible`] does.
///
/// Also escapes what hides at the edges of a word: a space at either end or behind another one. A
/// backslash that would begin an escape is one itself, so that every uncut result belongs to one
/// name only. Letters of different alphabets that look alike stay as they are.
pub fn distinct(name: &str, max: usize) -> String {
    let mut before = None;
    let mut rest = name.chars();
    let pieces = std::iter::from_fn(|| {
        let c = rest.next()?;
        let hides = match c {
            ' ' => matches!(before, None | Some(' ')) || rest.as_str().is_empty(),
            '\\' => rest.as_str().starts_with("u{"),
            c => is_invisible(c),
        };
        before = Some(c);
        let escape = || Piece::Escape(c.escape_unicode().collect());
        Some(if hides { escape() } else { Piece::Plain(c) })
    });
    cut(pieces, name.len(), max)
}

/// The same JSON with its invisible characters as `\u` escapes: a reader of the text sees them, and
/// a parser reads the same values.
///
/// `json` must be JSON: line feeds and spaces between its parts stay.
pub fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // Below the delete character, serializers escape what is inside a string themselves, and
        // use the others between its parts.
        if c >= '\u{7f}' && is_invisible(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// What one character becomes.
enum Piece {
    Plain(char),
    Escape(String),
}

/// Joins pieces to at most `max` characters, without splitting one.
fn cut(pieces: impl Iterator<Item = Piece>, length: usize, max: usize) -> String {
    let mut shown = String::with_capacity(length.min(max));
    let mut count = 0;
    // Where to cut, should there be more than `max`: the end of the last whole piece that leaves
    // room for the ellipsis.
    let mut cut = 0;
    for piece in pieces {
        match piece {
            Piece::Plain(c) => {
                shown.push(c);
                count += 1;
            }
            Piece::Escape(escape) => {
                shown.push_str(&escape);
                count += escape.len();
            }
        }
        if count > max {
            shown.truncate(cut);
            if max > 0 {
                shown.push('…');
            }
            return shown;
        }
        if count < max {
            cut = shown.len();
        }
    }
    shown
}

/// Characters that leave no mark, or none but a gap: control, format, bidirectional, zero-width,
/// filler and tag characters (Unicode 16, categories Cc, Cf, Zl and Zp, and the property
/// `Default_Ignorable_Code_Point`), every space but the usual one (Zs), and the blank symbols.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}'
            | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{1680}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_not_be_seen_is_spelled_out() {
        for (text, shown) in [
            ("plain, ünïcode, 漢字", "plain, ünïcode, 漢字"),
            ("a\nb\r\t", r"a\nb\r\t"),
            ("\u{1b}[31mred", r"\u{1b}[31mred"),
            ("nib.\u{202e}ima", r"nib.\u{202e}ima"),
            ("\u{2066}x\u{2069}\u{200f}", r"\u{2066}x\u{2069}\u{200f}"),
            ("ami\u{200b}-1\u{feff}", r"ami\u{200b}-1\u{feff}"),
            ("\u{85}\u{2028}\0", r"\u{85}\u{2028}\u{0}"),
            (r"C:\n", r"C:\n"),
            ("a\u{a0}b  c ", r"a\u{a0}b  c "),
        ] {
            assert_eq!(visible(text, 200), shown, "{text:?}");
        }
    }

    #[test]
    fn a_cut_is_marked_and_never_splits_an_escape() {
        for (text, max, shown) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abc…"),
            ("ab\u{202e}", 10, r"ab\u{202e}"),
            ("ab\u{202e}", 9, "ab…"),
            ("ab\u{202e}c", 10, "ab…"),
            ("\n\n", 3, r"\n…"),
            ("\n", 1, "…"),
            ("a", 0, ""),
            ("", 0, ""),
        ] {
            assert_eq!(visible(text, max), shown, "{text:?} in {max}");
        }
    }

    #[test]
    fn names_that_look_alike_are_told_apart() {
        for (name, shown) in [
            ("web", "web"),
            ("web ", r"web\u{20}"),
            (" web", r"\u{20}web"),
            ("web\u{a0}", r"web\u{a0}"),
            ("web\u{3000}1", r"web\u{3000}1"),
            ("web server", "web server"),
            ("web  server", r"web \u{20}server"),
            (r"web\u{20}", r"web\u{5c}u{20}"),
            ("web\n", r"web\u{a}"),
            (r"CORP\web", r"CORP\web"),
            (" ", r"\u{20}"),
            ("", ""),
        ] {
            assert_eq!(distinct(name, 200), shown, "{name:?}");
        }
        assert_eq!(distinct("web     ", 10), r"web …", "a cut splits no escape");
    }

    #[test]
    fn json_shows_what_it_contains_and_stays_the_same_value() {
        let text = "\u{7f}\u{9b}a\u{202e}\u{200b}\u{e0041}\u{890}\u{110bd}\u{13430}\u{1bca0}漢\n";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let shown = r#"\u007f\u009ba\u202e\u200b\udb40\udc41\u0890\ud804\udcbd\ud80d\udc30\ud82f\udca0漢\n"#;
        assert_eq!(escaped_json(&json), format!("[\n  \"{shown}\"\n]"));
    }

    /// Any text, more often with characters that hide.
    fn hiding() -> impl Strategy<Value = String> {
        let hidden = r"[\\u{}0a \p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}]{0,12}";
        prop_oneof![hidden, ".*", "[a ]{0,6}"]
    }

    proptest! {
        #[test]
        fn everything_that_unicode_calls_control_format_or_space_is_invisible(
            text in r"[\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}]",
        ) {
            prop_assert!(text == " " || text.chars().all(is_invisible), "{text:?}");
        }

        #[test]
        fn letters_digits_and_signs_are_visible(text in r"[\p{L}\p{N}\p{P}\p{Sm}\p{Sc}]") {
            let blank = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
            prop_assert!(blank.iter().any(|c| text.contains(*c)) || visible(&text, 9) == text);
        }

        #[test]
        fn two_names_that_differ_look_different(one in hiding(), other in hiding()) {
            let (left, right) = (distinct(&one, usize::MAX), distinct(&other, usize::MAX));
            prop_assert_eq!(one == other, left == right, "{:?} {:?}", one, other);
            prop_assert!(!left.chars().any(is_invisible));
            prop_assert!(left.trim() == left && !left.contains("  "));
        }

        #[test]
        fn a_cut_name_is_bounded(name in hiding(), max in 0_usize..40) {
            prop_assert!(distinct(&name, max).chars().count() <= max);
        }

        #[test]
        fn escaped_json_is_the_same_value_with_nothing_invisible(text in hiding(), key in ".{0,5}") {
            let value = serde_json::json!({ key: [text] });
            for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let escaped = escaped_json(&json);
                prop_assert!(!escaped.chars().any(|c| c != '\n' && is_invisible(c)), "{}", escaped);
                let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
                prop_assert_eq!(&read, &value);
            }
        }

        #[test]
        fn the_result_is_bounded_and_holds_nothing_invisible(text in ".*", max in 0_usize..300) {
            let shown = visible(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(is_invisible));
        }
    }
}
