//! Decides whether a text may be shown to a person: short and without invisible characters.

/// Checks a text that a refusal shows.
///
/// # Errors
///
/// Says which text is empty, longer than `most` characters, or holds something invisible.
pub fn check_shown(what: &str, text: &str, most: usize) -> Result<(), String> {
    let length = text.chars().count();
    if length == 0 {
        return Err(format!("{what} is empty"));
    }
    if length > most {
        let start: String = text.chars().take(120).collect();
        return Err(format!("{what} has {length} characters, of at most {most}: {start:?}…"));
    }
    match text.chars().find(|c| is_hidden(*c)) {
        Some(c) => Err(format!("{what} holds U+{:04X}: {text:?}", u32::from(c))),
        None => Ok(()),
    }
}

/// Characters that drive a terminal, reorder what is read, or are not seen: controls, line
/// separators, the bidirectional controls of Unicode annex 9, and the zero-width ones.
pub fn is_hidden(c: char) -> bool {
    let control = matches!(c as u32, 0x00..=0x1f | 0x7f..=0x9f);
    let separator = matches!(c as u32, 0x2028 | 0x2029);
    let direction =
        matches!(c as u32, 0x061c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069);
    let no_width = matches!(c as u32, 0x200b..=0x200d | 0x2060..=0x2064 | 0xfeff | 0xad | 0x034f);
    let tag = matches!(c as u32, 0xe0000..=0xe007f);
    control || separator || direction || no_width || tag
}

/// `12` digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

/// `ami-` (or another prefix) and 8 or 17 hexadecimal digits in lower case.
pub fn is_resource_id(prefix: &str, text: &str) -> bool {
    let Some(digits) = text.strip_prefix(prefix) else { return false };
    (digits.len() == 8 || digits.len() == 17)
        && digits.chars().all(|c| "0123456789abcdef".contains(c))
}

/// Lower-case words joined by `-`, at least two, and a number of one or two digits.
pub fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let number_fits = matches!(number.len(), 1 | 2) && number.chars().all(|c| c.is_ascii_digit());
    let mut count = 0;
    for word in words.split('-') {
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_lowercase()) {
            return false;
        }
        count += 1;
    }
    text.len() <= 32 && number_fits && count >= 2
}

/// The rules of general purpose buckets that amiferry relies on.
pub fn is_bucket(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&text.len())
        && text.chars().all(allowed)
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && !text.contains("..")
}

/// 1 to 1,024 bytes without control characters.
pub fn is_key(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && !text.chars().any(|c| c.is_control())
}
