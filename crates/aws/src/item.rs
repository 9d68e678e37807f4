//! Words for what an item of a listing lacks, and the checks that find it.

use std::str::FromStr;

/// Why an item cannot be read.
pub(crate) type Why = String;

/// The item lacks a field that it needs.
pub(crate) fn missing(field: &str) -> Why {
    format!("it has no {field}")
}

/// A field has a value that means nothing here.
pub(crate) fn strange(field: &str, value: &str) -> Why {
    format!("its {field} is not understood: {value}")
}

/// A field that must hold something.
pub(crate) fn text<'a>(field: &str, value: Option<&'a str>) -> Result<&'a str, Why> {
    value.filter(|text| !text.is_empty()).ok_or_else(|| missing(field))
}

/// A field that must hold a value of this type.
pub(crate) fn parsed<T: FromStr>(field: &str, value: Option<&str>) -> Result<T, Why> {
    let text = text(field, value)?;
    text.parse().map_err(|_| strange(field, text))
}

/// A count that AWS models as a signed number.
pub(crate) fn number<N: Copy + ToString, T: TryFrom<N>>(
    field: &str,
    value: Option<N>,
) -> Result<Option<T>, Why> {
    value.map(|n| T::try_from(n).map_err(|_| strange(field, &n.to_string()))).transpose()
}
