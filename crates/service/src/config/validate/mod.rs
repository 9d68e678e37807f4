//! Compares the parts of the configuration with each other, and reports each problem with its
//! place.

mod destinations;
mod doubts;
mod listen;
mod locate;
mod places;
mod policies;
mod retired;

use std::collections::BTreeSet;

use amiferry_core::endpoint::{self, BadEndpoint};
use amiferry_core::policy::Policies;
use amiferry_core::span::Span;
use toml::Spanned;
use toml::de::DeTable;

use self::locate::Step::{self, Item, Key};
use self::locate::{locate, text_at};
use super::file;
use super::prices;
use super::problem::{ConfigError, MOST_PROBLEMS, Problem, Warnings};
use super::shape::Read;
use super::{Aws, Config, Destination, Env, Needs, Prune, Source, Vault, Workers};

/// The shortest floor of `amiferry prune`.
const SHORTEST_FLOOR: Span = Span::from_secs(3_600);

/// The variables from which the AWS SDK takes endpoints, for the services in use.
const ENDPOINT_VARIABLES: [&str; 6] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_STS",
];

/// Builds the configuration, or answers with every problem that was found, and with every doubt that does
/// not depend on one.
pub(super) fn validate(
    read: Read,
    text: &str,
    path: &str,
    env: &dyn Env,
    needs: Needs,
) -> Result<Config, ConfigError> {
    let Read { file, problems, spoilt } = read;
    let (document, _) = DeTable::parse_recoverable(text);
    let (mut errors, warnings) = (Kept::default(), Kept::default());
    for problem in problems {
        errors.add(|| problem);
    }
    let Some(file) = file else { return Err(ConfigError::new(path, errors.in_order())) };
    let mut check = Check { text, document, spoilt, errors, warnings };
    check.something_of(&file, needs);
    check.workers(&file.workers);
    let listen_token = check.listen(&file.workers, env);
    check.prune(&file.prune);
    let aws = check.aws(file.aws, env);
    let sources: Vec<Source> = file
        .source
        .into_iter()
        .enumerate()
        .map(|(index, source)| check.source(index, source, env))
        .collect();
    let vaults: Vec<Vault> = file
        .vault
        .into_iter()
        .enumerate()
        .map(|(index, vault)| check.vault(index, vault))
        .collect();
    let destinations: Vec<Destination> = file
        .destination
        .into_iter()
        .enumerate()
        .map(|(index, destination)| check.destination(index, destination))
        .collect();
    check.no_two_alike(&sources, &vaults);
    check.destinations(&destinations, &sources, &vaults);
    check.prune_profiles(&vaults, aws.vault_profile.as_deref());
    check.policies(&file.policy, &vaults);
    check.retired(&file.retired);
    let policies = Policies(file.policy, file.retired);
    check.all_doubts(&policies, &sources, &vaults, file.workers.sweep_interval);
    check.listen_doubts(&listen_token);
    let warnings = Warnings::new(path, check.warnings.in_order());
    let errors = check.errors.in_order();
    if !errors.is_empty() {
        return Err(ConfigError::new(path, errors).beside(warnings));
    }
    let (prices, price_file) = (prices::built_in(), file.cost.prices);
    let (workers, prune) = (file.workers, file.prune);
    Ok(Config {
        sources,
        vaults,
        destinations,
        policies,
        workers,
        listen_token,
        prune,
        prices,
        price_file,
        aws,
        warnings,
    })
}

struct Check<'a> {
    text: &'a str,
    document: Spanned<DeTable<'a>>,
    /// The tables in which something could not be read: what they say is not compared.
    spoilt: BTreeSet<(String, Option<usize>)>,
    errors: Kept,
    warnings: Kept,
}

/// The first problems, and how many more there are.
#[derive(Default)]
struct Kept {
    problems: Vec<Problem>,
    unshown: usize,
}

impl Kept {
    fn add(&mut self, problem: impl FnOnce() -> Problem) {
        if self.problems.len() + 1 < MOST_PROBLEMS {
            self.problems.push(problem());
        } else {
            self.unshown += 1;
        }
    }

    /// The kept problems in the order of the file, and a line about the others.
    fn in_order(mut self) -> Vec<Problem> {
        // What stands nowhere comes last.
        self.problems.sort_by_key(|problem| {
            let place = problem.place.as_ref();
            (place.is_none(), place.map(|place| (place.line, place.column)))
        });
        if self.unshown > 0 {
            let message = format!("there are {} more problems", self.unshown);
            self.problems.push(Problem::new(message).fix("fix the first ones and check again"));
        }
        self.problems
    }
}

/// What is wrong at a place, which is looked for only if it is shown.
fn problem(
    (text, document): (&str, &Spanned<DeTable<'_>>),
    at: &[Step<'_>],
    message: String,
    fix: &str,
) -> Problem {
    let mut problem = Problem::new(message).fix(fix);
    problem.place = locate(text, document, at);
    problem
}

impl Check<'_> {
    /// What makes the configuration unusable.
    fn report(&mut self, at: &[Step<'_>], message: String, fix: &str) {
        if !self.is_in_spoilt(at) {
            self.report_as_written(at, message, fix);
        }
    }

    /// The same of values that [`is_written`](Self::is_written) found in the file, whatever else in their
    /// table cannot be read.
    fn report_as_written(&mut self, at: &[Step<'_>], message: String, fix: &str) {
        let file = (self.text, &self.document);
        self.errors.add(|| problem(file, at, message, fix));
    }

    /// A setting that is allowed but probably not intended.
    fn warn(&mut self, at: &[Step<'_>], message: String, fix: &str) {
        if !self.is_in_spoilt(at) {
            let file = (self.text, &self.document);
            self.warnings.add(|| problem(file, at, message, fix));
        }
    }

    /// Whether the file has this text there, and nothing stands in for it.
    fn is_written(&self, at: &[Step<'_>], value: &str) -> bool {
        text_at(&self.document, at) == Some(value)
    }

    /// Whether something of the table at this place could not be read.
    fn is_in_spoilt(&self, at: &[Step<'_>]) -> bool {
        match at {
            [Key(section), Item(index), ..] => self.is_spoilt(section, Some(*index)),
            _ => false,
        }
    }

    /// Whether something in this table could not be read.
    fn is_spoilt(&self, section: &str, index: Option<usize>) -> bool {
        self.spoilt.contains(&(section.to_owned(), index))
    }

    /// Whether something in any table of this section could not be read.
    fn has_spoilt(&self, section: &str) -> bool {
        self.spoilt.iter().any(|(name, _)| name == section)
    }

    fn something_of(&mut self, file: &file::File, needs: Needs) {
        for (name, missing, what) in [
            ("source", file.source.is_empty(), "an account and Region whose AMIs are protected"),
            ("vault", file.vault.is_empty(), "an account and Region that holds the copies"),
            (
                "policy",
                file.policy.is_empty(),
                "which images to protect, where, and with which RPO",
            ),
        ] {
            let is_needed = needs == Needs::Everything || name == "vault";
            if missing && is_needed && !self.has_spoilt(name) {
                self.report(
                    &[],
                    format!("there is no [[{name}]]"),
                    &format!("add one: it names {what}; see `amiferry config example`"),
                );
            }
        }
    }

    fn workers(&mut self, workers: &Workers) {
        if let Some(size) = workers.part_size_mib
            && !(5..=5120).contains(&size.get())
        {
            self.report(
                &[Key("workers"), Key("part_size_mib")],
                format!("S3 refuses parts of {size} MiB"),
                "use 5 to 5120, or leave the key out",
            );
        }
        for (key, number, most) in [
            ("batch", workers.batch, 10_000),
            ("effects_in_flight", workers.effects_in_flight, 10_000),
            ("copies_in_flight", workers.copies_in_flight, 1_000),
            ("parts_in_flight", workers.parts_in_flight, 10_000),
            ("backlog", workers.backlog, 1_000_000),
        ] {
            if number.get() > most {
                let message = format!("{key} = {number} is more than any machine can handle");
                self.report(&[Key("workers"), Key(key)], message, &format!("use 1 to {most}"));
            }
        }
    }

    fn prune(&mut self, prune: &Prune) {
        let here = |key| [Key("prune"), Key(key)];
        if prune.most_percent > 100 {
            let message = format!("most_percent = {} is more than all", prune.most_percent);
            self.report(&here("most_percent"), message, "use 0 to 100");
        }
        if prune.floor < SHORTEST_FLOOR {
            self.report(
                &here("floor"),
                format!("a floor of {} protects nothing that was just copied", prune.floor),
                "use 1h or more: a recovery point and its AMI must be seen to be sound before an \
                 older one can go for them",
            );
        }
    }

    fn aws(&mut self, aws: Aws, env: &dyn Env) -> Aws {
        let allow = aws.allow_insecure_endpoint;
        if let Some(url) = &aws.endpoint_url
            && let Err(BadEndpoint { problem, fix }) = endpoint::check(url, allow)
        {
            self.report(&[Key("aws"), Key("endpoint_url")], problem, fix);
        }
        for variable in ENDPOINT_VARIABLES {
            if let Some(url) = env.get(variable)
                && let Err(BadEndpoint { problem, fix }) = endpoint::check(&url, allow)
            {
                self.report(&[], format!("environment variable {variable}: {problem}"), fix);
            }
        }
        for (key, profile) in
            [("source_profile", &aws.source_profile), ("vault_profile", &aws.vault_profile)]
        {
            self.profile(&[Key("aws"), Key(key)], profile.as_deref());
        }
        let endpoint_url = aws.endpoint_url.or_else(|| env.get(ENDPOINT_VARIABLES[0]));
        Aws { endpoint_url, ..aws }
    }
}
