//! Reads the table of prices from which costs are estimated.

use std::path::Path;

use amiferry_core::cost::Prices;

use super::problem::{ConfigError, Place, Problem};
use super::{LARGEST, read_at_most};

/// The table that is built in.
const BUILT_IN: &str = include_str!("../../../../deploy/prices.toml");

/// The prices that are built in; a test reads them.
pub(super) fn built_in() -> Prices {
    toml::from_str(BUILT_IN).unwrap_or(Prices {
        schema_version: amiferry_core::cost::SCHEMA_VERSION,
        as_of: String::new(),
        currency: "USD".to_owned(),
        source: String::new(),
        region: Vec::new(),
    })
}

/// Reads a table of prices.
///
/// # Errors
/// A file that cannot be read, is no such table, or has impossible prices.
pub(super) fn load(path: &Path) -> Result<Prices, ConfigError> {
    let shown = path.display().to_string();
    let refuse = |problems: Vec<Problem>| ConfigError::new(&shown, problems);
    let text = read_at_most(path, LARGEST + 1).map_err(|error| {
        let problem = Problem::new(format!("the table of prices cannot be read: {error}"))
            .fix("name a readable file with prices under [cost], or leave the key out");
        refuse(vec![problem])
    })?;
    let prices: Prices = toml::from_str(&text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let mut problem =
            Problem::new(message).fix("copy deploy/prices.toml and change its prices");
        problem.place = error.span().map(|span| Place::of(&text, span));
        refuse(vec![problem])
    })?;
    let mistakes = prices.mistakes();
    if mistakes.is_empty() {
        return Ok(prices);
    }
    let fix = "copy deploy/prices.toml and change its prices";
    Err(refuse(mistakes.into_iter().map(|mistake| Problem::new(mistake).fix(fix)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_prices_are_a_table_without_mistakes() {
        let prices: Prices = toml::from_str(BUILT_IN).unwrap();
        assert_eq!(prices.mistakes(), Vec::<String>::new());
        assert_eq!(prices, built_in());
        assert!(prices.region.len() >= 2);
    }

    #[test]
    fn a_file_that_is_no_table_of_prices_is_named_with_its_mistake() {
        let folder = std::env::temp_dir().join(format!("amiferry-prices-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let said = |text: &str| {
            let file = folder.join("prices.toml");
            std::fs::write(&file, text).unwrap();
            load(&file).map_err(|error| error.to_string())
        };
        assert!(said(BUILT_IN).is_ok());
        let negative = BUILT_IN.replace("transfer = 0.02", "transfer = -0.02");
        assert!(said(&negative).unwrap_err().contains("us-east-1 is negative"));
        assert!(said("currency = 1").unwrap_err().contains("prices.toml"));
        let missing = load(&folder.join("none.toml")).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
