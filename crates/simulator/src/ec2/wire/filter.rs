//! Filters of the describe calls: all must hold, any of one filter's values is enough, `*` and
//! `?` are wildcards.

use crate::ec2::errors;
use crate::ec2::image::Tags;
use crate::wire::ApiError;
use crate::wire::form::Form;

/// The filters of one call.
#[derive(Debug)]
pub struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Reads `Filter.N.Name` and `Filter.N.Value.M`.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a filter that the call does not know; `known` ends with `:`
    /// where a key follows, as in `tag:`.
    pub fn parse(form: &Form, known: &[&str]) -> Result<Self, ApiError> {
        let filters = form.structures("Filter").into_iter().map(|filter| {
            let name = filter.required("Name")?.to_owned();
            let is_known = known
                .iter()
                .any(|known| *known == name || (known.ends_with(':') && name.starts_with(known)));
            if !is_known {
                let message = format!("The filter '{name}' is invalid");
                return Err(errors::refused("InvalidParameterValue", message));
            }
            let values: Vec<String> = filter.list("Value").into_iter().map(str::to_owned).collect();
            if values.is_empty() {
                let message = format!("The filter '{name}' has no value");
                return Err(errors::refused("InvalidParameterValue", message));
            }
            Ok((name, values))
        });
        filters.collect::<Result<_, _>>().map(Self)
    }

    /// Whether all filters hold; `values` gives what a thing has under a filter's name.
    pub fn hold<'v>(&self, tags: &Tags, values: impl Fn(&str) -> Vec<&'v str>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let has = |value: &str| wanted.iter().any(|pattern| matches(pattern, value));
            match name.strip_prefix("tag:") {
                Some(key) => tags.get(key).is_some_and(|value| has(value)),
                None if name == "tag-key" => tags.keys().any(|key| has(key)),
                None => values(name).into_iter().any(has),
            }
        })
    }
}

/// Whether a text matches a pattern with `*`, `?` and `\`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to continue after the last `*` if the text after it does not match.
    let mut retry = None;
    while t < text.len() {
        let (literal, width) = match pattern.get(p) {
            Some('\\') if pattern.get(p + 1).is_some() => (true, 2),
            _ => (false, 1),
        };
        match pattern.get(p + width - 1) {
            Some('*') if !literal => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if (*c == '?' && !literal) || *c == text[t] => {
                p += width;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_ec2() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web1", false),
            ("web*", "web", true),
            ("w?b", "wab", true),
            ("w?b", "wb", false),
            ("*-2024-*", "web-2024-05", true),
            ("*a*b*c", "xaxbxbc", true),
            ("*a*b*c", "xaxbxb", false),
            (r"50\*", "50*", true),
            (r"50\*", "500", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            (r"a\", r"a\", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }
}
