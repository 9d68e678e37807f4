//! Pages of the describe calls: `MaxResults` and opaque tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ec2::errors;
use crate::wire::ApiError;
use crate::wire::form::Form;

use super::request::number;

/// Which part of a listing is asked for.
#[derive(Debug)]
pub struct Page {
    /// The key of the last item of the page before.
    pub after: Option<String>,
    size: usize,
}

/// One page and the token for the next.
#[derive(Debug)]
pub struct Cut<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

impl Page {
    /// Reads `MaxResults`, which must be in `sizes`, and `NextToken`; all on one page without. No
    /// page has more than the `longest`.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `InvalidNextToken`.
    pub fn parse(
        form: &Form,
        sizes: std::ops::RangeInclusive<u32>,
        longest: usize,
    ) -> Result<Self, ApiError> {
        let size = match number(form, "MaxResults")? {
            None => usize::MAX,
            Some(size) if sizes.contains(&size) => (size as usize).min(longest),
            Some(size) => {
                let why = format!("Expecting {} to {}.", sizes.start(), sizes.end());
                return Err(errors::invalid("MaxResults", size, why));
            }
        };
        let after = match form.get("NextToken") {
            None => None,
            Some(token) => Some(decode(token).ok_or_else(|| {
                errors::refused("InvalidNextToken", "The specified NextToken is not valid.")
            })?),
        };
        Ok(Self { after, size })
    }

    /// Cuts the page out of what comes after [`Page::after`].
    pub fn cut<T>(&self, rest: impl Iterator<Item = T>, key: impl Fn(&T) -> String) -> Cut<T> {
        let mut rest = rest.peekable();
        let items: Vec<T> = rest.by_ref().take(self.size).collect();
        let next = match (rest.peek(), items.last()) {
            (Some(_), Some(last)) => Some(URL_SAFE_NO_PAD.encode(format!("after {}", key(last)))),
            _ => None,
        };
        Cut { items, next }
    }
}

fn decode(token: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("after ").map(str::to_owned)
}
