//! Shows URLs without the users and passwords in them, also where they are mistyped.

use super::is_host;

/// What stands in the place of a user or password.
pub const HIDDEN: &str = "[secret]";

/// A URL without what may be a user or password: everything before the last `@`, and everything behind
/// a `:` that no port follows.
///
/// Repeating it changes nothing. The scheme may be missing.
pub fn url(url: &str) -> String {
    let (scheme, rest) = match url.find("://") {
        Some(at) => url.split_at(at + "://".len()),
        None => ("", url),
    };
    // A password may hold a slash that should have been escaped.
    let (user, rest) = match rest.rfind('@') {
        Some(at) => (HIDDEN, &rest[at..]),
        None => ("", rest),
    };
    format!("{scheme}{user}{}", without_false_port(rest))
}

/// What follows a user, if there is one: a host with a port, and a path.
fn without_false_port(rest: &str) -> String {
    let host = rest.strip_prefix('@').unwrap_or(rest);
    let authority = host.split(['/', '?', '#']).next().unwrap_or_default();
    let inside = authority.find(']').unwrap_or_default();
    match authority[inside..].find(':') {
        Some(at) if !is_host(authority) && !authority[inside + at + 1..].is_empty() => {
            let before = rest.len() - host.len() + inside + at + 1;
            format!("{}{HIDDEN}", &rest[..before])
        }
        Some(_) | None => rest.to_owned(),
    }
}

/// A text with each URL in it as [`url`] shows it. A URL in quotes ends with them, any other one with a
/// space or the mark before it.
pub fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let start = rest[..at].trim_end_matches(of_scheme).len();
        let end = start + length(&rest[start..], rest[..start].chars().next_back());
        shown.push_str(&rest[..start]);
        shown.push_str(&url(&rest[start..end]));
        rest = &rest[end..];
    }
    shown + rest
}

/// The URL that a text begins with, in quotes or not, as [`url`] shows it, with or without a scheme; and the
/// rest of the text, from the closing quote or the first space on.
pub fn value(text: &str) -> (String, &str) {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inside = &text[quote.map_or(0, char::len_utf8)..];
    let (value, rest) = inside.split_at(length(inside, quote));
    let quote = quote.map(String::from).unwrap_or_default();
    (format!("{quote}{}", url(value)), rest)
}

/// How many bytes of a text that begins with a URL belong to it, by the character before it.
fn length(text: &str, before: Option<char>) -> usize {
    let quote = before.filter(|c| matches!(c, '"' | '\'' | '`'));
    let mut is_escaped = false;
    let ends = |(_, c): &(usize, char)| {
        let is_end = match quote {
            Some(quote) => *c == quote && !is_escaped,
            None => c.is_whitespace() || matches!(c, '"' | '\'' | '`'),
        };
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    };
    let length = text.char_indices().find(ends).map_or(text.len(), |(at, _)| at);
    match quote {
        Some(_) => length,
        // Marks of the sentence around it.
        None => text[..length].trim_end_matches([':', ',', ';', '.', ')']).len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_a_user_or_password() {
        for (given, shown) in [
            ("https://user:geheim@proxy.example", "https://[secret]@proxy.example"),
            ("https://user@proxy.example:8080/a", "https://[secret]@proxy.example:8080/a"),
            ("https://u:ge/he?i#m@h@proxy.example/x", "https://[secret]@proxy.example/x"),
            ("user:geheim@proxy.example", "[secret]@proxy.example"),
            ("http://user:geheim", "http://user:[secret]"),
            ("http://user:geheim/x", "http://user:[secret]"),
            ("http://user:99999", "http://user:[secret]"),
            ("http://user:80:geheim", "http://user:[secret]"),
            ("http://a@user:geheim/x", "http://[secret]@user:[secret]"),
            ("user:geheim", "user:[secret]"),
            ("http://[::1]:geheim", "http://[::1]:[secret]"),
            ("http://[::1]:4566/x", "http://[::1]:4566/x"),
            ("http://localhost:4566", "http://localhost:4566"),
            ("localhost:4566", "localhost:4566"),
            ("http://host:", "http://host:"),
            ("https://host/a:b", "https://host/a:b"),
            ("", ""),
            ("://", "://"),
            ("ß://ß:ß@ß", "ß://[secret]@ß"),
        ] {
            assert_eq!(url(given), shown, "{given}");
            assert_eq!(url(shown), shown, "again");
        }
    }

    #[test]
    fn each_url_of_a_text_ends_with_its_quotes_or_with_a_space() {
        for (given, shown) in [
            ("a = \"http://u:p@h\" # me@x", "a = \"http://[secret]@h\" # me@x"),
            ("a = \"http://u:p w@h\"", "a = \"http://[secret]@h\""),
            (r#"a = "http://u:p\"w@h""#, r#"a = "http://[secret]@h""#),
            ("a = 'http://u:p\"w@h'", "a = 'http://[secret]@h'"),
            ("a = \"http://u:p@h", "a = \"http://[secret]@h"),
            ("to http://u:p@h and http://v:q", "to http://[secret]@h and http://v:[secret]"),
            (
                "(http://h:80), not http://h:81: refused.",
                "(http://h:80), not http://h:81: refused.",
            ),
            ("http://u:p.: no", "http://u:[secret].: no"),
            ("http://u:p) no", "http://u:[secret]) no"),
            ("the scheme ://: none", "the scheme ://: none"),
            ("the queue https://h/1/q is not me@x", "the queue https://h/1/q is not me@x"),
            ("nothing: here", "nothing: here"),
            ("äöü://u:p@h", "äöü://[secret]@h"),
        ] {
            assert_eq!(text(given), shown, "{given}");
            assert_eq!(text(shown), shown, "again");
        }
    }
}
