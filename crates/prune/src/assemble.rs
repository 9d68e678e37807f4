//! Builds the parts of a prune from the configuration of a vault and a session.

use std::sync::Arc;

use amiferry_aws::{AwsTime, Ec2Images, S3Objects, Session};
use amiferry_core::cost::Prices;
use amiferry_core::names::VaultId;
use amiferry_core::ports::{Clock, ImageRemoval, ImageUse, TrueTime, VersionRemoval};
use amiferry_service::config::{Config, Prune, Vault};
use amiferry_target_worker::assemble;
use amiferry_target_worker::default_lock::DefaultLock;
use amiferry_target_worker::observe::Observer;

/// What a prune works with: one vault, and no source.
pub struct Pruner {
    pub(crate) observer: Observer,
    pub(crate) lock: DefaultLock,
    pub(crate) removal: Arc<dyn ImageRemoval>,
    pub(crate) usage: Arc<dyn ImageUse>,
    pub(crate) versions: Arc<dyn VersionRemoval>,
    pub(crate) time: Arc<dyn TrueTime>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Prune,
    pub(crate) prices: Prices,
}

impl Pruner {
    /// A prune of one vault. Sources are left out: a role that deletes has no business there. Asks AWS
    /// nothing yet.
    pub fn new(config: &Config, vault: &Vault, session: &Session, clock: Arc<dyn Clock>) -> Self {
        let alone = Config { sources: Vec::new(), ..config.clone() };
        let s3 = Arc::new(S3Objects::new(session));
        let ec2 = Arc::new(Ec2Images::new(session, vault.account.clone()));
        Self {
            observer: assemble::observer(&alone, vault, session),
            lock: DefaultLock::new(
                Arc::clone(&s3) as _,
                vault.account.clone(),
                vault.bucket.clone(),
            ),
            removal: Arc::clone(&ec2) as _,
            usage: ec2,
            versions: s3,
            time: Arc::new(AwsTime::new(session)),
            clock,
            limits: config.prune.clone(),
            prices: config.prices.clone(),
        }
    }

    /// Which vault it is.
    pub fn vault(&self) -> VaultId {
        self.observer.vault_id()
    }
}
