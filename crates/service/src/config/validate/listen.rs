//! Checks where the workers listen, and that what others reach asks for a token.

use std::path::Path;

use super::super::token::{self, ListenToken, MissingToken};
use super::super::{Env, Secret, Workers};
use super::Check;
use super::locate::Step::{self, Key};

/// How to get a token.
const GOOD: &str = "use at least 16 random characters, as `openssl rand -hex 32` prints them";

impl Check<'_> {
    pub(super) fn listen(&mut self, workers: &Workers, env: &dyn Env) -> ListenToken {
        let both =
            [("source_listen", workers.source_listen), ("target_listen", workers.target_listen)];
        if workers.source_listen == workers.target_listen && workers.source_listen.port() != 0 {
            self.report(
                &at("target_listen"),
                "source_listen and target_listen are the same address".to_owned(),
                "give each role its own address, because both may run on one machine",
            );
        }
        let is_open = !workers.names_token() && !workers.listen_without_token;
        for (key, address) in both.into_iter().filter(|_| is_open) {
            if !token::is_loopback(address) {
                let message = format!(
                    "{address} is not loopback and asks for no token: who reaches it reads account \
                     ids, families and image ids"
                );
                let fix = "name a token with listen_token_env or listen_token_file in [workers], or set \
                           listen_without_token = true if something else guards the port, such as a \
                           network policy or a proxy beside the worker";
                self.report(&at(key), message, fix);
            }
        }
        if workers.listen_without_token && workers.names_token() {
            self.report(
                &at("listen_without_token"),
                "listen_without_token = true contradicts the token that is named".to_owned(),
                "keep one of them",
            );
        }
        self.token(workers.listen_token_env.as_deref(), workers.listen_token_file.as_deref(), env)
    }

    fn token(&mut self, variable: Option<&str>, file: Option<&Path>, env: &dyn Env) -> ListenToken {
        match (variable, file) {
            (None, None) => ListenToken::NotConfigured,
            (Some(""), None) => {
                let fix = "name the variable, or leave the key out";
                self.report(&at("listen_token_env"), "a variable without a name".to_owned(), fix);
                ListenToken::NotConfigured
            }
            (Some(name), None) => match env.get(name) {
                Some(value) => {
                    if let Some(mistake) = token::mistake(&value) {
                        let message = format!("the token in {name} {mistake}");
                        self.report(&at("listen_token_env"), message, GOOD);
                    }
                    ListenToken::Known(Secret::new(value))
                }
                None => ListenToken::Missing(MissingToken::Variable(name.to_owned())),
            },
            // A file is read only with the file that names it.
            (None, Some(path)) => ListenToken::Missing(MissingToken::File {
                path: path.display().to_string(),
                why: "it was not read".to_owned(),
            }),
            (Some(_), Some(_)) => {
                self.report(
                    &at("listen_token_file"),
                    "both listen_token_env and listen_token_file are given".to_owned(),
                    "keep one of them",
                );
                ListenToken::NotConfigured
            }
        }
    }

    /// Warns of a variable that should hold the token and does not. Reports need it only where a worker
    /// is asked, so it is no mistake.
    pub(super) fn listen_doubts(&mut self, token: &ListenToken) {
        if let ListenToken::Missing(MissingToken::Variable(name)) = token {
            self.warn(
                &at("listen_token_env"),
                format!("the environment variable {name} is not set here"),
                "set it where a worker runs, and where a report asks one: it holds the token of the \
                 worker's port",
            );
        }
    }
}

fn at(key: &str) -> [Step<'_>; 2] {
    [Key("workers"), Key(key)]
}
