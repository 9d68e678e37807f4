//! Builds the parts of a recovery from the configuration of a vault and a session.

use std::sync::Arc;

use amiferry_aws::{Ec2Images, S3Objects, Session};
use amiferry_core::cost::Prices;
use amiferry_core::fault::Fault;
use amiferry_core::model::Retrieval;
use amiferry_core::names::{VaultId, folder};
use amiferry_core::notification::Place;
use amiferry_core::pacing::CallRate;
use amiferry_core::ports::{Clock, ImageSharing, ObjectRetrieval};
use amiferry_service::config::{Config, Destination, Vault};
use amiferry_target_worker::assemble;
use amiferry_target_worker::copy::Copier;
use amiferry_target_worker::default_lock::DefaultLock;
use amiferry_target_worker::observe::{Observer, VaultView};
use jiff::Timestamp;

use crate::report::Recovered;
use crate::turns::Turns;

/// The name of the sessions in the account of a destination, as CloudTrail there shows them.
const SESSION_NAME: &str = "amiferry-restore";

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
    /// Where images are made, if that is not the vault.
    pub(crate) destination: Option<Elsewhere>,
    /// What tells this run from another one: two that meet at a copy wait for different times.
    pub seed: u64,
}

/// A destination with its eyes and its hands.
pub(crate) struct Elsewhere {
    pub(crate) observer: Observer,
    pub(crate) copier: Arc<Copier>,
    /// How many objects are copied at once.
    pub(crate) copies: usize,
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
            destination: None,
            seed: 0,
        }
    }

    /// The same into a destination, by the session of the vault. Its own quotas count there.
    #[must_use]
    pub fn restoring_into(
        self,
        config: &Config,
        destination: &Destination,
        session: &Session,
    ) -> Self {
        let own = session_in(destination, session);
        let session = session.in_region(&destination.region);
        let observer = assemble::destination_observer(config, destination, &session, &own);
        let clock = Arc::clone(&self.clock);
        let copier = assemble::destination_copier(config, destination, &session, clock);
        Self {
            destination: Some(Elsewhere {
                observer,
                copier: Arc::new(copier),
                copies: config.workers.copies_in_flight.get(),
            }),
            quota_gb: destination.restore_quota_gb.get(),
            calls: destination.restore_calls,
            ..self
        }
    }

    /// Which vault it is.
    pub fn vault(&self) -> VaultId {
        self.observer.vault_id()
    }

    /// Where images are made: the vault, or the destination.
    pub fn place(&self) -> VaultId {
        self.maker().vault_id()
    }

    /// Who sees where images are made.
    pub(crate) fn maker(&self) -> &Observer {
        self.destination.as_ref().map_or(&self.observer, |there| &there.observer)
    }

    /// Where images are made, as EC2 and S3 have it.
    pub(crate) fn there(&self) -> &VaultView {
        &self.maker().vault
    }

    /// A result in which nothing is restored yet.
    pub(crate) fn nothing_yet(&self, dry_run: bool) -> Recovered {
        let into = self.destination.as_ref().map(|_| self.place());
        let into = into.map(|VaultId { account, region }| Place { account, region });
        Recovered { into, ..Recovered::new(self.vault(), dry_run, self.clock.now()) }
    }

    /// The line before the quotas of the place where images are made.
    pub(crate) fn turns(&self, now: Timestamp) -> Turns {
        let copies = self.destination.as_ref().map(|there| there.copies);
        Turns::new(self.quota_gb, self.calls, copies, now)
    }

    /// Asks whether the destination's bucket is there and may be written to, before anything is
    /// begun. Without a destination nothing is asked.
    ///
    /// # Errors
    /// What S3 answered.
    pub async fn reach(&self) -> Result<(), Fault> {
        let Some(there) = &self.destination else { return Ok(()) };
        let VaultView { uploads, account, bucket, prefix, .. } = &there.observer.vault;
        uploads.in_progress(account, bucket, &folder(prefix)).await.map(drop)
    }
}

/// The session that makes images in a destination: the vault's, or that of a role there.
pub fn session_in(destination: &Destination, session: &Session) -> Session {
    let region = &destination.region;
    match &destination.role_arn {
        Some(role) => session.assume_role(role, None, SESSION_NAME, region),
        None => session.in_region(region),
    }
}
