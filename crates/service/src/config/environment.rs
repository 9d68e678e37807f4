//! The environment, from which secrets and endpoints outside the file come.

use std::collections::BTreeMap;

/// Environment variables by name.
pub trait Env {
    /// The value; `None` if it is unset, empty or not Unicode.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn get(&self, name: &str) -> Option<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the configuration reads the environment"
        )]
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

/// A fixed environment; an empty map is an empty environment.
impl Env for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).filter(|value| !value.is_empty()).cloned()
    }
}
