//! Parameters of the query protocols: `A=1&B.1.Name=x&B.1.Value.1=y`.

use std::collections::BTreeMap;

use super::ApiError;

/// The decoded form body of a query-protocol call.
#[derive(Debug, Clone, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Decodes a form body.
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `MissingParameter`, in EC2's words.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            ApiError::new(
                400,
                "MissingParameter",
                format!("The request must contain the parameter {name}"),
            )
        })
    }

    /// The parameters that are no list and no structure, by name.
    pub fn plain(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| !name.contains('.'))
    }

    /// `true` only for the value `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The values `PREFIX.1`, `PREFIX.2`, …, in order of their numbers.
    pub fn list(&self, prefix: &str) -> Vec<&str> {
        (1..).map_while(|n| self.get(&format!("{prefix}.{n}"))).collect()
    }

    /// The structures `PREFIX.1.*`, `PREFIX.2.*`, … each as a form of its own.
    pub fn structures(&self, prefix: &str) -> Vec<Self> {
        (1..).map_while(|n| self.structure(&format!("{prefix}.{n}"))).collect()
    }

    /// The structure `PREFIX.*`, if it has any member.
    pub fn structure(&self, prefix: &str) -> Option<Self> {
        let start = format!("{prefix}.");
        let members: BTreeMap<String, String> = self
            .0
            .range(start.clone()..)
            .take_while(|(key, _)| key.starts_with(&start))
            .map(|(key, value)| (key[start.len()..].to_owned(), value.clone()))
            .collect();
        (!members.is_empty()).then_some(Self(members))
    }
}
