//! Patterns of policies: wildcards, and the policy variables that are replaced by what a request
//! says.

use super::keys;

/// `*` stands for any text, `?` for any one character.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let pattern = pattern.as_bytes();
    glob(pattern.len(), |at| Glob::of(pattern[at]), text.as_bytes())
}

/// Each of the six fields of an ARN is compared by itself, so that `*` does not cross a colon.
fn arn_like(pattern: &[Glob], text: &str) -> bool {
    let is_colon = |glob: &Glob| *glob == Glob::Byte(b':');
    let wanted: Vec<&[Glob]> = pattern.splitn(6, is_colon).collect();
    let actual: Vec<&str> = text.splitn(6, ':').collect();
    wanted.len() == actual.len()
        && wanted
            .iter()
            .zip(&actual)
            .all(|(wanted, actual)| glob(wanted.len(), |at| wanted[at], actual.as_bytes()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glob {
    Any,
    One,
    Byte(u8),
}

impl Glob {
    fn of(byte: u8) -> Self {
        match byte {
            b'*' => Self::Any,
            b'?' => Self::One,
            byte => Self::Byte(byte),
        }
    }
}

fn glob(length: usize, pattern: impl Fn(usize) -> Glob, text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to continue if the text after the last `*` does not match.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match (p < length).then(|| pattern(p)) {
            Some(Glob::Any) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(Glob::One) => (p, t) = (p + 1, t + 1),
            Some(Glob::Byte(byte)) if byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((behind, from)) = retry else { return false };
                retry = Some((behind, from + 1));
                (p, t) = (behind, from + 1);
            }
        }
    }
    (p..length).all(|at| pattern(at) == Glob::Any)
}

/// What a request says about a condition key; several values for a multivalued key.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// A text of a policy that may hold wildcards and variables such as `${aws:PrincipalAccount}`.
///
/// A variable's value is taken literally: wildcards in it are no wildcards. A variable without a
/// value and without a default makes the template match nothing, as in IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    /// `None` where there is no variable.
    pieces: Option<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `${*}`, `${?}` and `${$}`: the character itself.
    Literal(char),
    Variable {
        key: String,
        default: Option<String>,
    },
}

impl Template {
    /// Reads a text; `variables` says whether the policy's version has them.
    ///
    /// # Errors
    /// A variable that is not closed, whose key is not known, or that the version does not have.
    pub fn parse(text: &str, variables: bool) -> Result<Self, String> {
        if !text.contains("${") {
            return Ok(Self { text: text.to_owned(), pieces: None });
        }
        if !variables {
            return Err(format!(
                "{text:?} is taken literally unless the policy says \"Version\": \"2012-10-17\"; \
                 policy variables came with it"
            ));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            pieces.push(Piece::Text(before.to_owned()));
            let (inside, after) = behind
                .split_once('}')
                .ok_or_else(|| format!("the policy variable in {text:?} is not closed"))?;
            pieces.push(Piece::parse(inside)?);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self { text: text.to_owned(), pieces: Some(pieces) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the text fits, with wildcards.
    pub(crate) fn like(&self, text: &str, lookup: Lookup<'_>) -> bool {
        match &self.pieces {
            None => like(&self.text, text),
            Some(_) => self
                .expanded(lookup)
                .is_some_and(|globs| glob(globs.len(), |at| globs[at], text.as_bytes())),
        }
    }

    /// Whether the text fits as an ARN.
    pub(crate) fn arn_like(&self, text: &str, lookup: Lookup<'_>) -> bool {
        self.expanded(lookup).is_some_and(|globs| arn_like(&globs, text))
    }

    /// The text with its variables replaced, for comparisons without wildcards.
    pub(crate) fn filled(&self, lookup: Lookup<'_>) -> Option<String> {
        let Some(pieces) = &self.pieces else { return Some(self.text.clone()) };
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Literal(sign) => Some(sign.to_string()),
                Piece::Variable { .. } => piece.value(lookup),
            })
            .collect()
    }

    fn expanded(&self, lookup: Lookup<'_>) -> Option<Vec<Glob>> {
        let Some(pieces) = &self.pieces else {
            return Some(self.text.bytes().map(Glob::of).collect());
        };
        let mut globs = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => globs.extend(text.bytes().map(Glob::of)),
                Piece::Literal(sign) => globs.extend(sign.to_string().bytes().map(Glob::Byte)),
                Piece::Variable { .. } => {
                    globs.extend(piece.value(lookup)?.bytes().map(Glob::Byte));
                }
            }
        }
        Some(globs)
    }
}

impl Piece {
    fn parse(inside: &str) -> Result<Self, String> {
        if let "*" | "?" | "$" = inside {
            return Ok(Self::Literal(char::from(inside.as_bytes()[0])));
        }
        let (key, default) = match inside.split_once(',') {
            None => (inside.trim(), None),
            Some((key, default)) => {
                let quoted = default.trim();
                let bare = quoted.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
                let bare = bare.ok_or_else(|| {
                    format!("the default value in ${{{inside}}} must stand in single quotes")
                })?;
                (key.trim(), Some(bare.to_owned()))
            }
        };
        keys::check(key).map_err(|error| format!("policy variable ${{{inside}}}: {error}"))?;
        Ok(Self::Variable { key: key.to_owned(), default })
    }

    fn value(&self, lookup: Lookup<'_>) -> Option<String> {
        let Self::Variable { key, default } = self else { return None };
        match <[String; 1]>::try_from(lookup(key)) {
            Ok([value]) => Some(value),
            Err(none) if none.is_empty() => default.clone(),
            // A multivalued key cannot stand in a text.
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_in_iam() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*bin", "x/bin/y.bin", true),
            ("", "a", false),
            ("a*b*c", "a--b--b--c", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} on {text}");
        }
        let arn = |pattern: &str, text: &str| {
            Template::parse(pattern, true).unwrap().arn_like(text, &|_| Vec::new())
        };
        assert!(arn("arn:aws:s3:*:*:b*", "arn:aws:s3:::bucket"));
        assert!(!arn("arn:aws:*:bucket", "arn:aws:s3:::bucket"));
    }

    #[test]
    fn variables_are_replaced_literally_and_without_a_value_match_nothing() {
        let lookup = |key: &str| match key {
            "aws:PrincipalAccount" => vec!["111111111111".to_owned()],
            "aws:username" => vec!["a*b".to_owned()],
            _ => Vec::new(),
        };
        for (pattern, text, expected) in [
            ("b-${aws:PrincipalAccount}/*", "b-111111111111/k", true),
            ("b-${aws:PrincipalAccount}/*", "b-222222222222/k", false),
            ("home/${aws:username}/*", "home/a*b/k", true),
            ("home/${aws:username}/*", "home/axxb/k", false),
            ("x/${aws:PrincipalTag/team}", "x/", false),
            ("x/${aws:PrincipalTag/team, 'none'}", "x/none", true),
            ("x/${*}", "x/*", true),
            ("x/${*}", "x/y", false),
            ("x/${$}{a}", "x/${a}", true),
        ] {
            let template = Template::parse(pattern, true).unwrap();
            assert_eq!(template.like(text, &lookup), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn variables_that_cannot_work_are_refused_by_name() {
        for (text, variables, named) in [
            ("x/${aws:Colour}", true, "aws:Colour"),
            ("x/${aws:username", true, "not closed"),
            ("x/${aws:username, none}", true, "single quotes"),
            ("x/${aws:username}", false, "2012-10-17"),
        ] {
            let error = Template::parse(text, variables).unwrap_err();
            assert!(error.contains(named), "{error} should name {named}");
        }
    }
}
