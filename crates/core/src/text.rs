//! Makes text from outside safe to show: readers see every character that it contains.

use std::fmt::Write as _;

/// Copies `text` with invisible characters escaped, cut to `max` characters.
///
/// Control characters would forge log lines or drive a terminal, bidirectional controls would
/// reorder what is read, zero-width ones would make two names look equal: each becomes its Rust
/// escape, such as `\n` or `\u{202e}`. Where something was cut, the last character is `…`.
/// Backslashes stay as they are, so the result is for people, not for parsing back.
pub fn visible(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    let mut count = 0;
    // Where to cut, should there be more than `max`: the end of the last whole piece that leaves
    // room for the ellipsis.
    let mut cut = 0;
    for c in text.chars() {
        let start = shown.len();
        if is_invisible(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
        count += shown[start..].chars().count();
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

/// Control, bidirectional, zero-width, filler and tag characters (Unicode 16, categories Cc and
/// Cf, line and paragraph separators, and the blank letters).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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

    proptest! {
        #[test]
        fn the_result_is_bounded_and_holds_nothing_invisible(text in ".*", max in 0_usize..300) {
            let shown = visible(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(is_invisible));
        }
    }
}
