//! Compares a page that is generated with what is in the repository.

use std::fs;
use std::path::Path;

/// Compares a page with what it should be, or writes it when asked to.
pub fn check(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    if std::env::var_os("AMIFERRY_BLESS").is_some() {
        fs::write(&file, expected).unwrap();
    }
    let is_same = fs::read_to_string(&file).is_ok_and(|text| text == expected);
    assert!(is_same, "{path} is out of date: run with AMIFERRY_BLESS=1");
}
