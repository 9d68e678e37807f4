//! Builds the parts of a recovery from the configuration of a vault and a session.

use std::sync::Arc;

use amiferry_aws::{Ec2Images, S3Objects, Session};
use amiferry_core::cost::Prices;
use amiferry_core::model::Retrieval;
use amiferry_core::pacing::CallRate;
use amiferry_core::ports::{Clock, ImageSharing, ObjectRetrieval};
use amiferry_service::config::{Config, Vault};
use amiferry_target_worker::assemble;
use amiferry_target_worker::default_lock::DefaultLock;
use amiferry_target_worker::observe::Observer;

/// What a recovery works with: one vault, and no source.
pub struct Recoverer {
    pub(crate) observer: Observer,
    pub(crate) lock: DefaultLock,
    pub(crate) sharing: Arc<dyn ImageSharing>,
    pub(crate) archive: Arc<dyn ObjectRetrieval>,
    /// How archived objects are retrieved; the usual way, unless a person wants another.
    pub retrieval: Retrieval,
    pub(crate) prices: Prices,
    pub(crate) clock: Arc<dyn Clock>,
    /// Gigabytes of images that may be restoring at once.
    pub(crate) quota_gb: u64,
    /// EC2's limit on calls that restore an image.
    pub(crate) calls: CallRate,
}

impl Recoverer {
    /// A recovery from one vault. Sources of the configuration are left out: they may be gone, or in
    /// the hands of others. Asks AWS nothing yet.
    pub fn new(config: &Config, vault: &Vault, session: &Session, clock: Arc<dyn Clock>) -> Self {
        let alone = Config { sources: Vec::new(), ..config.clone() };
        let s3 = Arc::new(S3Objects::new(session));
        Self {
            observer: assemble::observer(&alone, vault, session),
            archive: s3.clone(),
            retrieval: Retrieval::default(),
            prices: config.prices.clone(),
            lock: DefaultLock::new(s3, vault.account.clone(), vault.bucket.clone()),
            sharing: Arc::new(Ec2Images::new(session, vault.account.clone())),
            clock,
            quota_gb: vault.restore_quota_gb.get(),
            calls: vault.restore_calls,
        }
    }

    /// Which vault it is.
    pub fn vault(&self) -> amiferry_core::names::VaultId {
        self.observer.vault_id()
    }
}
