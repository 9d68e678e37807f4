//! One TOML file for both roles, read once into validated values.
//!
//! `file` is the shape of the text, `shape` finds every mistake in it, `validate` compares its parts
//! with each other, and `problem` shows a mistake at its place. Only secrets and endpoints may come from the environment.

mod environment;
mod file;
mod prices;
mod problem;
mod queue_url;
mod secret;
mod select;
mod shape;
#[cfg(test)]
mod tests;
mod token;
mod validate;

use std::io::Read as _;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

use amiferry_core::cost::Prices;
use amiferry_core::encoding::utf8;
use amiferry_core::ids::{AccountId, Arn, BucketName, Region};
use amiferry_core::model::RetentionMode;
use amiferry_core::names::{SourceId, VaultId};
use amiferry_core::pacing::CallRate;
use amiferry_core::policy::Policies;
use amiferry_core::retention::Brake;
use amiferry_core::span::Span;
use serde::Deserialize;

pub use self::environment::{Env, ProcessEnv};
pub use self::problem::{ConfigError, Place, Problem, Warnings};
pub use self::queue_url::QueueUrl;
pub use self::secret::{ExternalId, MissingSecret, Secret};
pub use self::select::SelectError;
pub use self::token::{ListenToken, MissingToken};

/// A working file that explains every key.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The largest file that is read, in bytes: thousands of policies.
pub const LARGEST: u64 = 1 << 20;

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The accounts and Regions whose AMIs are protected; at least one.
    pub sources: Vec<Source>,
    /// The accounts and Regions that hold the copies; at least one.
    pub vaults: Vec<Vault>,
    /// The other accounts and Regions that `amiferry restore --into` may make images in.
    pub destinations: Vec<Destination>,
    /// What is promised, in the order of the file; at least one policy.
    pub policies: Policies,
    /// How the workers work.
    pub workers: Workers,
    /// What the workers' admin servers ask for.
    pub listen_token: ListenToken,
    /// How much `amiferry prune` may delete.
    pub prune: Prune,
    /// The prices of estimates: those that are built in, unless the file names others.
    pub prices: Prices,
    /// The file of those others.
    pub price_file: Option<PathBuf>,
    /// How AWS is reached.
    pub aws: Aws,
    /// Warnings about settings that are allowed but probably not intended.
    pub warnings: Warnings,
}

/// An account and Region whose AMIs are protected.
#[derive(Debug, Clone)]
pub struct Source {
    pub account: AccountId,
    pub region: Region,
    /// The source worker's queue.
    pub queue_url: QueueUrl,
    /// The bucket that EC2 stores images to, in this account and Region.
    pub staging_bucket: BucketName,
    /// What comes before the Region in a staged key; may be empty.
    pub staging_prefix: String,
    /// Gigabytes of images that may be in progress to S3 at once.
    pub store_quota_gb: NonZeroU64,
    /// EC2's limit on calls that store an image.
    pub store_calls: CallRate,
    /// Its turns in the plan for each turn of a source of weight 1.
    pub weight: NonZeroU32,
    /// Gigabytes of its images that may be begun in a day.
    pub daily_gb: NonZeroU64,
    /// How many of its images may be begun in a day.
    pub daily_images: NonZeroU32,
    /// The role in the source account that the vault assumes to describe.
    pub read_role_arn: Arn,
    /// The external id that the vault presents when it assumes that role.
    pub external_id: ExternalId,
    /// The profile that its worker takes its credentials from, if not [`Aws::source_profile`].
    pub profile: Option<String>,
}

/// An account and Region that holds copies.
#[derive(Debug, Clone)]
pub struct Vault {
    pub account: AccountId,
    pub region: Region,
    /// The target worker's queue.
    pub queue_url: QueueUrl,
    /// The vault bucket, in this account and Region.
    pub bucket: BucketName,
    /// What comes before the source account in a vault key; may be empty.
    pub prefix: String,
    /// The KMS key of the vault bucket, in this Region.
    pub key_arn: Arn,
    /// Gigabytes of images that may be restoring at once.
    pub restore_quota_gb: NonZeroU64,
    /// EC2's limit on calls that restore an image.
    pub restore_calls: CallRate,
    /// The Object Lock mode of what a policy's `retention` protects.
    ///
    /// `governance` by default: in `compliance` mode no one, not even the account's root user, can
    /// correct a retention that is too long, so a user must choose it explicitly.
    pub lock_mode: RetentionMode,
    /// Whether it is meant to be in the Region of a source.
    pub allow_same_region: bool,
    /// The profile that its worker takes its credentials from, if not [`Aws::vault_profile`].
    pub profile: Option<String>,
    /// The profile of `amiferry prune` in this vault; never that of its worker.
    pub prune_profile: Option<String>,
    /// The event bus that is told of changes, in this Region.
    pub event_bus_arn: Option<Arn>,
}

/// An account and Region that a person may restore into, beside the vault.
#[derive(Debug, Clone)]
pub struct Destination {
    pub account: AccountId,
    pub region: Region,
    /// The bucket, in this account and Region, that objects are copied to before they are restored.
    pub bucket: BucketName,
    /// What comes before the source account in a key there; may be empty.
    pub prefix: String,
    /// The KMS key that encrypts the copies, in this Region.
    pub key_arn: Arn,
    /// Gigabytes of images that may be restoring at once.
    pub restore_quota_gb: NonZeroU64,
    /// EC2's limit on calls that restore an image.
    pub restore_calls: CallRate,
    /// The role that is assumed there for EC2; `None` in the vault's own account.
    pub role_arn: Option<Arn>,
}

impl Destination {
    /// Which place it is.
    pub fn id(&self) -> VaultId {
        VaultId { account: self.account.clone(), region: self.region.clone() }
    }
}

impl Source {
    /// Which source it is.
    pub fn id(&self) -> SourceId {
        SourceId { account: self.account.clone(), region: self.region.clone() }
    }
}

impl Vault {
    /// Which vault it is.
    pub fn id(&self) -> VaultId {
        VaultId { account: self.account.clone(), region: self.region.clone() }
    }
}

/// How workers work; each key has a default that suits a small machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// Time between two sweeps over everything in scope.
    pub sweep_interval: Span,
    /// Time until the next look at running work while no event reports its end.
    pub poll_interval: Span,
    /// Maximum number of images observed in one round of calls; EC2 takes up to 200 ids in a
    /// filter.
    pub batch: NonZeroUsize,
    /// Maximum number of short effects (a call or a few) at once.
    pub effects_in_flight: NonZeroUsize,
    /// Maximum number of objects that a target worker copies at once.
    pub copies_in_flight: NonZeroUsize,
    /// Maximum number of parts of one object copied at once.
    pub parts_in_flight: NonZeroUsize,
    /// Size of a part in MiB, 5 to 5,120; absent: planned from the object's size.
    pub part_size_mib: Option<NonZeroU32>,
    /// Maximum number of images and messages in memory while no look succeeds; at that number the
    /// worker stops receiving. A sweep pauses for a source while half as many of its images wait
    /// for their first look.
    pub backlog: NonZeroUsize,
    /// How long effects may continue after the first SIGTERM.
    pub grace: Span,
    /// Where a source worker serves `/metrics`, `/livez` and `/readyz`; port 0 picks a free port.
    pub source_listen: SocketAddr,
    /// Where a target worker serves the same.
    pub target_listen: SocketAddr,
    /// The environment variable with the token that both ask for.
    pub listen_token_env: Option<String>,
    /// The file with that token.
    pub listen_token_file: Option<PathBuf>,
    /// Allows an address that others reach without a token.
    pub listen_without_token: bool,
}

impl Default for Workers {
    fn default() -> Self {
        const fn count(number: usize) -> NonZeroUsize {
            match NonZeroUsize::new(number) {
                Some(number) => number,
                None => NonZeroUsize::MIN,
            }
        }
        Self {
            sweep_interval: Span::from_secs(15 * 60),
            poll_interval: Span::from_secs(30),
            batch: count(100),
            effects_in_flight: count(8),
            copies_in_flight: count(2),
            parts_in_flight: count(16),
            part_size_mib: None,
            backlog: count(1000),
            grace: Span::from_secs(25),
            source_listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            target_listen: SocketAddr::from(([127, 0, 0, 1], 9465)),
            listen_token_env: None,
            listen_token_file: None,
            listen_without_token: false,
        }
    }
}

/// How much `amiferry prune` may delete, whatever the rules of the policies say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prune {
    /// How many recovery points may lose something in one run.
    pub most: u32,
    /// How many of a hundred, rounded up.
    pub most_percent: u32,
    /// Nothing younger than this goes.
    pub floor: Span,
}

impl Default for Prune {
    fn default() -> Self {
        let Brake { most, most_percent } = Brake::default();
        Self { most, most_percent, floor: Span::from_secs(24 * 3_600) }
    }
}

impl Prune {
    /// The brake of one run.
    pub fn brake(&self) -> Brake {
        Brake { most: self.most, most_percent: self.most_percent }
    }
}

/// How to reach AWS; credentials and everything else come from the usual `AWS_*` variables.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    /// One endpoint for every service; absent: `AWS_ENDPOINT_URL`, or AWS itself.
    pub endpoint_url: Option<String>,
    /// Allows an endpoint that is neither AWS over TLS nor on loopback.
    pub allow_insecure_endpoint: bool,
    /// The profile of the source workers whose source names none.
    pub source_profile: Option<String>,
    /// The profile of the target workers whose vault names none.
    pub vault_profile: Option<String>,
}

impl Config {
    /// Reads a configuration from text; `path` is only shown in errors.
    ///
    /// # Errors
    ///
    /// Everything that is wrong: each problem with its place, what was expected, and the fix; and what
    /// is doubtful beside it. What
    /// depends on a value that cannot be read is not compared with the rest; neither is anything in a
    /// text that is not TOML.
    pub fn parse(text: &str, path: &str, env: &dyn Env) -> Result<Self, ConfigError> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if length > LARGEST {
            return Err(ConfigError::new(path, vec![too_large()]));
        }
        validate::validate(shape::read(text), text, path, env, Needs::Everything)
    }

    /// Reads what a person needs who has only the vault: the vaults, the destinations, and how AWS is
    /// reached.
    ///
    /// Sources and policies may be missing. If something outside of that is wrong, all of it is left
    /// out, with a warning.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), of what is needed.
    pub fn parse_vaults(text: &str, path: &str, env: &dyn Env) -> Result<Self, ConfigError> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if length > LARGEST {
            return Err(ConfigError::new(path, vec![too_large()]));
        }
        let whole = validate::validate(shape::read(text), text, path, env, Needs::Vault);
        let error = match whole {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let alone = vault_part(text).and_then(|part| {
            validate::validate(shape::read(&part), &part, path, env, Needs::Vault).ok()
        });
        let Some(config) = alone else { return Err(error) };
        let first =
            error.problems.first().map(|problem| problem.message.as_str()).unwrap_or_default();
        let left_out = Problem::new(format!(
            "only [[vault]], [[destination]] and [aws] are used, because of a mistake elsewhere: {first}"
        ));
        let left_out = left_out.fix("priorities of policies are unknown until it is corrected");
        Ok(Self { warnings: Warnings::new(path, vec![left_out]), ..config })
    }

    /// Reads a configuration file for a person who has only the vault.
    ///
    /// # Errors
    ///
    /// As [`parse_vaults`](Self::parse_vaults), and when the file cannot be read.
    pub fn load_vaults(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        Self::parse_vaults(&text_of(path, &shown)?, &shown, &ProcessEnv)
    }

    /// Reads a configuration file with the process's environment.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and when the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let config = Self::parse(&text_of(path, &shown)?, &shown, &ProcessEnv)?;
        config.with_prices()?.with_token()
    }

    /// The same with the token of the file that it names. A file that cannot be read stops only what
    /// needs the token.
    fn with_token(mut self) -> Result<Self, ConfigError> {
        let Some(path) = &self.workers.listen_token_file else { return Ok(self) };
        match token::read(path) {
            Ok(text) => {
                if let Some(mistake) = token::mistake(&text) {
                    let shown = path.display();
                    let message = format!("the token in {shown}, the listen_token_file, {mistake}");
                    let problem = Problem::new(message).fix(
                        "use at least 16 random characters, as `openssl rand -hex 32` prints them",
                    );
                    return Err(ConfigError::new(&self.warnings.path, vec![problem]));
                }
                self.listen_token = ListenToken::Known(Secret::new(text));
            }
            Err(missing) => {
                let problem = Problem::new(missing.to_string())
                    .fix("make it readable where a worker runs, and where a report asks one");
                let mut problems = std::mem::take(&mut self.warnings.problems);
                problems.push(problem);
                self.warnings = Warnings::new(&self.warnings.path, problems);
                self.listen_token = ListenToken::Missing(missing);
            }
        }
        Ok(self)
    }

    /// The same with the prices of the file that it names.
    fn with_prices(mut self) -> Result<Self, ConfigError> {
        if let Some(path) = &self.price_file {
            self.prices = prices::load(path)?;
        }
        Ok(self)
    }

    /// The source that a selector names: `account/region`, a Region or an account. Without one,
    /// the only source there is.
    ///
    /// # Errors
    ///
    /// When none or several match; the error names the choices.
    pub fn source(&self, selector: Option<&str>) -> Result<&Source, SelectError> {
        select::one("source", &self.sources, selector, |s| (&s.account, &s.region))
    }

    /// The profile that a source's worker takes its credentials from; `None` for the usual ones.
    pub fn source_profile<'a>(&'a self, source: &'a Source) -> Option<&'a str> {
        source.profile.as_deref().or(self.aws.source_profile.as_deref())
    }

    /// The profile that a vault's worker takes its credentials from; `None` for the usual ones.
    pub fn vault_profile<'a>(&'a self, vault: &'a Vault) -> Option<&'a str> {
        vault.profile.as_deref().or(self.aws.vault_profile.as_deref())
    }

    /// The vault that a selector names, in the same way.
    ///
    /// # Errors
    ///
    /// When none or several match; the error names the choices.
    pub fn vault(&self, selector: Option<&str>) -> Result<&Vault, SelectError> {
        select::one("vault", &self.vaults, selector, |v| (&v.account, &v.region))
    }

    /// The destination that `--into` names, in the same way.
    ///
    /// # Errors
    ///
    /// When none or several match; the error names the choices.
    pub fn destination(&self, selector: &str) -> Result<&Destination, SelectError> {
        select::one("destination", &self.destinations, Some(selector), |d| (&d.account, &d.region))
    }
}

/// What has to be in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Something of everything.
    Everything,
    /// A vault.
    Vault,
}

/// The part of a file that is about vaults, destinations and how AWS is reached.
fn vault_part(text: &str) -> Option<String> {
    let mut table: toml::Table = toml::from_str(text).ok()?;
    table.retain(|section, _| {
        let section: &str = section;
        ["vault", "destination", "aws"].contains(&section)
    });
    toml::to_string(&table).ok()
}

fn text_of(path: &Path, shown: &str) -> Result<String, ConfigError> {
    read_at_most(path, LARGEST + 1).map_err(|error| {
        let problem = Problem::new(format!("the configuration cannot be read: {error}"))
            .fix("name a readable file with --config; `amiferry config example` prints one");
        ConfigError::new(shown, vec![problem])
    })
}

fn too_large() -> Problem {
    Problem::new(format!("the configuration is larger than {LARGEST} bytes"))
        .fix("check that --config names the configuration; a thousand policies take less")
}

/// The text of a file, or the beginning of a file that may have no end.
fn read_at_most(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(bytes).read_to_end(&mut text)?;
    match utf8(&text) {
        Ok(text) => Ok(text.to_owned()),
        // The cut may split a character; the length check refuses a cut text anyway.
        Err(_) if u64::try_from(text.len()).is_ok_and(|read| read >= bytes) => {
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        Err(why) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why)),
    }
}
